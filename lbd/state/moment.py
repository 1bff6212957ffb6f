"""Requests that were sent in the same moment, and how many a server had when each of them came.

Each goes over a connection of its own, and some of these have to be opened first: which of them comes first is known
only by which is answered first. Who counts them in the order in which they were sent takes the wait of the last for
that of the first.
"""

from __future__ import annotations

from lbd.model.units import Instant, Seconds

LASTS: Seconds = 0.05  # connections that are opened at once differ by about so much


class Moment:
    """See the module. ``before``: how many were in flight; ``most``: how many at most, with those that were sent."""

    __slots__ = ("_answered", "at", "before", "most")

    def __init__(self, at: Instant, before: int) -> None:
        self.at = at
        self.before = before
        self.most = before
        self._answered = 0

    def ended(self) -> int:
        """Return how many were in flight when the one came that ends now, itself included."""
        self._answered = answered = self._answered + 1
        inflight = self.before + answered
        return inflight if inflight < self.most else self.most


def joined(moment: Moment, inflight: int, now: Instant) -> Moment:
    """Return the moment of a request that is sent now, and with which so many are in flight."""
    if now - moment.at > LASTS:
        moment = Moment(now, inflight - 1)
    if moment.most < inflight:
        moment.most = inflight
    return moment
