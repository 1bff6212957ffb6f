"""The bounded queue of requests for which every eligible deployment is at its limit right now.

Ordered by class (interactive before background), then by deadline. Which deployments a waiter could use
is part of its entry, so that a slot that frees wakes the first waiter it serves and nobody else.
"""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

from lbd.model.units import Instant, Seconds

W = TypeVar("W")


class Full(Exception):
    """The queue has no room for this one."""


class WaitingRoom(Generic[W]):
    """Waiters with what they wait for. ``W`` is opaque here (the rim keeps a future in it)."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._heap: list[tuple[int, Instant, int, W, frozenset[int]]] = []
        self._gone: set[int] = set()
        self._seq = 0

    def __len__(self) -> int:
        return len(self._heap) - len(self._gone)

    def enter(self, waiter: W, rows: frozenset[int], deadline: Instant, *, rank: int = 0) -> int:
        """Queue ``waiter`` for any of ``rows``; returns its ticket. Raises :class:`Full`.

        ``rank``: 0 interactive, 1 background.
        """
        if len(self) >= self.bound:
            raise Full
        self._seq += 1
        heapq.heappush(self._heap, (rank, deadline, self._seq, waiter, rows))
        return self._seq

    def leave(self, ticket: int) -> None:
        """Take a waiter out: it gave up, or was woken and is done. Leaving twice is harmless."""
        if any(entry[2] == ticket for entry in self._heap):
            self._gone.add(ticket)
            self._prune()

    def _prune(self) -> None:
        while self._heap and self._heap[0][2] in self._gone:
            self._gone.discard(heapq.heappop(self._heap)[2])
        if len(self._gone) > 64 and len(self._gone) * 2 > len(self._heap):
            self._heap = [e for e in self._heap if e[2] not in self._gone]
            heapq.heapify(self._heap)
            self._gone.clear()

    def next_for(self, row: int) -> W | None:
        """Take out and return the first waiter that row ``row`` serves, None when there is none."""
        if not len(self):
            return None
        best: tuple[int, Instant, int, W, frozenset[int]] | None = None
        for entry in self._heap:
            if row in entry[4] and entry[2] not in self._gone and (best is None or entry[:3] < best[:3]):
                best = entry
        if best is None:
            return None
        self._gone.add(best[2])
        self._prune()
        return best[3]

    def ahead(self, rows: frozenset[int], deadline: Instant, *, rank: int = 0) -> int:
        """Count the waiters that one of ``rows`` would serve before a new one with this class and deadline."""
        key = (rank, deadline)
        return sum(1 for e in self._heap if e[:2] <= key and e[2] not in self._gone and not rows.isdisjoint(e[4]))


def expected_wait(ahead: int, slots: float, service_s: Seconds) -> Seconds:
    """Estimate how long the next waiter waits: the queue before it, served ``slots`` at a time."""
    return (ahead + 1) * service_s / max(1.0, slots)
