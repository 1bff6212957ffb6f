"""Time in which this process did not run: stopped, suspended with its machine, or kept busy by something else.

Every time-out that came due meanwhile is noticed at once when it runs again, and what providers did meanwhile only
after that. Such time-outs say nothing about providers: the stall took so much of their time.
"""

from __future__ import annotations

import msgspec

from lbd.model.failure import FailureKind
from lbd.model.units import Instant, Seconds
from lbd.state.uplink import SIGNS

LATE: Seconds = 0.25  # a timer that is so late has found the process standing still
LONGEST: Seconds = 30.0  # a connection that is of no use any more after a long one is noticed within this


class Stall(msgspec.Struct, frozen=True):
    """From when until when it did not run; ``span_s`` is what the clock on the wall says of it, where that is more."""

    began: Instant
    until: Instant
    span_s: Seconds = 0.0

    @property
    def length_s(self) -> Seconds:
        """How long it was."""
        return max(self.until - self.began, self.span_s)


def joined(before: Stall | None, now: Stall) -> Stall:
    """Return what two timers have noticed of one stall, or the later of two."""
    if before is None or now.began > before.until:
        return now
    return Stall(min(before.began, now.began), max(before.until, now.until), max(before.span_s, now.span_s))


def excuses(stall: Stall | None, kind: FailureKind, began: Instant, now: Instant) -> bool:
    """Tell whether a failure now, of what was begun at ``began``, may be the stall's doing.

    So much time as it took is given back to what was under way.
    """
    if stall is None or kind not in SIGNS or began > stall.until:
        return False
    return now - stall.until <= min(LONGEST, max(LATE, stall.length_s))
