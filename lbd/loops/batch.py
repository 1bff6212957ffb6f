"""Batches: each line of an input file becomes a request of the pipeline, a few at a time, until all have an answer.

An ordinary client of the pipeline. Answers are appended to two files the moment they come (good ones, failed ones);
those files are also the journal: after a restart, however it came, the lines that stand in them are done, and the
others are sent, those that were under way among them. What is known of a batch is saved when its status changes only.

A line that nobody can serve at the moment is not failed: it goes to the end of the queue, and its batch sends nothing
for a while. A batch that waits takes no other's place: each has its own few lines under way, and one that waits with
none gives up its place among those that are open where another could go on. It is opened again from its files.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import msgspec

from lbd.batch.results import Results
from lbd.batch.shelf import Shelf
from lbd.loops.errand import Answer, Errands
from lbd.model.batch import Batch, Fate, Fault, Status
from lbd.model.units import Instant, Seconds
from lbd.ports import Env, Offload, StoreError
from lbd.shapes import jsonl
from lbd.shapes.clients import ClientShape
from lbd.shapes.jsonl import Line
from lbd.state import batch as states
from lbd.state import places
from lbd.state.places import Claim, Held, Room

LINE: Seconds = 60.0  # for a round of lines: what is kept of a window when a batch waits for the end of the peak
AT_ONCE = 8  # lines of a batch: enough to keep a provider busy, few enough to leave its slots to people
OPEN = Room(most=8, of_one=4, spare=4, lent=4, lent_of_one=2)  # batches whose lines are known in memory
OPEN_SINGLE = Room(most=32, of_one=16, spare=16, lent=16, lent_of_one=8)  # requests that wait by themselves
SPELL: Seconds = 1.0  # after which the lines of what is open are sent, though not everything has been looked at
EVERY: Seconds = 0.25
IDLE: Seconds = 1.0  # while no batch is open
CLOSING: Seconds = 1.0  # before a window ends: its lines have their deadline here
GRACE: Seconds = 600.0  # for lines under way when a batch is cancelled, as OpenAI's
SWEEP_EVERY: Seconds = 3600.0
WRITE_AGAIN: Seconds = 5.0
SETTLE: Seconds = 2.0  # at the end of the daemon, for the answers that are there to reach the disk


class Work(msgspec.Struct):
    """A batch whose lines are known."""

    id: str
    pending: list[Line]  # the next one last
    results: Results
    flying: dict[str, asyncio.Task[None]] = {}
    recording: set[str] = set()  # their answers are there
    tries: dict[str, int] = {}  # of lines whose answers did not stand, the one that is next first
    pauses: int = 0  # in a row
    paused_until: Instant = 0.0


class Rest(msgspec.Struct, frozen=True):
    """What is kept of a batch that gave up its place: its lines are found again from its files."""

    tries: dict[str, int]
    pauses: int
    paused_until: Instant


class Batches:
    """Runs batches. ``closing``: nothing more is sent."""

    def __init__(
        self,
        env: Env,
        shelf: Shelf,
        errands: Errands,
        shapes: Mapping[str, ClientShape],
        *,
        spawn: Callable[[str, Coroutine[Any, Any, None]], asyncio.Task[None]],
        offload: Offload,
        ended: Callable[[Batch], None],
        waits: Callable[[], bool] = lambda: False,
    ) -> None:
        self._env = env
        self._shelf = shelf
        self._errands = errands
        self._shapes = shapes
        self._spawn = spawn
        self._offload = offload
        self._ended = ended
        self._waits = waits
        self._works: dict[str, Work] = {}
        self._rests: dict[str, Rest] = {}
        self._refused: set[tuple[str, bool]] = set()  # clients and kinds of work that have no place in this look
        self._sweep_at: Instant = -math.inf
        self.closing = False
        self.lines = dict.fromkeys(Fate, 0)  # that ended so since the daemon began

    async def run(self) -> None:
        """Move batches on for ever."""
        if not self._shelf.loaded:
            await self._shelf.restore()
        while True:
            await self.look()
            await self._env.sleep(EVERY if self._works else IDLE)

    async def look(self) -> None:
        """Move on whatever can be. Raises StoreError."""
        await self._shelf.flush()
        wrong: Exception | None = None
        until = self._env.now() + SPELL
        self._refused.clear()
        for batch in sorted(self._shelf.live(), key=lambda b: b.expires_at):
            try:
                await self._step(batch)
            except StoreError:
                raise
            except Exception as e:  # noqa: BLE001  what is wrong with one batch must not hold up the others
                wrong = e
            if self._env.now() > until:
                break  # the next look begins with the most urgent again
        for work in sorted(self._works.values(), key=lambda work: self._shelf.batches[work.id].expires_at):
            self._fill(work)
        now = self._env.now()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_EVERY
            files, batches = states.outdated(
                list(self._shelf.files.values()), list(self._shelf.batches.values()), self._shelf.now()
            )
            await self._shelf.forget(files, batches)
        if wrong is not None:
            raise wrong

    async def settle(self) -> None:
        """Wait until what was answered is on the disk: after a restart it would be asked, and paid, once more."""
        until = self._env.now() + SETTLE
        while any(work.flying for work in self._works.values()) and self._env.now() < until:
            await self._env.sleep(0.01)

    async def _step(self, batch: Batch) -> None:
        work = self._works.get(batch.id)
        if work is not None:
            await self._advance(work)
        elif batch.status is Status.VALIDATING:
            await self._validate(batch)
        else:
            await self._open(batch)

    # --- from one status to the next -----------------------------------------------------------------

    async def _read(self, batch: Batch) -> list[Line] | list[Fault]:
        data = await self._shelf.blobs.read(batch.input_file_id)
        return await self._offload(partial(jsonl.read, data, batch.endpoint))

    async def _validate(self, batch: Batch) -> None:
        known = batch.input_file_id in self._shelf.files
        found = await self._read(batch) if known else [Fault("file_not_found", "the input file was deleted")]
        now = self._shelf.now()
        batch = self._shelf.batches[batch.id]
        if batch.status is not Status.VALIDATING:
            return  # cancelled in between
        faults = [f for f in found if isinstance(f, Fault)]
        if faults:
            await self._keep(states.fail(batch, now, faults))
            return
        names = (self._shelf.new_id(states.FILE), self._shelf.new_id(states.FILE))
        model = jsonl.model_of(x for x in found if isinstance(x, Line))
        batch = states.begin(batch, now, total=len(found), output_id=names[0], error_id=names[1], model=model)
        await self._shelf.keep(batch)
        await self._open(batch)

    async def _open(self, batch: Batch) -> None:
        """Learn which lines are left to send; a batch that never began has none."""
        if batch.output_id is None or batch.error_id is None:
            await self._keep(states.end(batch, self._shelf.now(), output=False, errors=False))
            return
        sends = batch.status is Status.IN_PROGRESS and self._left(batch) > 0
        place = self._place(batch) if sends else True  # what only ends needs none: it is gone at once
        if place is False:
            return
        lines = [found for found in await self._read(batch) if isinstance(found, Line)]
        results = Results(self._shelf.blobs, self._offload, (batch.output_id, batch.error_id))
        done = await results.find()
        if isinstance(place, Held):
            self._give_up(self._works[place.id])
        rest = self._rests.pop(batch.id, Rest({}, 0, 0.0))
        left = {line.custom_id: line for line in lines if line.custom_id not in done}
        again = [left.pop(name) for name in rest.tries if name in left]
        pending = [*left.values(), *again][::-1]
        work = Work(batch.id, pending, results, tries=rest.tries, pauses=rest.pauses, paused_until=rest.paused_until)
        self._works[batch.id] = work
        self._count(work)
        if not sends:
            await self._advance(work)

    def _place(self, batch: Batch) -> Held | bool:
        """Tell whether a batch that has lines to send has a place; return the one that is given up to it."""
        rest, kind = self._rests.get(batch.id), (batch.client, batch.single)
        if rest is not None and self._env.now() < rest.paused_until:
            return False
        if kind in self._refused or self._waits_for_peak(batch, batch.counts.total):
            return False  # it would keep a place from one that is due
        held = [
            self._held(work) for work in self._works.values() if self._shelf.batches[work.id].single is batch.single
        ]
        lines = batch.counts.total - batch.counts.completed - batch.counts.failed
        claim = Claim(batch.client, batch.expires_at, batch.expires_at - CLOSING - _needs(lines))
        found = places.find(claim, held, OPEN_SINGLE if batch.single else OPEN, self._env.wall())
        if found is False:
            self._refused.add(kind)  # those that come behind it in this look are due later
        return found

    def _held(self, work: Work) -> Held:
        batch = self._shelf.batches[work.id]
        rests = None
        if not work.flying and batch.status is Status.IN_PROGRESS:
            if self._env.now() < work.paused_until:
                rests = work.paused_until
            elif self._waits_for_peak(batch, len(work.pending)):
                rests = self._env.now()
        return Held(work.id, batch.client, batch.expires_at, rests)

    def _give_up(self, work: Work) -> None:
        """Close a batch that waits with nothing under way."""
        del self._works[work.id]
        self._rests[work.id] = Rest(work.tries, work.pauses, work.paused_until)

    async def _advance(self, work: Work) -> None:
        batch = self._shelf.batches[work.id]
        now = self._shelf.now()
        cancelling = batch.status is Status.CANCELLING
        if work.flying:
            if cancelling and now - batch.stamps[Status.CANCELLING] > GRACE:
                for name in work.flying.keys() - work.recording:
                    work.flying[name].cancel()
            return
        if batch.status is Status.IN_PROGRESS:
            if work.pending and self._left(batch) > 0:
                return
            await self._write_off(work, Fate.EXPIRED)
            # a client may have cancelled it while that was written: then it is cancelled
            batch = self._shelf.batches[work.id]
            if batch.status is Status.IN_PROGRESS:
                batch = states.finalize(batch, now, unanswered=work.results.expired)
                await self._shelf.keep(batch)
        elif cancelling:
            await self._write_off(work, Fate.CANCELLED)
        await self._finish(self._shelf.batches[work.id], work)

    async def _write_off(self, work: Work, fate: Fate) -> None:
        """Say of the lines that are left why they have no answer."""
        lines, work.pending = work.pending[::-1], []
        if lines:
            error = jsonl.EXPIRED if fate is Fate.EXPIRED else jsonl.CANCELLED
            try:
                await work.results.write_off(lines, error, partial(self._shelf.new_id, "batch_req_"))
            except StoreError:
                work.pending = lines[::-1]
                raise
            self.lines[fate] += len(lines)
            self._count(work)

    async def _finish(self, batch: Batch, work: Work) -> None:
        now = self._shelf.now()
        output, errors = work.results.files(batch, now)
        await self._shelf.results([file for file in (output, errors) if file is not None])
        await self._keep(states.end(batch, now, output=output is not None, errors=errors is not None))

    async def _keep(self, batch: Batch) -> None:
        """Take the last state of a batch."""
        await self._shelf.keep(batch)
        self._works.pop(batch.id, None)
        self._rests.pop(batch.id, None)
        self._shelf.growing.pop(batch.id, None)
        self._ended(batch)

    def _count(self, work: Work) -> None:
        found = work.results
        self._shelf.note(states.count(self._shelf.batches[work.id], found.completed, found.failed, found.usage))
        self._shelf.growing[work.id] = found.held

    # --- lines ---------------------------------------------------------------------------------------

    def _left(self, batch: Batch) -> Seconds:
        return batch.expires_at - CLOSING - self._env.wall()

    def _waits_for_peak(self, batch: Batch, lines: int) -> bool:
        """Tell whether a batch waits for the end of the peak: its window leaves time enough after it."""
        return self._waits() and self._left(batch) > _needs(lines)

    def _fill(self, work: Work) -> None:
        """Send lines while there is room."""
        batch = self._shelf.batches[work.id]
        if self.closing or batch.status is not Status.IN_PROGRESS or self._env.now() < work.paused_until:
            return
        if self._waits_for_peak(batch, len(work.pending)):
            return
        while work.pending and len(work.flying) < AT_ONCE and self._left(batch) > 0:
            line = work.pending.pop()
            work.flying[line.custom_id] = self._spawn("batch line", self._line(work, line))

    async def _line(self, work: Work, line: Line) -> None:
        try:
            answer = await self._answer(work, line)
            if answer is None:
                work.pending.insert(0, line)
            else:
                await self._record(work, line, answer)
        except Exception:
            if line.custom_id not in work.recording:
                await self._broke(work, line)
            raise
        except BaseException:  # it was stopped: the line is still to be done
            if line.custom_id not in work.recording:
                work.pending.append(line)
            raise
        finally:
            work.flying.pop(line.custom_id, None)
            work.recording.discard(line.custom_id)
        self._fill(work)

    async def _broke(self, work: Work, line: Line) -> None:
        """Take a line that lbd itself failed on: it is tried again after a while, but not for ever."""
        tries = work.tries[line.custom_id] = work.tries.pop(line.custom_id, 0) + 1  # behind all others
        self._pause(work, None)
        if tries < states.TRIES:
            work.pending.insert(0, line)
            return
        body = b'{"error":{"message":"lbd itself failed; its log says more","type":"server_error","code":"internal"}}'
        await self._record(work, line, Answer(500, "", body))

    async def _answer(self, work: Work, line: Line) -> Answer | None:
        """Return the answer that stands; None where the line is to be sent again, or not at all."""
        batch = self._shelf.batches[work.id]
        try:
            raw = jsonl.body_of(await self._shelf.blobs.read(batch.input_file_id, line.offset, line.size))
        except StoreError:
            self._pause(work, WRITE_AGAIN)
            return None
        if self.closing:  # meanwhile
            return None
        left = self._left(batch)
        # whole minutes, so that like lines share a ranking
        within = max(left, 0.1) if left < 120 else left // 60 * 60
        answer = await self._errands.run(batch.client, self._shapes[batch.endpoint], raw, within, batch.wishes or {})
        if not answer.good:
            tries = work.tries.pop(line.custom_id, 0) + (not states.transient(answer.status, answer.code))
            work.tries[line.custom_id] = tries
            if not states.stands(answer.status, answer.code, tries):
                self._pause(work, answer.wait_s)
                return None
        work.pauses = 0
        work.tries.pop(line.custom_id, None)
        return answer

    def _pause(self, work: Work, told_s: Seconds | None) -> None:
        """Let a batch wait; what comes of lines that were sent before is no further reason to."""
        now = self._env.now()
        if now >= work.paused_until:
            work.pauses += 1
            work.paused_until = now + states.pause(work.pauses, told_s)

    async def _record(self, work: Work, line: Line, answer: Answer) -> None:
        text = jsonl.answered(
            self._shelf.new_id("batch_req_"), line.custom_id, answer.status, answer.request_id, answer.body
        )
        work.recording.add(line.custom_id)
        while True:
            try:
                await work.results.add(text, good=answer.good)
                break
            except StoreError:  # the disk is full, or gone: the answer is kept here meanwhile
                await self._env.sleep(WRITE_AGAIN)
        self.lines[Fate.COMPLETED if answer.good else Fate.FAILED] += 1
        self._count(work)


def _needs(lines: int) -> Seconds:
    """Return how long so many lines of a batch take, roughly."""
    return LINE * (lines / AT_ONCE + 1)
