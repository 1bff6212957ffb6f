"""What all clients together may make the listener hold: open connections, and the bytes of large bodies.

One client's bounds (:mod:`lbd.ingress.connection`) bound nothing while there may be any number of clients. Connections
end before the process has used up its descriptors, of which a request takes a second one for its provider: then the
ones that have been idle for longest are closed, and after them those that are slow to ask; whoever has only just
connected, or begun to ask, is given the time to (and newcomers wait meanwhile: :mod:`lbd.ingress.gate`).

Of each body what is beyond ``SMALL`` counts towards the room for large ones: where that is taken, a large body is
refused, to be sent again later, and small ones pass.
"""

from __future__ import annotations

import heapq
import resource
from collections.abc import Callable, Collection
from enum import IntEnum
from typing import Protocol, TypeVar

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Instant, Seconds

SMALL = 64 * 1024  # bytes of a body that are not counted: nearly all prompts
LARGE_BODIES = 8  # bodies of the largest size that there is room for
TRY_AGAIN: Seconds = 1.0
OTHERS = 256  # descriptors for everything that is no connection of a client or to a provider
LEAST_CONNECTIONS = 64
GRACE: Seconds = 0.25  # for a newcomer to ask, before somebody who waits has its place
SLOW: Seconds = 5.0  # for a request to arrive that has begun to, likewise
CLOSED_AT_ONCE = 0.01  # share of the connections: so that a crowd does not have it done for each newcomer


class Standing(IntEnum):
    """How much is lost with a connection on which nothing is being answered."""

    IDLE = 0  # it was used, and the client may ask again
    NEW = 1  # it was never used: a request may be on its way
    BEGUN = 2  # a request has begun to arrive


_GRACE = {Standing.IDLE: 0.0, Standing.NEW: GRACE, Standing.BEGUN: SLOW}


class Idle(Protocol):
    """A connection, as far as it matters here."""

    @property
    def idle_since(self) -> Instant | None:
        """Since when nothing has been answered there, None while something is."""

    @property
    def standing(self) -> Standing:
        """Return what is lost with it."""


C = TypeVar("C", bound=Idle)


def most_connections() -> int:
    """Return how many connections of clients there may be: half the descriptors that this process may open."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 20
    return max(LEAST_CONNECTIONS, (soft - OTHERS) // 2)


def superfluous(connections: Collection[C], most: int, now: Instant) -> list[C]:
    """Return which of more than ``most`` connections to close: those that have been idle for longest."""
    count = len(connections) - most
    return [] if count <= 0 else longest_idle(connections, count + int(most * CLOSED_AT_ONCE), now)


def longest_idle(connections: Collection[C], count: int, now: Instant) -> list[C]:
    """Return those with which least is lost, and of these the ones on which nothing has been answered for longest."""
    idle = (
        (c.standing, since, i, c)
        for i, c in enumerate(connections)
        if (since := c.idle_since) is not None and now - since >= _GRACE[c.standing]
    )
    return [c for _, _, _, c in heapq.nsmallest(count, idle)]


def silent(connections: Collection[C], now: Instant) -> list[C]:
    """Return those that have not asked for anything in the time that a newcomer has for it."""
    return [
        c
        for c in connections
        if c.standing is Standing.NEW and (since := c.idle_since) is not None and now - since >= GRACE
    ]


class Room:
    """The room for large bodies. ``largest`` is what a single one may have, in bytes."""

    def __init__(self, largest: Callable[[], int]) -> None:
        self._largest = largest
        self.held = 0

    def grow(self, before: int, after: int) -> Failure | None:
        """Take room for a body that grows; return why there is none."""
        more = after - max(before, SMALL)
        if more <= 0:
            return None
        if self.held + more > LARGE_BODIES * self._largest():
            text = "too many large request bodies are under way; this one has to be sent again later"
            return Failure(FailureKind.BUSY, text, code="too_many_large_bodies", retry_after_s=TRY_AGAIN)
        self.held += more
        return None

    def release(self, size: int) -> None:
        """Give back what a body of this size took."""
        self.held -= max(0, size - SMALL)
