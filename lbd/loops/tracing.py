"""Sending traces to a collector, beside requests: they only note the records that are kept.

Once a second what waits is made into spans and sent, ``TOGETHER`` requests at a time, one batch under way. What a
collector does not take for now (it is not there, too slow, or says so by 429, 502, 503, 504) is tried again, after as
long as it asks or ever longer, for ``GIVE_UP``; what it refuses is not sent again. What comes meanwhile waits, up to
``MOST`` requests: the first ones of a fault say more of it than the last, and ordinary ones, which are half of them at
most, never take the place of a failure. Whatever is lost is counted, that a collector takes nothing is an event, and no
request ever waits. At the end what is left is sent once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from lbd.decide import explain
from lbd.decide.terms import Term
from lbd.loops.exporting import Answered, Exports
from lbd.model.plan import Decision
from lbd.model.record import RequestRecord
from lbd.model.request import Ask
from lbd.model.secret import Secret
from lbd.model.tracing import Keep, TracesSpec
from lbd.model.units import Instant, Ratio, Seconds
from lbd.observe import otlp
from lbd.observe.journal import Journal
from lbd.observe.keeping import Keeping
from lbd.observe.spans import Seen, spans
from lbd.ports import Env
from lbd.table.owner import Owner
from lbd.upstream.line import hidden

EVERY: Seconds = 1.0
TOGETHER = 256  # requests of one body: some half MB
PACE: Seconds = 0.4  # between two batches: making them takes at most some 5 % of a core, also in an outage
SLICE = 8  # requests that are made into spans before others have their turn: a millisecond
MOST = 2048  # requests that wait
ORDINARY = MOST // 2  # from here on no ordinary one is taken
_ORDINARY = frozenset({Keep.SAMPLED, Keep.SHARE})
FIRST: Seconds = 1.0
LONGEST: Seconds = 60.0
GIVE_UP: Seconds = 300.0
FLUSH: Seconds = 1.5  # at the end of the daemon
LOST = "lost"  # a trace that nobody was sent: too many waited, or it was the end


class _Batch(NamedTuple):
    body: bytes
    spans: int
    since: Instant


class Tracing:
    """See the module."""

    def __init__(
        self,
        env: Env,
        owner: Owner,
        journal: Journal,
        terms: Mapping[str, Term],
        export: Exports,
        emit: Callable[..., object],
    ) -> None:
        self._env = env
        self._owner = owner
        self._journal = journal
        self._terms = terms
        self.export = export
        self._emit = emit
        self._spec: TracesSpec | None = None
        self._keeping: Keeping | None = None
        self._waiting: deque[tuple[RequestRecord, Keep]] = deque()
        self._batch: _Batch | None = None  # that is not over
        self._scores: dict[tuple[int, Ask], dict[str, Ratio]] = {}  # of the batch in the making
        self._wait_s = FIRST
        self._told_lost = 0  # of those that were lost
        self._losing = False  # which was said
        self._said = ""  # that of the last batch some was not taken
        self.error: str | None = None  # why the last try was in vain
        self.traces: dict[str, int] = {}  # by why they were kept, or LOST
        self.spans: dict[str, int] = dict.fromkeys(("sent", "rejected", "failed"), 0)

    @property
    def on(self) -> bool:
        """Tell whether traces are sent."""
        return self._spec is not None

    def configure(self, spec: TracesSpec | None) -> None:
        """Take where traces go and which; None: nowhere, and what waits is lost."""
        self._spec = spec
        if spec is None:
            self._keeping = None
            self._lose(len(self._waiting))
            self._waiting.clear()
        else:
            self._keeping = Keeping(spec.keep_share, sampled=spec.keep_sampled)

    def note(self, record: RequestRecord) -> None:
        """Note a request that ended, where its trace is kept."""
        if self._keeping is None or (why := self._keeping.why(record)) is None:
            return
        if len(self._waiting) >= (ORDINARY if why in _ORDINARY else MOST):
            self._lose(1)
            return
        self.traces[why] = self.traces.get(why, 0) + 1
        self._waiting.append((record, why))

    def shows(self, record: RequestRecord) -> bool:
        """Tell whether a trace can be looked up, as far as is known here: it was kept, or others keep traces."""
        return self._keeping is None or self._keeping.keeps(record)

    def _lose(self, n: int) -> None:
        if n:
            self.traces[LOST] = self.traces.get(LOST, 0) + n

    # --- the loop ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._env.sleep(EVERY if self.error is None else self._wait_s)
            while self._waiting or self._batch is not None:
                await self._deliver()
                if self.error is not None or len(self._waiting) < TOGETHER:
                    break
                await self._env.sleep(PACE)
            self._tell_lost()

    def _tell_lost(self) -> None:
        """Tell that traces are being lost, once as long as it goes on."""
        lost = self.traces.get(LOST, 0)
        new, self._told_lost = lost - self._told_lost, lost
        if new and not self._losing:
            self._emit("traces_lost", "traces", "more than can wait", level="warning", evidence={"requests": new})
        self._losing = new > 0

    async def _deliver(self) -> None:
        """Make a batch where none is left over, and send it until it is over."""
        batch = self._batch or await self._made()
        while self._batch is not None and (spec := self._spec) is not None:
            answered = await self.export(spec, batch.body, self._env.wall(), spec.timeout_s)
            if self._over(batch, answered):
                return
            if answered.wait_s is not None:
                pause = max(FIRST, answered.wait_s)
            else:
                pause = self._wait_s * (0.5 + self._env.uniform() / 2)
                self._wait_s = min(LONGEST, 2 * self._wait_s)
            if self._env.now() + pause - batch.since > GIVE_UP:
                self._batch = None
                self.spans["failed"] += batch.spans
            await self._rest(pause, spec.url)
        if self._batch is not None:  # nobody is to be sent anything any more
            self._batch = None
            self.spans["failed"] += batch.spans

    async def _rest(self, pause: Seconds, url: Secret) -> None:
        """Leave a collector alone for so long; another one, which a reload brought, has not asked for it."""
        until = self._env.now() + pause
        while (left := until - self._env.now()) > 0 and self._spec is not None and self._spec.url == url:
            await self._env.sleep(min(EVERY, left))

    async def _made(self) -> _Batch:
        taken = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
        parcel = otlp.Parcel(() if self._spec is None else self._spec.resource)
        records = iter(taken)
        try:
            while piece := list(islice(records, SLICE)):
                for record, why in piece:
                    parcel.add(spans(record, why, self._look))
                await self._env.sleep(0)
        except asyncio.CancelledError:  # the end of the daemon, which sends them once more
            self._waiting.extendleft(reversed(taken))
            raise
        finally:
            self._scores.clear()
        self._batch = batch = _Batch(parcel.whole(), len(parcel), self._env.now())
        return batch

    def _over(self, batch: _Batch, answered: Answered) -> bool:
        """Take in an answer; tell whether the batch is over by it."""
        if not answered.taken:
            if self.error is None:
                self._emit("traces_unsent", "traces", "not taken", level="error", evidence={"error": answered.error})
            self.error = answered.error
            if answered.passing:
                return False
            self.spans["failed"] += batch.spans
            self._wait_s = min(LONGEST, 2 * self._wait_s)
            self._batch = None
            return True
        rejected, said = otlp.partial(answered.body)
        rejected = min(rejected, batch.spans)
        self.spans["sent"] += batch.spans - rejected
        self.spans["rejected"] += rejected
        self._batch, self._wait_s = None, FIRST
        if self.error is not None:
            self.error = None
            self._emit("traces_sent", "traces", "recovered")
        if said and said != self._said:
            told: dict[str, Any] = {"rejected_spans": rejected, "text": said[:300]}
            self._emit("traces_refused_in_part", "traces", "partial success", level="warning", evidence=told)
        self._said = said
        return True

    async def close(self) -> None:
        """Send what is left once, for at most ``FLUSH``; what a dead collector does not take is lost, and told."""
        failed = self.spans["failed"]
        until = self._env.now() + FLUSH
        while (spec := self._spec) is not None and (self._waiting or self._batch is not None):
            left = until - self._env.now()
            if left <= 0:
                break
            batch = self._batch or await self._made()
            answered = await self.export(spec, batch.body, self._env.wall(), min(left, spec.timeout_s))
            if not self._over(batch, answered):
                self.spans["failed"] += batch.spans
                break
        lost = {"requests": len(self._waiting), "spans": self.spans["failed"] - failed}
        if any(lost.values()):
            self._emit("traces_lost", "traces", "shutdown", level="warning", evidence=lost)
        self._lose(len(self._waiting))
        self._waiting.clear()
        await self.export.close()

    # --- what is known of deployments ----------------------------------------------------------------

    def _look(self, decision: Decision) -> Seen:
        """Return what the table knew when it was decided, or knows now."""
        chosen = decision.chosen
        row = None if chosen is None else self._owner.find(chosen)
        if chosen is None or row is None:
            return Seen()
        hide = partial(hidden, provider=row.provider)
        return Seen(row.provider.shape, row.spec.upstream_model, row.spec.tier, self._score(decision).get(chosen), hide)

    def _score(self, decision: Decision) -> dict[str, Ratio]:
        """Return the scores that a decision was made by: the ranking is made again."""
        key = decision.generation, decision.ask
        found = self._scores.get(key)
        if found is None:
            snapshot = self._journal.snapshot(decision.generation)
            stages = () if snapshot is None else explain.rank_again(snapshot, decision, self._terms).stages
            found = self._scores[key] = {c.id: c.score for stage in stages for c in stage.candidates}
        return found
