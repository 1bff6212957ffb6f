"""A finished request as spans: one for the request, as its server, and one for each attempt, as its client.

Names of attributes are OpenTelemetry's for generative AI (``gen_ai.*``), which are still in development, and lbd's own
facts under ``lbd.*``. Usage stands at attempts only, where it was spent, so that nobody adds it up twice. There is
nothing of a prompt or an answer in a span, no key, and no word of a provider, who may quote either: of a failure there
is its kind, of an address the provider's name. Two ids are a provider's own; keys are taken out of them, too.

The request's own span was told to nobody, so its id is made from the request's when it is needed. Those of attempts
were: they are in the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.plan import Decision
from lbd.model.record import AttemptRecord, RequestRecord
from lbd.model.tracing import CLIENT, SERVER, Keep, Span, SpanEvent, Value
from lbd.model.units import NANO_PER_USD, Ratio, Seconds, WallTime
from lbd.observe.keeping import CALLERS

# of client shapes; where the conventions have no word, one like theirs
OPERATIONS = {
    "openai.chat": "chat",
    "openai.responses": "chat",
    "anthropic.messages": "chat",
    "openai.completions": "text_completion",
    "openai.embeddings": "embeddings",
    "openai.moderations": "moderation",
    "openai.images": "image_generation",
    "openai.image_edits": "image_edit",
    "openai.speech": "speech",
    "openai.transcriptions": "transcription",
    "openai.translations": "translation",
    "anthropic.count_tokens": "count_tokens",
    "openai.input_tokens": "count_tokens",
}
# of provider shapes, where the conventions name them otherwise than lbd
PROVIDERS = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "vertex-anthropic": "gcp.vertex_ai",
}
# of attempts: they were stopped, and did not fail
_STOPPED = frozenset({FailureKind.HEDGED, FailureKind.CLIENT_GONE})
_LONGEST_NAME = 200  # characters of a model's name: clients choose it
_LONGEST_ID = 256  # characters of an id that a provider made up
_NANO = 1e9


class Seen(NamedTuple):
    """What is known of an attempt's deployment beside its record; of one that is gone, nothing."""

    shape: str = ""
    model: str = ""  # as the provider calls it
    tier: str = ""
    score: Ratio | None = None  # when it was chosen
    hide: Callable[[str], str] | None = None  # takes the provider's secrets out of what it said


def spans(record: RequestRecord, why: Keep, look: Callable[[Decision], Seen]) -> Iterator[Span]:
    """Yield the spans of a request, its own first."""
    flags = int(record.flags, 16)
    began = record.time - record.total_s
    own = _made(record.id, record.trace)
    operation = OPERATIONS.get(record.operation, record.operation)
    sent = [a for a in record.attempts if a.refused is None]
    failed = record.outcome != "ok" and record.outcome not in CALLERS
    yield Span(
        record.trace,
        own,
        record.parent,
        bool(record.parent),
        flags,
        f"{operation} {record.asked[:_LONGEST_NAME]}",
        SERVER,
        _ns(began, 0.0),
        _ns(began, record.total_s),
        dict(_request(record, operation, sent, why, failed=failed)),
        failed,
        tuple(_refusal(a, began) for a in record.attempts if a.refused is not None),
        record.trace_state,
    )
    before: AttemptRecord | None = None
    for number, attempt in enumerate(sent):
        seen = look(attempt.decision)
        moved = None if before is None or attempt.hedge else before.failure
        broke = attempt.failure is not None and attempt.failure not in _STOPPED
        yield Span(
            record.trace,
            attempt.span or _made(f"{record.id}/{number}", record.trace),
            own,
            False,
            flags,
            f"{operation} {seen.model}".rstrip(),
            CLIENT,
            _ns(began, attempt.started_s),
            _ns(began, max(attempt.started_s, attempt.ended_s)),
            dict(_attempt(record, attempt, seen, operation, moved, failed=broke)),
            broke,
            state=record.trace_state,
        )
        before = attempt


def _made(what: str, trace: str) -> str:
    """Return 16 digits that are always the same for the same thing."""
    return blake2b(what.encode(), digest_size=8, key=trace.encode()).hexdigest()


def _ns(began: WallTime, after: Seconds) -> int:
    return max(0, int(began * _NANO) + int(after * _NANO))


