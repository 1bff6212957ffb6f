"""Where requests wait while every deployment that could serve them is busy, limited or tripped.

The order is :class:`lbd.state.waiting.WaitingRoom`'s; this is its rim: futures and the deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lbd.model.units import Instant, Seconds
from lbd.ports import Env
from lbd.state.waiting import Full, WaitingRoom, expected_wait


class Queue:
    """The waiting room of this process."""

    def __init__(self, env: Env, bound: int) -> None:
        self._env = env
        self.changed: Callable[[bool], None] = lambda _somebody: None  # whether somebody waits
        self._room: WaitingRoom[asyncio.Future[int | None]] = WaitingRoom(bound)

    def __len__(self) -> int:
        return len(self._room)

    def set_bound(self, bound: int) -> None:
        """Change how many may wait."""
        self._room.bound = bound

    def _note(self) -> None:
        self.changed(len(self._room) > 0)

    def freed(self, row: int) -> None:
        """Row ``row`` may have room: wake the first that it serves."""
        while len(self._room):
            waiter = self._room.next_for(row)
            if waiter is None:
                return
            if not waiter.done():  # else its time is up, or its client left: the slot is the next one's
                waiter.set_result(row)
                return

    async def wait(self, rows: frozenset[int], until: Instant, *, deadline: Instant, rank: int) -> bool:
        """Wait for one of ``rows``, at most until then; False when nothing came. Raises ``Full``."""
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        ticket = self._room.enter(future, rows, deadline, rank=rank)
        self._note()
        timer = self._env.call_at(until, lambda: _wake(future))
        began = self._env.now()
        try:
            await future
        except asyncio.CancelledError:
            row = future.result() if future.done() and not future.cancelled() else None
            if row is not None:
                self.freed(row)  # woken, but the client left before it could use the slot
            raise
        finally:
            timer.cancel()
            self._room.leave(ticket)
            self._note()
        return self._env.now() < until or began >= until

    def expected(
        self, rows: frozenset[int], deadline: Instant, *, rank: int, slots: float, service_s: Seconds
    ) -> Seconds:
        """Estimate how long a new waiter would wait for one of ``rows``, which have ``slots`` together."""
        return expected_wait(self._room.ahead(rows, deadline, rank=rank), slots, service_s)


def _wake(future: asyncio.Future[int | None]) -> None:
    if not future.done():
        future.set_result(None)


__all__ = ["Full", "Queue"]
