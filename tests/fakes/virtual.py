"""An event loop in virtual time: nothing ever waits, the clock jumps to whatever happens next."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START = 1_000.0  # the monotonic clock's first reading
EPOCH = 1_760_000_000.0


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks and timers only; there are no sockets, no threads."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = START
        self._selector = self
        self.slow_callback_duration = 1e9

    def time(self) -> float:
        return self._virtual

    def select(self, timeout: float | None) -> tuple[()]:
        if timeout is None:
            raise RuntimeError("nothing is left to happen: somebody waits for ever")
        self._virtual += timeout
        return ()

    def _process_events(self, events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class VirtualEnv:
    """Implements ``lbd.ports.Env`` on a virtual loop, with seeded chance."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: int) -> None:
        self._loop = loop
        self.random = random.Random(seed)
        self.now = loop.time
        self.uniform = self.random.random

    def wall(self) -> float:
        return EPOCH + self._loop.time()

    def bits(self) -> int:
        return self.random.getrandbits(64)

    def call_at(self, when: float, call: Callable[[], object]) -> asyncio.TimerHandle:
        return self._loop.call_at(when, call)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run(main: Callable[[VirtualEnv], Coroutine[Any, Any, T]], seed: int = 1) -> T:
    """Run ``main`` to its end in virtual time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(VirtualEnv(loop, seed)))
    finally:
        pending = asyncio.all_tasks(loop)
        for task in pending:
            task.cancel()
        if pending:
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.close()
        asyncio.set_event_loop(None)
