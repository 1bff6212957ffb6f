"""Timers for many attempts at the cost of a set: deadlines are collected in slots of ``TICK`` seconds.

Arming and cancelling a timer of the event loop costs 2 us a request; nearly all are cancelled. Here an item
is put into the slot of its deadline and taken out again, and one timer of the loop serves the earliest slot.
A deadline is met at most one tick late.

Where the timer itself is much too late the process did not run for a while. What providers have sent meanwhile lies in
the sockets and is only read after the timers: it is given ``GRACE`` before anything is held to be overdue.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Protocol

from lbd.model.units import Instant, Seconds
from lbd.ports import Env, Timer
from lbd.state.stall import LATE, Stall

TICK: Seconds = 0.02
GRACE: Seconds = 0.05


class Timed(Protocol):
    """Something that waits for a time."""

    def on_time(self, now: Instant) -> None:
        """The time has come."""


class Wheel:
    """See the module."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._slots: dict[int, set[Timed]] = {}
        self._order: list[int] = []
        self._timer: Timer | None = None
        self._armed = 0
        self._due: Instant = 0.0  # of the timer
        self._graced = False  # it is the one that was given more time
        self.late: Callable[[Stall], None] = lambda _stall: None  # the process did not run for a while
        self._loop: asyncio.AbstractEventLoop | None = None

    def future(self) -> asyncio.Future[None]:
        """Return a future. Asking for the running loop is a system call each time: was the process forked?"""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        return loop.create_future()

    def add(self, at: Instant, item: Timed) -> int:
        """Call ``item`` at ``at`` or a tick later; returns the slot, which ``discard`` asks for."""
        slot = int(at / TICK) + 1
        items = self._slots.get(slot)
        if items is None:
            items = self._slots[slot] = set()
            heapq.heappush(self._order, slot)
            self._arm(slot)
        items.add(item)
        return slot

    def discard(self, slot: int, item: Timed) -> None:
        """Forget ``item``; harmless when it was called."""
        items = self._slots.get(slot)
        if items is not None:
            items.discard(item)

    def _arm(self, slot: int) -> None:
        if self._timer is not None:
            if self._armed <= slot:
                return
            self._timer.cancel()
        self._armed = slot
        self._due = max(slot * TICK, self._env.now())
        self._timer = self._env.call_at(self._due, self._run)

    def _run(self) -> None:
        self._timer = None
        now = self._env.now()
        self._graced = now - self._due > LATE and not self._graced
        if self._graced:  # once: where every turn is late, time goes on all the same
            self.late(Stall(self._due, now))
            self._due = now + GRACE
            self._timer = self._env.call_at(self._due, self._run)
            return
        while self._order and self._order[0] * TICK <= now + 1e-9:
            for item in self._slots.pop(heapq.heappop(self._order)):
                item.on_time(now)
        while self._order and not self._slots[self._order[0]]:
            del self._slots[heapq.heappop(self._order)]  # everything in it was discarded
        if self._order:
            self._arm(self._order[0])
