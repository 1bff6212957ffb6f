"""Writing the decision journal to disk, beside requests: they only note what is to be written, once a second it is.

Work is done in a thread of its own. What a disk does not take waits for the next time, up to a bound; what is over it
is counted as lost, the oldest first, and the records that are left say themselves which table they miss.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from lbd.model.record import RequestRecord
from lbd.model.table import Snapshot
from lbd.model.units import Seconds, WallTime
from lbd.observe.archive import Opened, Scribe
from lbd.ports import Env
from lbd.store.segments import Segments

T = TypeVar("T")
EVERY: Seconds = 1.0
AFTER_A_FAULT: Seconds = 5.0
FORGET_EVERY: Seconds = 3600.0
# Entries of one frame: some 50 KB before they are deflated, more than which deflate does not look back. The thread
# lets the event loop go on between two.
TOGETHER = 64
MOST = 50_000  # entries that wait: some 100 MB


class Place(msgspec.Struct, frozen=True):
    """Where a journal is, how much of it is kept, and what stands at the head of its segments, less run and time."""

    folder: Path
    keep_days: int
    max_bytes: int
    head: Opened


class Journaling:
    """See the module. ``run`` names this life of the daemon.

    ``changed`` is told when a disk stops or begins to take it.
    """

    def __init__(self, env: Env, run: str, changed: Callable[[bool, str], None]) -> None:
        self._env = env
        self.name = run
        self._changed = changed
        self._place: Place | None = None
        self._at: Place | None = None  # of the segments; the thread's own
        self._segments: Segments | None = None
        self._scribe = Scribe(lambda: self._head)
        self._head = Opened("", run, 0.0)  # of its next segment
        self._anew = False  # the next frame tells it, though it begins none
        self._thread: ThreadPoolExecutor | None = None
        self._pending: list[Snapshot | RequestRecord] = []
        self._earlier: list[tuple[Place | None, list[Snapshot | RequestRecord]]] = []
        self._writing = asyncio.Lock()
        self._generation = -1
        self._forgot = env.now()
        self.on = False
        self.up = True
        self.lost = 0

    def configure(self, place: Place | None) -> None:
        """Take where it is written to from now on; None: nowhere."""
        if place != self._place:
            if self._pending:  # which was noted for the place that was
                self._earlier.append((self._place, self._pending))
                self._pending = []
            self._place = place
            self.on = place is not None

    def keep(self, snapshot: Snapshot) -> None:
        """Note a snapshot on which decisions are made; each counts once."""
        if self.on and snapshot.generation != self._generation:
            self._generation = snapshot.generation
            self._pending.append(snapshot)

    def note(self, record: RequestRecord) -> None:
        """Note a request that ended."""
        if self.on:
            self._pending.append(record)

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._env.sleep(EVERY if self.up else AFTER_A_FAULT)
            await self.write()

    async def write(self) -> None:
        """Write what was noted."""
        async with self._writing:
            earlier, self._earlier = self._earlier, []
            for was, noted in earlier:
                self.lost += len(await self._write_to(was, noted))
            place, pending = self._place, self._pending
            forget = place is not None and self._env.now() - self._forgot >= FORGET_EVERY
            if not pending and place == self._at and not forget:
                return
            if forget:
                self._forgot = self._env.now()
            self._pending = []
            left = await self._write_to(place, pending, forget=forget)
        if left:
            self._pending = left + self._pending
            if len(self._pending) > MOST:
                self.lost += len(self._pending) - MOST
                self._pending = self._pending[-MOST:]

    async def _write_to(
        self, place: Place | None, items: list[Snapshot | RequestRecord], *, forget: bool = False
    ) -> list[Snapshot | RequestRecord]:
        """Write, and tell how that went; return what could not be written."""
        wall = self._env.wall()
        left, fault = await self._elsewhere(lambda: self._do(place, items, wall, forget=forget))
        if self.up is not (fault is None):
            self.up = fault is None
            self._changed(self.up, "" if fault is None else str(fault))
        return left

    async def _elsewhere(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="lbd-journal")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _do(
        self, place: Place | None, items: list[Snapshot | RequestRecord], wall: WallTime, *, forget: bool
    ) -> tuple[list[Snapshot | RequestRecord], OSError | None]:
        """Write; return what is left to be written, and why. Runs in the journal's own thread."""
        at = 0
        try:
            self._move(place, wall)
            out = self._segments
            if out is None:
                return [], None
            while at < len(items):
                frame = self._scribe.frame(items[at : at + TOGETHER], first=self._anew or not out.begun)
                out.write(frame, wall)
                self._anew = False
                at += TOGETHER
            if forget:
                out.forget(wall)
        except OSError as e:
            self._let_go()  # what was told against the frame that is missing must be told anew
            return items[at:], e
        return [], None

    def _move(self, place: Place | None, wall: WallTime) -> None:
        """Write to where the configuration says, in a new segment where that is another place.

        Else another configuration is told of in the segment that there is: daemons may be reloaded every second.
        """
        if place == self._at:
            return
        was, self._at = self._at, place
        if place is not None:
            self._head = replace(place.head, run=self.name, wall=wall)
            if was is not None and replace(was, head=place.head) == place:
                self._anew = True
                return
        self._let_go()
        self._segments = None
        if place is not None:
            self._segments = Segments(place.folder, self.name, keep_days=place.keep_days, max_bytes=place.max_bytes)

    def _let_go(self) -> None:
        if self._segments is not None:
            with contextlib.suppress(OSError):
                self._segments.close()

    async def close(self) -> None:
        """Write all there is and let go."""
        await self.write()
        if self._thread is not None:
            await self._elsewhere(self._let_go)
            self._thread.shutdown(wait=False)
            self._thread = None
