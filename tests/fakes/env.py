"""Time and chance under a test's control."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable


class FakeTimer:
    """A scheduled call."""

    def __init__(self, when: float, call: Callable[[], object]) -> None:
        self.when = when
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeEnv:
    """Implements ``lbd.ports.Env``. ``advance`` moves time and runs what falls due on the way, in order."""

    def __init__(self, now: float = 1000.0, wall: float = 1_700_000_000.0, seed: int = 1) -> None:
        self._now = now
        self._offset = wall - now
        self._random = random.Random(seed)
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._serial = itertools.count()

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now + self._offset

    def uniform(self) -> float:
        return self._random.random()

    def bits(self) -> int:
        return self._random.getrandbits(64)

    def call_at(self, when: float, call: Callable[[], object]) -> FakeTimer:
        timer = FakeTimer(when, call)
        heapq.heappush(self._timers, (when, next(self._serial), timer))
        return timer

    async def sleep(self, seconds: float) -> None:
        assert seconds == 0, "this fake does not sleep; use the virtual loop"
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            when, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, when)
            if not timer.cancelled:
                timer.call()
        self._now = end
