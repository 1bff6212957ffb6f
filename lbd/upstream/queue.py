"""Where requests wait while every deployment that could serve them is busy, limited or tripped.

The order is :class:`lbd.state.waiting.WaitingRoom`'s; this is its rim: futures and the deadline.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from lbd.model.units import Instant, Seconds
from lbd.ports import Env
from lbd.state.waiting import Full, Place, WaitingRoom, expected_wait

_PUT_OUT = -1  # in the place of the row that is free


class Queue:
    """The waiting room of this process."""

    def __init__(self, env: Env, bound: int) -> None:
        self._env = env
        self.changed: Callable[[bool], None] = lambda _somebody: None  # whether somebody waits
        self._room: WaitingRoom[asyncio.Future[int | None]] = WaitingRoom(bound)
        self._called: Counter[tuple[int, int]] = Counter()  # by row and rank: who were woken and have not run yet

    def __len__(self) -> int:
        return len(self._room)

    @property
    def bound(self) -> int:
        """How many may wait."""
        return self._room.bound

    def set_bound(self, bound: int) -> None:
        """Change how many may wait."""
        self._room.bound = bound

    def _note(self) -> None:
        self.changed(len(self._room) > 0)

    def freed(self, row: int) -> None:
        """Row ``row`` may have room: wake the first that it serves."""
        while len(self._room):
            called = self._room.next_for(row)
            if called is None:
                return
            if not called.waiter.done():
                self._called[row, called.place.rank] += 1
                called.waiter.set_result(row)
                return
            self._room.recall(called.place)  # its time is up, or its client left: the slot is the next one's

    async def wait(self, rows: frozenset[int], until: Instant, place: Place) -> bool:
        """Wait for one of ``rows``, at most until then; False when nothing came.

        Raises ``Full`` where there is no room, also when somebody else came who is to be served before.
        """
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        out = self._room.enter(future, rows, place)
        if out is not None and not out.done():
            out.set_result(_PUT_OUT)
        self._note()
        timer = self._env.call_at(until, lambda: _wake(future))
        began = self._env.now()
        try:
            row = await future
        except asyncio.CancelledError:
            row = self._woken(future, place)
            if row is not None:
                self._room.recall(place)
                self.freed(row)  # woken, but the client left before it could use the slot
            raise
        finally:
            timer.cancel()
            self._room.leave(place)
            self._note()
        self._woken(future, place)
        if row == _PUT_OUT:
            raise Full
        return self._env.now() < until or began >= until

    def _woken(self, future: asyncio.Future[int | None], place: Place) -> int | None:
        """Return the row for which a waiter was woken; it runs now."""
        row = future.result() if future.done() and not future.cancelled() else None
        if row is None or row == _PUT_OUT:
            return None
        self._called[row, place.rank] -= 1
        if not self._called[row, place.rank]:
            del self._called[row, place.rank]
        return row

    def claimed(self, row: int, free: float, *, rank: int) -> bool:
        """Tell whether the ``free`` slots of row ``row`` belong to others than a newcomer of this rank.

        Where some of them were not told of theirs yet, the first is.
        """
        if not self._called and not len(self._room):
            return False
        if sum(n for (of, r), n in self._called.items() if of == row and r <= rank) >= free:
            return True
        if self._room.waits_for(row, rank=rank):
            self.freed(row)
            return True
        return False

    def waiting(self, row: int, *, rank: int) -> int:
        """Count who waits for row ``row``, of this class and of better ones."""
        return self._room.waiting(row, rank=rank)

    def ahead(self, rows: frozenset[int], place: Place) -> int:
        """Count the waiters that one of ``rows`` would serve before this one."""
        return self._room.ahead(rows, place)

    def expected(self, rows: frozenset[int], place: Place, *, slots: float, service_s: Seconds) -> Seconds:
        """Estimate how long this one would wait for one of ``rows``, which have ``slots`` together."""
        return expected_wait(self._room.ahead(rows, place), slots, service_s)


def _wake(future: asyncio.Future[int | None]) -> None:
    if not future.done():
        future.set_result(None)


__all__ = ["Full", "Place", "Queue"]
