"""A sample of all answers is scored, off the request path; the scores meet decisions in the provider table.

Sampling costs a request one draw. What is sampled is kept beside as it goes to the client, and waits in a short queue:
where scoring cannot keep up, or would spend the day's money too early, samples are left out, never requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec
from cachetools import TTLCache

from lbd.loops.grading import Graded, Grader
from lbd.loops.sampling import Sampling
from lbd.model.evaluation import EVALUATOR, VALIDATORS, Compare, EvaluateSpec, Sample
from lbd.model.provider import BudgetSpec, ClientSpec
from lbd.model.record import RequestRecord
from lbd.model.units import NANO_PER_USD, DeploymentId, NanoUsd, Ratio
from lbd.ports import Env, Reply
from lbd.quality.metrics import Measured
from lbd.table.owner import Owner
from lbd.table.purses import Purses
from lbd.table.scoring import Scoring
from lbd.upstream.tape import Tape, Taping
from lbd.upstream.ticket import Ticket

AT_ONCE = 8
WAITING = 200  # samples
HELD = 64 * 1024 * 1024  # bytes of all that wait
DAY = 86400.0
AHEAD: Ratio = 1 / 12  # of the day's money that may be spent before its time


Taken: TypeAlias = Literal["taken", "unknown", "busy"]


class Job(msgspec.Struct, frozen=True):
    """Something to score; ``shadow``: the answer of this deployment to the same request."""

    what: Sample | Compare
    spec: EvaluateSpec | None
    shadow: tuple[DeploymentId, str] | None = None  # and its model

    @property
    def size(self) -> int:
        """Bytes, or nearly so."""
        what = self.what
        return len(what.raw) + len(what.sent) if isinstance(what, Sample) else len(what.answer) + len(what.reference)


class Sum(msgspec.Struct):
    """Values of one metric added up."""

    n: int = 0
    total: float = 0.0


def budget(spec: EvaluateSpec | None) -> tuple[BudgetSpec, ...]:
    """Return what evaluation may spend, as a budget of the client that its requests are made by."""
    return () if spec is None else (BudgetSpec("client", EVALUATOR, "day", spec.budget),)


class Evaluating:
    """See the module. One for the process."""

    def __init__(
        self,
        env: Env,
        owner: Owner,
        scoring: Scoring,
        grader: Callable[[Callable[[str], Awaitable[bool]]], Grader],
        purses: Purses,
        crashed: Callable[[BaseException], None],
    ) -> None:
        self._env = env
        self._owner = owner
        self._scoring = scoring
        self.sampling = Sampling(env, owner)
        self._grader = grader(self.sampling.room)
        self._purses = purses
        self._crashed = crashed
        self._queue: asyncio.Queue[Job] = asyncio.Queue(WAITING)
        self._held = 0  # bytes that wait
        self._taping = Taping(HELD)
        self.spec: EvaluateSpec | None = None
        self.counts: Counter[str] = Counter()  # samples and what became of them
        self.measured: dict[tuple[DeploymentId, str], Sum] = {}
        self.problems: TTLCache[str, str] = TTLCache(32, 3600.0, timer=env.now)  # of the last hour: why, the last word

    # --- on the request path --------------------------------------------------------------------------

    def tape(self, ticket: Ticket, reply: Reply) -> Tape | None:
        """Return what keeps the answer beside where this request is sampled."""
        spec = self.spec
        if spec is None or self._env.uniform() >= spec.share or not self.sampling.may(spec, ticket):
            return None
        if self._queue.full() or self._held + self._taping.bytes >= HELD:
            self.counts["left_out_busy"] += 1
            return None
        if self._ahead(spec):
            self.counts["left_out_budget"] += 1
            return None
        return Tape(reply, self._taping)

    def taken(self, ticket: Ticket, tape: Tape, record: RequestRecord | None) -> None:
        """Take what was sampled, once its flight is over; None where that broke."""
        spec, sent = self.spec, tape.close()
        served = None if record is None or record.outcome != "ok" else record.served_by
        row = None if served is None else self._owner.find(served)
        if spec is None or row is None or sent is None or not self.sampling.may(spec, ticket):
            return
        family = "" if ticket.judged is None else ticket.judged.family
        head = ticket.body.head
        sample = Sample(
            ticket.id,
            ticket.shape.name,
            ticket.body.raw,
            sent,
            row.spec.id,
            row.spec.model,
            family,
            ticket.client,
            ticket.ask.surface,
            head.needs,
            head.max_output_tokens is not None,
        )
        self.counts["sampled"] += 1
        self._put(Job(sample, spec))
        if spec.shadow and self._env.uniform() < spec.shadow:
            other = self.sampling.unknown(ticket, sample)
            if other is not None:
                self._put(Job(sample, spec, other))

    def compare(self, wanted: Compare) -> Taken:
        """Take an answer that a client holds beside a reference of its own."""
        serving = self._scoring.served.find(wanted.request)
        if serving is None or serving.client != wanted.client:
            return "unknown"
        return "taken" if self._put(Job(wanted, None)) else "busy"

    def _put(self, job: Job) -> bool:
        if self._queue.full() or self._held + job.size > HELD:
            self.counts["left_out_busy"] += 1
            return False
        self._held += job.size
        self._queue.put_nowait(job)
        return True

    def _ahead(self, spec: EvaluateSpec) -> bool:
        """Tell whether more of the day's money is spent than of the day is over."""
        if not spec.outside and not spec.shadow:
            return False
        passed = self._env.wall() % DAY / DAY
        spent = self.spent
        return spent > 0 and spent > spec.budget * min(1.0, passed + AHEAD)

    @property
    def spent(self) -> NanoUsd:
        """What evaluation has spent today (UTC)."""
        (day,) = budget(self.spec) or (None,)
        return 0 if day is None else self._purses.spent_of(day.key)

    # --- beside it ------------------------------------------------------------------------------------

    def configure(self, spec: EvaluateSpec | None, clients: Iterable[ClientSpec] = ()) -> None:
        """Take what a configuration says. What was sampled under another one is not scored: it may show too much."""
        models = {client.name: client.models for client in clients}
        if spec != self.spec or models != self.sampling.models:
            dropped = sum(self._drop())
            if dropped:
                self.counts["left_out_reload"] += dropped
        self.spec, self.sampling.models, self.sampling.on = spec, models, spec is not None

    def _drop(self) -> Iterator[int]:
        """Forget the samples that wait."""
        kept = []
        while not self._queue.empty():
            job = self._queue.get_nowait()
            if isinstance(job.what, Compare):
                kept.append(job)
            else:
                self._held -= job.size
                yield 1
        for job in kept:
            self._queue.put_nowait(job)

    async def run(self) -> None:
        """Score for ever."""
        while True:
            job = await self._queue.get()
            self._held -= job.size
            try:
                if isinstance(job.what, Compare):
                    await self._compare(job.what)
                elif job.spec is not None:
                    await self._score(job.spec, job.what, job.shadow)
            except Exception as e:  # noqa: BLE001  one sample must not hold up the others
                self.counts["unscored_crashed"] += 1
                self._crashed(e)

    async def _score(self, spec: EvaluateSpec, sample: Sample, shadow: tuple[DeploymentId, str] | None) -> None:
        if shadow is None:
            graded = await self._grader.grade(spec, sample)
        else:
            graded = await self._grader.shadow(spec, sample, shadow)
        id_ = sample.deployment if shadow is None else shadow[0]
        row = self._owner.find(id_)
        if row is None:
            return  # a reload took it away
        self._note(id_, graded)
        if graded.score is None or spec != self.spec:
            return
        self.counts["scored" if shadow is None else "scored_shadow"] += 1
        if shadow is None:
            self._scoring.scored(sample.request, graded.score, spec.score, scale=spec.scale)
        else:
            self._scoring.take(row, sample.family, graded.score, spec.score, shadow=True, scale=spec.scale)

    def _note(self, id_: DeploymentId, graded: Graded) -> None:
        for one in graded.measured:
            self._measure(id_, one)
        if graded.score is None:
            self.counts[f"unscored_{graded.why}"] += 1
            self.problems[graded.why] = id_
        elif graded.why:
            self.problems[f"{VALIDATORS}: {graded.why}"] = id_

    def _measure(self, id_: DeploymentId, one: Measured) -> None:
        if one.value is None:
            self.problems[f"{one.metric}: {one.error}"] = id_
            return
        total = self.measured.setdefault((id_, one.metric), Sum())
        total.n += 1
        total.total += one.value

    async def _compare(self, wanted: Compare) -> None:
        serving = self._scoring.served.find(wanted.request)
        one = await self._grader.compare(wanted.metric, wanted.answer, wanted.reference)
        if serving is not None:
            self._measure(serving.deployment, one)
        self.counts["compared"] += 1
        score = self._rated(wanted.metric, one.value)
        if score is not None:
            self._scoring.feedback(wanted.request, wanted.client, score)

    def _rated(self, metric: str, value: Ratio | None) -> Ratio | None:
        """Return the rating that a comparison stands for; likeness alone is none, unless it was said what it means."""
        spec = self.spec
        if value is None:
            return None
        if spec is not None and metric in {spec.score, *dict(spec.pass_from)}:
            return spec.of(metric, value)
        return value if metric == "exact" else None

    def report(self) -> dict[str, object]:
        """Return how it goes, for people."""
        spec = self.spec
        return {
            "object": "lbd.evaluation",
            "spec": None if spec is None else {**msgspec.to_builtins(spec), "budget": spec.budget / NANO_PER_USD},
            "spent_today_usd": self.spent / NANO_PER_USD,
            "waiting": self._queue.qsize(),
            "counts": dict(sorted(self.counts.items())),
            "measured": [
                {"deployment": id_, "metric": metric, "n": s.n, "mean": round(s.total / s.n, 4)}
                for (id_, metric), s in sorted(self.measured.items())
            ],
            "problems": [{"what": what, "deployment": id_} for what, id_ in self.problems.items()],
        }
