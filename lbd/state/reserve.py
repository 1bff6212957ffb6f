"""How many slots of a deployment stay free for interactive work, and whether one more background request may start.

Nothing that runs is interrupted, so what background work holds is gone until it is done. What interactive work needs
is learned from its arrivals: each notes how many interactive requests were there, itself included, and Poisson arrivals
see time averages, so the share of arrivals that met more than n is the share that would find n slots taken. Background
work may fill what is beyond the smallest n with so small a share that hardly any comes too late: one that finds no slot
waits for the first that ends, and where there are many, or answers are short, that is soon.

Where interactive work needs every slot at times, background work would never run. It may use all slots but one while
nothing interactive has come for ``QUIET`` seconds, for as long as fewer than ``HARMED`` of the arrivals of the last
minutes had to wait for it; and in any case when nothing has come for ``GAPS`` times as long as usually.
"""

from __future__ import annotations

import math

from lbd.model.units import Instant, Ratio, Seconds

LATE: Ratio = 0.01  # of interactive arrivals may come too late for background work
PATIENCE: Seconds = 1.0  # that an interactive request can wait for a slot and still be in time
MOST_TAKEN: Ratio = 0.3  # of arrivals may find no slot, however soon there would be one
HALF_LIFE: Seconds = 600.0  # of what was learned
QUIET: Seconds = 5.0
HARMED: Ratio = 0.005
GAPS = 5.0  # so long a pause is one of 150 between Poisson arrivals: rather, they have ceased
GONE: Seconds = 30.0  # a pause in which slots are tried that may be too many
GAP_STEP = 0.1  # each pause moves the usual one by a tenth
FORGOTTEN = 0.1  # arrivals that are left after fading: nothing is known any more
_RESCALE = 2.0**40


class Reserve:
    """See the module. ``background`` is how many background requests are in flight."""

    __slots__ = ("_all", "_began", "_gap", "_harmed", "_last", "_total", "_weights", "background")

    def __init__(self) -> None:
        self.background = 0
        self._weights: list[float] = []  # of arrivals, by how many there were; later ones weigh more
        self._total = 0.0
        self._began: Instant = 0.0  # when an arrival weighed 1
        self._last: Instant = -math.inf
        self._gap: Seconds = 0.0  # between arrivals, usually
        self._all = 0.0  # arrivals, fading slowly, up to the last
        self._harmed = 0.0  # those of them that waited while background work held slots

    def arrived(self, level: int, now: Instant, *, waits: bool = False) -> None:
        """Note an interactive arrival that makes it ``level`` interactive requests, those who wait included."""
        fade = 2.0 ** ((self._last - now) / HALF_LIFE)
        self._all = self._all * fade + 1.0
        self._harmed = self._harmed * fade + (waits and self.background > 0)
        if self._last > -math.inf:
            self._gap += GAP_STEP * (now - self._last - self._gap)
        self._last = now
        if not self._total:
            self._began = now
        weight = 2.0 ** ((now - self._began) / HALF_LIFE)
        if weight > _RESCALE:
            self._weights = [w / weight for w in self._weights]
            self._total /= weight
            self._began, weight = now, 1.0
        if len(self._weights) <= level:
            self._weights += [0.0] * (level + 1 - len(self._weights))
        self._weights[level] += weight
        self._total += weight

    def kept(self, now: Instant, taken: Ratio = LATE) -> int:
        """Return how many slots are kept, so that no more than the share ``taken`` of arrivals finds none."""
        if not self._total or self._total * 2.0 ** ((self._began - now) / HALF_LIFE) < FORGOTTEN:
            return 0
        above = self._total * taken
        for level in range(len(self._weights) - 1, 0, -1):
            above -= self._weights[level]
            if above < 0:
                return level
        return 0

    def gone(self, now: Instant) -> bool:
        """Tell whether nothing interactive has come for so long that none is expected at all."""
        return now - self._last >= max(GONE, 2 * GAPS * self._gap)

    def lull(self, now: Instant, most: int) -> bool:
        """Tell whether nothing interactive has come for a while, and background work has done little harm.

        Where there is only one slot, each arrival beside background work is harmed: there it takes a long pause.
        """
        quiet = now - self._last
        if quiet < QUIET or quiet >= GAPS * self._gap or most < 2:
            return quiet >= max(QUIET, GAPS * self._gap)
        fade: float = 2.0 ** ((self._last - now) / HALF_LIFE)
        return self._harmed * fade <= HARMED * max(1.0, self._all)


def taken(most: int, service_s: Seconds) -> Ratio:
    """Return which share of arrivals may find ``most`` slots taken, each for ``service_s``, and hardly any come late.

    A slot ends every ``service_s / most`` seconds, so one that waits is late with a chance of about e to the minus
    ``PATIENCE`` times that rate.
    """
    return min(MOST_TAKEN, LATE * math.exp(min(50.0, PATIENCE * most / max(service_s, 1e-3))))


def admits(most: int, background: int, kept: int, *, lull: bool) -> bool:
    """Tell whether one more background request may start beside so many, where ``most`` may run."""
    return background < most - kept or (lull and background < max(1, most - 1))
