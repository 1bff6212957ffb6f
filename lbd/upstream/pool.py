"""Idle connections, by origin: the youngest is used first, the old ones age out.

Pure bookkeeping: nothing here opens or closes anything, it says what to close.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from lbd.model.units import Instant
from lbd.ports import Origin

C = TypeVar("C")

MOST_IDLE = 256  # an origin


class Pool(Generic[C]):
    """Idle connections with the instant from which each must not be used any more."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[tuple[Instant, C]]] = {}

    def __len__(self) -> int:
        return sum(len(idle) for idle in self._idle.values())

    def take(self, origin: Origin, now: Instant) -> C | None:
        """Take out the youngest connection that may still be used."""
        idle = self._idle.get(origin)
        if idle:
            until, connection = idle[-1]
            if now < until:
                idle.pop()
                return connection
        return None

    def put(self, origin: Origin, connection: C, until: Instant) -> C | None:
        """Keep a connection until then; returns one to close instead, where there are too many."""
        idle = self._idle.setdefault(origin, [])
        idle.append((until, connection))
        return idle.pop(0)[1] if len(idle) > MOST_IDLE else None

    def drop(self, origin: Origin, connection: C) -> None:
        """Forget a connection that closed while idle."""
        idle = self._idle.get(origin, [])
        self._idle[origin] = [entry for entry in idle if entry[1] is not connection]

    def expired(self, now: Instant) -> list[C]:
        """Take out everything that must not be used any more; to be closed."""
        out: list[C] = []
        for origin, idle in self._idle.items():
            out += [c for until, c in idle if now >= until]
            self._idle[origin] = [entry for entry in idle if now < entry[0]]
        return out

    def clear(self) -> list[C]:
        """Take out everything."""
        out = [c for idle in self._idle.values() for _, c in idle]
        self._idle.clear()
        return out
