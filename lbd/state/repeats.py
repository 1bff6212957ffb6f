"""Failures of one request, however often it is sent: one piece of evidence against a row, and no series of them.

A request can bring down whoever works on it. Moved on by lbd and sent again by its client, three times within seconds,
it would open the breaker of one deployment after the other by itself. So where a body has failed at a row, that it
fails there again is not counted while nobody knows which of the two is to blame: for ``GRACE`` from its first failure,
and while the row has given good answers to others within ``WELL``. The row is suspect meanwhile, and a completion probe
decides, unless somebody is served there first: if that fails, too, what was held back is counted after all. Where none
is made, time decides. What a row has answered well just now is no such request.

Only what may be due to a body is held back: who cannot be reached has not read it.
"""

from __future__ import annotations

import math
from collections import deque

from lbd.model.failure import COUNTS, FailureKind
from lbd.model.outcome import Outcome
from lbd.model.units import Instant, Seconds

GRACE: Seconds = 5.0  # a probe that is called for has been answered by then
WELL: Seconds = 30.0
REMEMBERED: Seconds = 60.0  # since it failed last
MOST = 16  # bodies of one row that are remembered
ANSWERED, LARGEST_KEPT = 8, 16 * 1024  # of the bodies that were answered the last are kept, and their bytes
OF_BODY = COUNTS - {
    FailureKind.DNS,
    FailureKind.CONNECT,
    FailureKind.CONNECT_TIMEOUT,
    FailureKind.TLS,
    FailureKind.LOADING,
}


class Repeats:
    """What a row has to know of it. ``well``: when it gave its last good answer; ``good``: the last bodies with one.

    ``failed``: bodies that failed there, when first and when last. ``held``: failures that were not counted since.
    """

    __slots__ = ("_held_at", "failed", "good", "held", "well")

    def __init__(self) -> None:
        self.well: Instant = -math.inf
        self.good: deque[bytes] = deque(maxlen=ANSWERED)
        self.failed: dict[int, tuple[Instant, Instant]] = {}
        self.held: list[FailureKind] = []
        self._held_at: Instant = -math.inf

    def has(self, outcome: Outcome, now: Instant) -> bool:
        """Tell whether a failure says nothing that the same body has not said before.

        What was under way already when that failed first was not sent again.
        """
        body = outcome.asked
        if outcome.kind not in OF_BODY or not body or body in self.good:
            return False
        first, last = self.failed.get(hash(body), (math.inf, -math.inf))
        again = first <= now - outcome.total_s and now - last <= REMEMBERED
        return again and (now - first <= GRACE or now - self.well <= WELL)

    def took(self, outcome: Outcome, kind: FailureKind, now: Instant) -> bool:
        """Remember a failure; tell whether it is not to be counted now."""
        if kind not in OF_BODY or not outcome.asked:
            return False
        again, known = self.has(outcome, now), hash(outcome.asked)
        first, last = self.failed.pop(known, (now, now))
        self.failed[known] = (first if now - last <= REMEMBERED else now, now)
        if len(self.failed) > MOST:
            del self.failed[next(iter(self.failed))]
        if again and self.well < last:  # a good answer since then has told already that it is not the row
            self.held = [*self.held, kind][-MOST:]
            self._held_at = now
        return again

    def doubted(self, now: Instant) -> bool:
        """Tell whether a completion is to say whose fault it is: that somebody is there says nothing."""
        return bool(self.held) and now - self._held_at <= GRACE

    def probed_well(self, now: Instant) -> None:
        """The row works: what was held back is the requests' own."""
        self.well = now
        self.held = []

    def probed_ill(self) -> list[FailureKind]:
        """The row does not work: return what was held back, which is to be counted now."""
        held, self.held = self.held, []
        self.well = -math.inf
        self.failed = {known: (-math.inf, last) for known, (_, last) in self.failed.items()}
        return held
