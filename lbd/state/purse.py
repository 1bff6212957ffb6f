"""A budget of money over calendar windows: reserved before it is spent, settled after, never more than the limit.

``limit = left + reserved + spent`` at every instant. What may be promised is bounded by ``granted``, an amount that
stands on the disk before anybody is promised a part of it: after a crash everything granted counts as spent, so that
no accident makes a limit larger. The keeper of a purse asks ``due`` how much to write down next, and says so with
``grant``. A purse that is not hard refuses nothing; it only knows that it is over, and has what was spent written down.

What is granted ahead is lost by a crash, and some daemons crash again and again: so it is no more than a few times what
was wanted between two looks at it, and what a crowd needed is taken back when the crowd has gone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from lbd.model.units import NanoUsd, Ratio, Seconds, WallTime

Period: TypeAlias = Literal["hour", "day", "month"]
Answer: TypeAlias = Literal["held", "dry", "over"]
# The most of a limit that is granted ahead, and the least, for who comes first. What is more than twice what should be
# is taken back, so a crash takes at most 1/64, beyond what was being spent. While requests are kept waiting for a grant
# it is doubled each time, so that a crowd of them waits for a few words on the disk.
SLICES = 128
LEAST = 1024
DOUBLINGS = 7
STRIDES = 4  # of what is wanted between two looks: requests under way come and go, which is no reason to write
LOOKS = 20  # at which it was too much before it is taken back: who was kept waiting comes for it, and so may the next


def begins(period: Period, wall: WallTime) -> int:
    """Return when the window around ``wall`` began, in seconds since the epoch (UTC)."""
    if period == "hour":
        return int(wall // 3600) * 3600
    if period == "day":
        return int(wall // 86400) * 86400
    at = datetime.fromtimestamp(wall, UTC)
    return int(at.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp())


def ends(period: Period, wall: WallTime) -> int:
    """Return when the window around ``wall`` ends."""
    begin = begins(period, wall)
    if period != "month":
        return begin + (3600 if period == "hour" else 86400)
    later = datetime.fromtimestamp(begin, UTC) + timedelta(days=32)
    return int(later.replace(day=1).timestamp())


class Purse:
    """One budget of one client, surface or provider."""

    __slots__ = (
        "before", "excess", "granted", "hard", "later", "limit", "period", "reserved", "seen", "short", "spent",
        "stride", "turn", "wanted", "warn_at", "window", "written",
    )  # fmt: skip

    def __init__(self, limit: NanoUsd, period: Period, *, hard: bool = True, warn_at: Ratio = 0.8) -> None:
        self.limit = limit
        self.period: Period = period
        self.hard = hard
        self.warn_at = warn_at
        self.window = 0
        self.turn = 0  # another for each window that it has had, also for one that comes back
        self.spent: NanoUsd = 0
        self.reserved: NanoUsd = 0  # of this window
        self.before: tuple[int, NanoUsd] = (0, 0)  # the window before, and what was spent and reserved of it
        self.later = 0  # a window that had begun before the clock was set back, by more than its length
        self.granted: NanoUsd = 0
        self.written: NanoUsd = 0  # what stands on the disk: more than is granted, while that is being taken back
        self.wanted: NanoUsd = 0  # the most that somebody was refused for want of a grant
        self.short = 0  # grants in a row that somebody was waiting for
        self.seen: NanoUsd = 0  # what was spent and reserved at the last look
        self.excess = 0  # looks in a row at which too much was granted
        self.stride: NanoUsd = 0  # the most by which that grew of late from one look to the next

    def restore(self, window: int, granted: NanoUsd) -> None:
        """Take up what was written down: of a crash nobody knows how much of it was spent."""
        since = self.spent if window == self.window else 0  # by work that needs no grant
        self.window, self.granted, self.spent = window, granted, granted + since
        self.written = self.seen = granted

    @property
    def stamp(self) -> int:
        """The window under which what is granted stands on the disk."""
        return max(self.window, self.later)

    def roll(self, wall: WallTime) -> None:
        """Begin a new window where one has begun. A clock that goes back a little changes nothing.

        One that was far ahead does not shut a purse until its time has come: what was spent then counts as spent now.
        It does so again where that time comes before the next window does: then it was now that the clock was wrong.
        """
        window = begins(self.period, wall)
        if window > self.window:
            if window != self.later:
                self.before = self.window, self.spent + self.reserved
                self.spent = self.reserved = self.granted = self.written = self.wanted = self.short = self.seen = 0
            self.window, self.later, self.turn = window, 0, self.turn + 1
        elif window < self.window and wall < 2 * self.window - ends(self.period, self.window):
            of, spent = self.before
            self.spent += self.reserved + (spent if of >= window else 0)
            self.reserved = 0
            self.window, self.later, self.turn, self.before = window, self.stamp, self.turn + 1, (0, 0)

    def asks(self, amount: NanoUsd) -> Answer:
        """Tell whether so much may be reserved: ``over`` the limit, or ``dry`` until more is granted."""
        if amount <= 0 or not self.hard:
            return "held"
        after = self.spent + self.reserved + amount
        if after > self.limit:
            return "over"
        if after > self.granted:
            self.wanted = max(self.wanted, after)
            return "dry"
        return "held"

    def reserve(self, amount: NanoUsd) -> None:
        """Reserve so much; ``asks`` has held it."""
        self.reserved += amount

    def settle(self, turn: int, amount: NanoUsd, actual: NanoUsd) -> None:
        """Put what was spent in the place of what was reserved. What belongs to an old window is past."""
        if turn == self.turn:
            self.reserved -= amount
            self.spent += actual

    def due(self) -> NanoUsd | None:
        """Return how much should be granted in all, None where that is written down.

        Where it is less than was granted, no more is promised from here on. It is asked in even steps of time.
        """
        most = self.limit // SLICES
        if not self.hard:
            return self.spent if self.spent - self.granted >= max(1, most) else None
        used = self.spent + self.reserved
        grown, self.seen = max(used, self.wanted) - self.seen, used
        self.stride = max(self.stride, grown)
        ahead = max(1, self.limit // LEAST, min(most, STRIDES * self.stride))
        if self.granted - used >= (ahead + 1) // 2 and self.wanted <= self.granted:
            self.excess = self.excess + 1 if self.written - used > 2 * ahead else 0
            if self.excess < LOOKS:
                return None
            self.granted = min(self.granted, used + ahead)
            return self.granted
        self.excess = 0
        self.stride = max(grown, self.stride - self.stride // 8)
        more = min(self.limit, max(used, self.wanted) + (ahead << min(self.short, DOUBLINGS)))
        return more if more > self.granted else None

    def grant(self, window: int, granted: NanoUsd) -> None:
        """Note that so much stands on the disk."""
        if window == self.stamp:
            self.short = self.short + 1 if self.wanted > self.granted else 0
            self.granted = max(self.granted, granted)
            self.written = granted
            self.wanted = self.excess = 0

    @property
    def left(self) -> NanoUsd:
        """What is neither spent nor reserved; less than nothing where a soft limit is passed."""
        return self.limit - self.reserved - self.spent

    def used(self) -> Ratio:
        """Return the share of the limit that is spent."""
        return self.spent / self.limit if self.limit else 1.0

    def back_in(self, wall: WallTime) -> Seconds:
        """Return how long until the next window begins."""
        return max(0.0, ends(self.period, max(wall, self.window)) - wall)  # the clock may have gone back
