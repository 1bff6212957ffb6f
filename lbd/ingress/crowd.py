"""What all clients together may make the listener hold: open connections, and the bytes of large bodies.

One client's bounds (:mod:`lbd.ingress.server`) bound nothing while there may be any number of clients. Connections
end before the process has used up its descriptors, of which a request takes a second one for its provider: then the
ones that have been idle, or slow to ask, for longest are closed. Of each body what is beyond ``SMALL`` counts towards
the room for large ones: where that is taken, a large body is refused, to be sent again later, and small ones pass.
"""

from __future__ import annotations

import heapq
import resource
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Instant, Seconds

SMALL = 64 * 1024  # bytes of a body that are not counted: nearly all prompts
LARGE_BODIES = 8  # bodies of the largest size that there is room for
TRY_AGAIN: Seconds = 1.0
OTHERS = 256  # descriptors for everything that is no connection of a client or to a provider
LEAST_CONNECTIONS = 64
CLOSED_AT_ONCE = 0.01  # share of the connections: so that a crowd does not have it done for each newcomer


class Idle(Protocol):
    """A connection, as far as it matters here."""

    @property
    def idle_since(self) -> Instant | None:
        """Since when nothing has been answered there, None while something is."""


C = TypeVar("C", bound=Idle)


def most_connections() -> int:
    """Return how many connections of clients there may be: half the descriptors that this process may open."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1 << 20
    return max(LEAST_CONNECTIONS, (soft - OTHERS) // 2)


def superfluous(connections: Collection[C], most: int) -> list[C]:
    """Return which of more than ``most`` connections to close: those that have been idle for longest."""
    count = len(connections) - most
    if count <= 0:
        return []
    idle = ((since, i, c) for i, c in enumerate(connections) if (since := c.idle_since) is not None)
    return [c for _, _, c in heapq.nsmallest(count + int(most * CLOSED_AT_ONCE), idle)]


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
