"""Long work in pieces: others have their turn in between.

A request needs some ten turns of the event loop. Were the pieces done one right after the other, it would wait for one
of them in each of its turns; with a rest between two of them it seldom meets more than one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Protocol, TypeVar

from lbd.model.units import Instant, Seconds

PIECE: Seconds = 0.0004  # of work, after which others have their turn
REST: Seconds = 0.001  # at least: the finest that the system's timer knows
SHARE = 2.0  # the rest is so many times the piece, at least

T = TypeVar("T")


class Clock(Protocol):
    """What it takes to be told the time and to rest."""

    def now(self) -> Instant:
        """Return the monotonic time in seconds."""

    async def sleep(self, seconds: Seconds) -> None:
        """Pause the current task."""


class Turns:
    """One long work, from its making on; ``worked`` tells how long it took without the rests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.now()
        self._worked: Seconds = 0.0

    @property
    def worked(self) -> Seconds:
        """Return how long it has worked."""
        return self._worked + self._clock.now() - self._began

    async def rest(self) -> None:
        """Rest where a piece is full; to be called between any two steps."""
        took = self._clock.now() - self._began
        if took < PIECE:
            return
        self._worked += took
        await self._clock.sleep(max(REST, SHARE * took))
        self._began = self._clock.now()

    async def wait(self, other: Awaitable[T]) -> T:
        """Wait for what others do, a query or a lock: that is no work of this one, and no reason to rest."""
        self._worked += self._clock.now() - self._began
        try:
            return await other
        finally:
            self._began = self._clock.now()

    async def all(self, steps: Generator[object, None, T]) -> T:
        """Take every step; returns what the generator returns."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                told: T = end.value
                return told
            await self.rest()


def at_once(steps: Generator[object, None, T]) -> T:
    """Take every step without a rest, where nobody waits."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            told: T = end.value
            return told
