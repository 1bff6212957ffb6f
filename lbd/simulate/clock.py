"""An event loop in virtual time: nothing ever waits, the clock jumps to whatever happens next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from lbd.model.units import Instant, Seconds, WallTime

T = TypeVar("T")

START: Instant = 1_000.0  # the monotonic clock's first reading
EPOCH: WallTime = 1_760_000_000.0  # of the wall clock, less that reading


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks and timers only; there are no sockets, no threads."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = START
        self._selector = self
        self.slow_callback_duration = 1e9

    def time(self) -> Instant:
        """Return the virtual time."""
        return self._virtual

    def select(self, timeout: Seconds | None) -> tuple[()]:
        """Let so much time pass. Raises RuntimeError where it would never end."""
        if timeout is None:
            raise RuntimeError("nothing is left to happen: somebody waits for ever")
        self._virtual += timeout
        return ()

    def _process_events(self, events: object) -> None:
        """Process nothing: there are no sockets."""

    def _write_to_self(self) -> None:
        """Wake nobody up: there are no other threads."""


class VirtualEnv:
    """Implements :class:`lbd.ports.Env` on a virtual loop, with seeded chance; ``epoch`` is added to its time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int, epoch: WallTime = EPOCH) -> None:
        self._loop = loop
        self._epoch = epoch
        self.random = random.Random(seed)
        self.now = loop.time
        self.uniform = self.random.random

    def wall(self) -> WallTime:
        """Return the time of day."""
        return self._epoch + self._loop.time()

    def bits(self) -> int:
        """Return 64 bits of the seed's."""
        return self.random.getrandbits(64)

    def call_at(self, when: Instant, call: Callable[[], object]) -> asyncio.TimerHandle:
        """Schedule ``call``."""
        return self._loop.call_at(when, call)

    async def sleep(self, seconds: Seconds) -> None:
        """Pause the current task."""
        await asyncio.sleep(seconds)


def run(main: Callable[[VirtualEnv], Coroutine[Any, Any, T]], seed: int = 1, epoch: WallTime = EPOCH) -> T:
    """Run ``main`` to its end in virtual time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(VirtualEnv(loop, seed, epoch)))
    finally:
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.close()
        asyncio.set_event_loop(None)
