"""What the operator's page shows and is costly to find out: savings and background work, as they were a moment ago."""

from __future__ import annotations

from typing import Any, Protocol

from lbd.ingress.live import Clockwork
from lbd.ingress.money import Books
from lbd.model.units import Instant, Seconds
from lbd.ports import StoreError

SAVINGS_EVERY: Seconds = 10.0  # the ledger is on the disk
SAVINGS_OVER: Seconds = 30 * 86400.0
QUEUE_EVERY: Seconds = 5.0  # every batch that is kept is looked at


class Sources(Protocol):
    """Where it is found out."""

    accounts: Books

    def queue(self) -> dict[str, Any]:
        """Return how the background work stands."""


class Lately:
    """See the module."""

    def __init__(self, sources: Sources, clock: Clockwork) -> None:
        self._sources = sources
        self._clock = clock
        self._savings: tuple[Instant, dict[str, Any] | None] | None = None
        self._queue: tuple[Instant, dict[str, Any]] | None = None

    async def savings(self) -> dict[str, Any] | None:
        """Return what was saved, None where the ledger cannot be read."""
        now = self._clock.now()
        if self._savings is None or now - self._savings[0] >= SAVINGS_EVERY:
            wall = self._clock.wall()
            try:
                told = await self._sources.accounts.savings(wall - SAVINGS_OVER, wall + 1, ())
            except StoreError:
                self._savings = (now, None)
            else:
                self._savings = (now, told)
        return self._savings[1]

    def queue(self) -> dict[str, Any]:
        """Return how the background work stood."""
        now = self._clock.now()
        if self._queue is None or now - self._queue[0] >= QUEUE_EVERY:
            self._queue = (now, self._sources.queue())
        return self._queue[1]
