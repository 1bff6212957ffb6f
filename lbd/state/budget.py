"""Retry budget: extra attempts are paid from the traffic itself, so that retries cannot multiply an outage.

Over the last ``WINDOW`` seconds at most ``FLOOR`` a second plus ``SHARE`` of the requests may be extra
attempts (Finagle's ``RetryBudget``: ``ttl``, ``minRetriesPerSec``, ``percentCanRetry``).
"""

from __future__ import annotations

from lbd.model.units import Instant, Ratio, Seconds

WINDOW: Seconds = 10.0
SLOTS = 10


class RetryBudget:
    """Counts requests and extra attempts in one-second slots."""

    __slots__ = ("_extra", "_floor", "_requests", "_share", "_slot")

    def __init__(self, share: Ratio = 0.2, floor_per_s: float = 10.0) -> None:
        self._share = share
        self._floor = floor_per_s
        self._requests = [0] * SLOTS
        self._extra = [0] * SLOTS
        self._slot = 0

    def _at(self, now: Instant) -> int:
        slot = int(now)
        if slot > self._slot:
            for s in range(max(self._slot + 1, slot - SLOTS + 1), slot + 1):
                self._requests[s % SLOTS] = 0
                self._extra[s % SLOTS] = 0
            self._slot = slot
        return self._slot % SLOTS

    def request(self, now: Instant) -> None:
        """Count one request: it earns the budget its share."""
        self._requests[self._at(now)] += 1

    def left(self, now: Instant) -> float:
        """Return how many extra attempts may start now."""
        self._at(now)
        return self._floor * WINDOW + self._share * sum(self._requests) - sum(self._extra)

    def spend(self, now: Instant) -> bool:
        """Take one extra attempt; False, and nothing taken, when none is left."""
        if self.left(now) < 1:
            return False
        self._extra[self._at(now)] += 1
        return True

    @property
    def spent(self) -> int:
        """Extra attempts within the window as of the last call."""
        return sum(self._extra)
