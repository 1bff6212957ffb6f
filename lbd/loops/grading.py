"""Scoring one answer: what it takes (a reference, a judge, another process), asked for in the name of lbd itself.

Everything that costs money goes through the pipeline like any request, under a client of its own with a budget of its
own: it is chosen, held against its budget, recorded and entered in the ledger as evaluation.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, TypeVar

import msgspec
import orjson

from lbd.decide.classify import PREFIX
from lbd.loops import reading
from lbd.loops.errand import Answer, Errands
from lbd.loops.reading import Read, Speechless, words_of
from lbd.loops.worker import WorkerError
from lbd.model.evaluation import EVALUATOR, JUDGE, VALIDATORS, EvaluateSpec, JudgeSpec, Sample
from lbd.model.provider import ClientSpec
from lbd.model.units import DeploymentId, Ratio, Seconds
from lbd.quality import judging, metrics
from lbd.quality.metrics import Measured
from lbd.shapes.clients import ClientShape
from lbd.shapes.validate.texts import said

T = TypeVar("T")
By: TypeAlias = tuple[DeploymentId, str]  # who gave an answer: the deployment, and its model
WITHIN: Seconds = 300.0  # for each request that is made
MEASURE: Seconds = 60.0
LENGTH = 4096  # tokens of an answer that is asked for where its client set no limit: a budget has to hold it
ASKER = ClientSpec(EVALUATOR, b"")
_NO_MONEY = ("budget_exceeded", "insufficient_quota")
_LIMITS = {
    "openai.chat": ("max_completion_tokens", "max_tokens"),
    "openai.completions": ("max_tokens",),
    "openai.responses": ("max_output_tokens",),
    "anthropic.messages": ("max_tokens",),
}


class Run(Protocol):
    """Does work in another process. See :meth:`lbd.loops.worker.Worker.run`."""

    def __call__(self, work: Callable[[], T], within_s: Seconds, /) -> Awaitable[T]:
        """Raise WorkerError where it was not done."""


class Graded(msgspec.Struct, frozen=True):
    """What became of an answer: its score, or why it has none; and what was measured beside."""

    score: Ratio | None
    why: str = ""
    measured: tuple[Measured, ...] = ()


class Ungraded(Exception):
    """There is no score. ``why`` is one of few words, to be counted; ``more`` for people."""

    def __init__(self, why: str, more: str = "") -> None:
        super().__init__(f"{why}: {more}" if more else why)
        self.why = why


class Grader:
    """See the module."""

    def __init__(
        self,
        errands: Errands,
        shapes: Mapping[str, ClientShape],
        work: Run,
        bits: Callable[[], int],
        room: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._errands = errands
        self._shapes = shapes
        self._work = work
        self._bits = bits
        self._room = room  # waits until a target has slots to spare; False where it has none for long

    async def grade(self, spec: EvaluateSpec, sample: Sample) -> Graded:
        """Score the answer that a client was given."""
        return await self._graded(spec, sample, sample.sent, (sample.deployment, sample.model))

    async def shadow(self, spec: EvaluateSpec, sample: Sample, by: By) -> Graded:
        """Put the same request to a deployment that did not serve it, and score its answer."""
        try:
            answer = await self._ask(sample, by[0])
        except Ungraded as e:
            return Graded(None, e.why)
        return await self._graded(spec, sample, answer, by)

    async def compare(self, metric: str, answer: str, reference: str) -> Measured:
        """Hold an answer against a reference that its client brought."""
        (found,) = await self._measured([metric], answer, reference, "")
        return found

    async def _graded(self, spec: EvaluateSpec, sample: Sample, answer: bytes, by: By) -> Graded:
        """Score an answer of ``by``."""
        try:
            read = await self._run(functools.partial(reading.read, sample, answer))
        except WorkerError:
            return Graded(None, "too_long")
        if isinstance(read, str):
            return Graded(None, read)
        if spec.score == VALIDATORS:
            beside: tuple[Measured, ...] = ()
            if spec.metrics:
                with contextlib.suppress(Ungraded):
                    _, beside = await self._beside(spec, sample, read, by)
            return Graded(float(read.wrong is None), read.wrong or "", beside)
        measured: tuple[Measured, ...] = ()
        try:
            reference, measured = await self._beside(spec, sample, read, by)
            if spec.score == JUDGE:
                score = await self._judged(spec, read.conversation, read.text, reference)
                return Graded(score, "", measured)
        except Ungraded as e:
            return Graded(None, e.why, measured)
        value = next(m.value for m in measured if m.metric == spec.score)
        if value is None:
            return Graded(None, "metric_failed", measured)
        return Graded(spec.of(spec.score, value), "", measured)

    async def _beside(
        self, spec: EvaluateSpec, sample: Sample, read: Read, by: By
    ) -> tuple[str | None, tuple[Measured, ...]]:
        """Return the words of the reference, and what the metrics say. Raises Ungraded."""
        if read.speechless:
            raise Ungraded(read.speechless)
        reference = await self._reference(spec, sample, read, by)
        names = [*dict.fromkeys(name for name in (spec.score, *spec.metrics) if name not in (VALIDATORS, JUDGE))]
        measured = await self._measured(names, read.text, reference, read.conversation) if names else ()
        return reference, tuple(measured)

    async def _run(self, work: Callable[[], T]) -> T:
        return await self._work(work, MEASURE)

    async def _measured(self, names: Sequence[str], answer: str, reference: str | None, prompt: str) -> list[Measured]:
        try:
            return await self._run(functools.partial(metrics.measure, names, answer, reference, prompt))
        except WorkerError as e:
            return [Measured(name, None, str(e)) for name in names]

    # --- what is asked for ----------------------------------------------------------------------------

    async def _reference(self, spec: EvaluateSpec, sample: Sample, read: Read, by: By) -> str | None:
        """Return what the reference answers; its own answer is as good as itself. Raises Ungraded."""
        if spec.reference is None:
            return None
        if spec.reference in by:
            return read.text
        served = spec.reference in (sample.deployment, sample.model)
        answer = sample.sent if served else await self._ask(sample, spec.reference)
        try:
            found = await self._run(functools.partial(words_of, sample.shape, answer))
        except WorkerError:
            raise Ungraded("too_long") from None
        if isinstance(found, Speechless):
            raise Ungraded(found.why)
        return found

    async def _ask(self, sample: Sample, target: str) -> bytes:
        """Return another's whole answer to the request of a sample."""
        try:
            body = orjson.loads(sample.raw)
        except orjson.JSONDecodeError:  # a provider took it; here it cannot be changed
            raise Ungraded("unreadable_request") from None
        body["stream"] = False
        if isinstance(body.get("metadata"), dict):  # what the client wished of lbd was for its own request
            body["metadata"] = {k: v for k, v in body["metadata"].items() if not k.lower().startswith(PREFIX)}
            if not body["metadata"]:
                del body["metadata"]
        body.pop("stream_options", None)
        limits = _LIMITS[sample.shape]
        if not any(body.get(key) is not None for key in limits):
            body[limits[0]] = LENGTH
        answer = await self._sent(sample.shape, body, target)
        return answer.body

    async def _sent(self, shape: str, body: dict[str, object], target: str) -> Answer:
        if not await self._room(target):
            raise Ungraded("busy", target)
        answer = await self._errands.serve(
            ASKER, self._shapes[shape], orjson.dumps(body), WITHIN, {"pin": target, "class": "background"}
        )
        if not answer.good:
            code = answer.code
            raise Ungraded("no_budget" if code in _NO_MONEY else "request_failed", str(code))
        return answer

    async def _judged(self, spec: EvaluateSpec, conversation: str, answer: str, reference: str | None) -> Ratio:
        judge = spec.judge
        if judge is None:
            raise Ungraded("no_judge")
        mark = f"{self._bits():016x}"
        if judge.manner == "pairwise" and reference == answer:
            return spec.of(JUDGE, 1.0)  # nothing is worse than itself
        if judge.manner == "pairwise" and reference is not None:
            words = [
                judging.pairwise(conversation, *pair, criteria=judge.criteria, mark=mark)
                for pair in ((answer, reference), (reference, answer))
            ]
            verdicts = [judging.verdict(await self._opinion(judge, text)) for text in words]
            score = judging.against(*verdicts)
        else:
            beside = None if reference == answer else reference
            asked = judging.rubric(conversation, answer, criteria=judge.criteria, reference=beside, mark=mark)
            score = judging.grade(await self._opinion(judge, asked))
        if score is None:
            raise Ungraded("unclear_verdict")
        return spec.of(JUDGE, score)

    async def _opinion(self, judge: JudgeSpec, text: str) -> str:
        body: dict[str, object] = {
            "model": judge.target,
            "messages": [{"role": "user", "content": text}],
            "max_completion_tokens": judge.max_tokens,
        }
        if judge.temperature is not None:
            body["temperature"] = judge.temperature
        answer = await self._sent("openai.chat", body, judge.target)
        return "".join(one.text for one in said("openai.chat", answer.body))
