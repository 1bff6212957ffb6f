"""A budget of money over calendar windows: reserved before it is spent, settled after, never more than the limit.

``limit = left + reserved + spent`` at every instant. What may be promised is bounded by ``granted``, an amount that
stands on the disk before anybody is promised a part of it: after a crash everything granted counts as spent, so that
no accident makes a limit larger. The keeper of a purse asks ``due`` how much to write down next, and says so with
``grant``. A purse that is not hard refuses nothing; it only knows that it is over, and has what was spent written down.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

from lbd.model.units import NanoUsd, Ratio, Seconds, WallTime

Period: TypeAlias = Literal["hour", "day", "month"]
Answer: TypeAlias = Literal["held", "dry", "over"]
# The part of a limit that is granted ahead: so much is lost by a crash, beyond what was being spent. While requests are
# kept waiting for a grant the part is doubled each time, so that a crowd of them waits for a few words on the disk.
SLICES = 64
DOUBLINGS = 6


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

    __slots__ = ("granted", "hard", "limit", "period", "reserved", "short", "spent", "wanted", "warn_at", "window")

    def __init__(self, limit: NanoUsd, period: Period, *, hard: bool = True, warn_at: Ratio = 0.8) -> None:
        self.limit = limit
        self.period: Period = period
        self.hard = hard
        self.warn_at = warn_at
        self.window = 0
        self.spent: NanoUsd = 0
        self.reserved: NanoUsd = 0  # of this window
        self.granted: NanoUsd = 0
        self.wanted: NanoUsd = 0  # the most that somebody was refused for want of a grant
        self.short = 0  # grants in a row that somebody was waiting for

    def restore(self, window: int, granted: NanoUsd) -> None:
        """Take up what was written down: of a crash nobody knows how much of it was spent."""
        since = self.spent if window == self.window else 0  # by work that needs no grant
        self.window, self.granted, self.spent = window, granted, granted + since

    def roll(self, wall: WallTime) -> None:
        """Begin a new window where one has begun. A clock that goes back changes nothing."""
        window = begins(self.period, wall)
        if window > self.window:
            self.window = window
            self.spent = self.reserved = self.granted = self.wanted = self.short = 0

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

    def settle(self, window: int, amount: NanoUsd, actual: NanoUsd) -> None:
        """Put what was spent in the place of what was reserved. What belongs to an old window is past."""
        if window == self.window:
            self.reserved -= amount
            self.spent += actual

    def due(self) -> NanoUsd | None:
        """Return how much should be granted in all, None where enough is."""
        ahead = max(1, self.limit // SLICES)
        if not self.hard:
            return self.spent if self.spent - self.granted >= ahead else None
        used = self.spent + self.reserved
        if self.granted - used >= (ahead + 1) // 2 and self.wanted <= self.granted:
            return None
        more = min(self.limit, max(used, self.wanted) + (ahead << min(self.short, DOUBLINGS)))
        return more if more > self.granted else None

    def grant(self, window: int, granted: NanoUsd) -> None:
        """Note that so much stands on the disk."""
        if window == self.window:
            self.short = self.short + 1 if self.wanted > self.granted else 0
            self.granted = max(self.granted, granted)
            self.wanted = 0

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