def _request(
    record: RequestRecord, operation: str, sent: list[AttemptRecord], why: Keep, *, failed: bool
) -> Iterator[tuple[str, Value]]:
    yield "gen_ai.operation.name", operation
    yield "gen_ai.request.model", record.asked[:_LONGEST_NAME]
    if record.stream:
        yield "gen_ai.request.stream", True
    yield "http.response.status_code", record.status
    if failed:
        yield "error.type", record.outcome
    yield "lbd.request.id", record.id
    yield "lbd.kept", str(why)
    yield "lbd.outcome", record.outcome
    yield "lbd.client", record.client
    if record.surface:
        yield "lbd.surface", record.surface
    yield "lbd.class", record.urgency
    yield "lbd.target", record.target
    yield "lbd.shape", record.operation
    if record.served_by is not None:
        yield "lbd.deployment", record.served_by
    yield "lbd.attempts", len(sent)
    yield "lbd.moved", record.moved
    yield "lbd.slo_missed", record.slo_missed
    if record.ttft_s is not None:
        yield "lbd.ttft_s", record.ttft_s
    yield "lbd.waited_s", record.waited_s
    yield "lbd.overhead_us", record.overhead_us
    yield "lbd.cost_usd", record.cost / NANO_PER_USD
    if record.splices:
        yield "lbd.splices", record.splices
    if record.arms:
        yield "lbd.experiments", tuple(f"{a.experiment}:{'treatment' if a.treated else 'control'}" for a in record.arms)
    yield from _judged(record)


def _judged(record: RequestRecord) -> Iterator[tuple[str, Value]]:
    judged = record.judged
    if judged is None:
        return
    if judged.difficulty is not None:
        yield "lbd.difficulty", judged.difficulty
    if judged.family:
        yield "lbd.family", judged.family
    if judged.rule is not None:
        yield "lbd.rule", judged.rule


def _attempt(
    record: RequestRecord,
    attempt: AttemptRecord,
    seen: Seen,
    operation: str,
    moved: FailureKind | None,
    *,
    failed: bool,
) -> Iterator[tuple[str, Value]]:
    decision = attempt.decision
    provider, _, _ = (decision.chosen or "").partition("/")
    yield "gen_ai.operation.name", operation
    yield "gen_ai.provider.name", PROVIDERS.get(seen.shape, seen.shape) or provider
    yield "server.address", provider
    if seen.model:
        yield "gen_ai.request.model", seen.model
    if record.stream:
        yield "gen_ai.request.stream", True
    if decision.ask.choices != 1:
        yield "gen_ai.request.choice.count", decision.ask.choices
    if attempt.ttft_s is not None:
        yield "gen_ai.response.time_to_first_chunk", attempt.ttft_s
    if attempt.usage is not None:
        yield from _usage(attempt.usage)
    if attempt.status is not None:
        yield "http.response.status_code", attempt.status
    if failed:
        yield "error.type", str(attempt.failure)
    yield from _decided(attempt, seen)
    if moved is not None:
        yield "lbd.moved_for", str(moved)


def _usage(usage: Usage) -> Iterator[tuple[str, Value]]:
    yield "gen_ai.usage.input_tokens", usage.prompt
    yield "gen_ai.usage.output_tokens", usage.completion
    if usage.cached:
        yield "gen_ai.usage.cache_read.input_tokens", usage.cached
    if usage.written:
        yield "gen_ai.usage.cache_write.input_tokens", usage.written
    if usage.reasoning:
        yield "gen_ai.usage.reasoning.output_tokens", usage.reasoning
    if usage.estimated:
        yield "lbd.usage_estimated", True


def _decided(attempt: AttemptRecord, seen: Seen) -> Iterator[tuple[str, Value]]:
    decision = attempt.decision
    yield "lbd.deployment", decision.chosen or ""
    if seen.tier:
        yield "lbd.tier", seen.tier
    yield "lbd.stage", decision.stage
    yield "lbd.manner", decision.manner
    yield "lbd.reason", decision.reason
    yield "lbd.generation", decision.generation
    if seen.score is not None:
        yield "lbd.score", seen.score
    if attempt.failure is not None:
        yield "lbd.failure", str(attempt.failure)
    if attempt.hedge:
        yield "lbd.hedge", True
    if attempt.resent:
        yield "lbd.resent", True
    yield "lbd.cost_usd", attempt.cost / NANO_PER_USD
    if seen.hide is not None:  # else nobody knows the secrets that a provider may have put there
        if attempt.upstream_id is not None:
            yield "lbd.upstream_request_id", seen.hide(attempt.upstream_id)[:_LONGEST_ID]
        if attempt.fingerprint is not None:
            yield "lbd.fingerprint", seen.hide(attempt.fingerprint)[:_LONGEST_ID]
    if attempt.prompt is not None:
        yield "lbd.prompt_version", attempt.prompt


def _refusal(attempt: AttemptRecord, began: WallTime) -> SpanEvent:
    decision = attempt.decision
    about: dict[str, Value] = {"lbd.refused": attempt.refused or "", "lbd.generation": decision.generation}
    if decision.chosen is None:
        return SpanEvent("lbd.nobody_left", _ns(began, attempt.started_s), about)
    about |= {"lbd.deployment": decision.chosen, "lbd.stage": decision.stage}
    return SpanEvent("lbd.lease_refused", _ns(began, attempt.started_s), about)
