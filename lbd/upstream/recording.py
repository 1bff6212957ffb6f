"""What is told of an attempt and of a request: to the table, and to those who look at it afterwards."""

from __future__ import annotations

from typing import NamedTuple

from lbd.model.failure import FailureKind
from lbd.model.outcome import Outcome, Usage
from lbd.model.plan import Candidate, Decision
from lbd.model.record import AttemptRecord, RequestRecord
from lbd.model.table import size_bucket
from lbd.model.units import DeploymentId, Instant, Micros, NanoUsd, Seconds, WallTime
from lbd.upstream.attempt import Attempt
from lbd.upstream.bounds import exceeded
from lbd.upstream.ticket import Ticket
from lbd.upstream.trace import span_of, state_of


def outcome_of(ticket: Ticket, attempt: Attempt, candidate: Candidate) -> Outcome:
    """Return what the table learns of an attempt that is over."""
    total = attempt.settled_at - attempt.sent_at - attempt.held_s  # a slow client is no slow provider
    return Outcome(  # by position: by name it takes half as long again
        attempt.failure,
        size_bucket(ticket.ask.input_tokens),
        total,
        attempt.ttft_s,
        attempt.usage,
        attempt.failure is None
        or (not attempt.rescued and exceeded(attempt.manner, attempt.bounds, ticket.ask, candidate, total)),
        attempt.quota,
        attempt.settled_at - attempt.head_at if attempt.quota else 0.0,
        ticket.body.head.text_bytes,
        attempt.fingerprint,
        ticket.ask.choices,
        ticket.validation is not None and attempt.answer is not None,
        ticket.body.raw,
    )


def attempt_record(
    attempt: Attempt,
    decision: Decision,
    failure: FailureKind | None,
    arrived: Instant,
    ended: Instant,
    usage: Usage | None,
    nano: NanoUsd,
    hedge: bool = False,
) -> AttemptRecord:
    """Return the record of an attempt that is over."""
    return AttemptRecord(
        decision,
        attempt.sent_at - arrived,
        ended - arrived,
        attempt.ttft_s,
        failure,
        "" if attempt.failure is None else attempt.failure.message[:300],
        attempt.status or None,
        usage,
        nano,
        attempt.upstream_id,
        None,
        attempt.fingerprint,
        attempt.resent,
        None if attempt.line.spec.prompt is None else attempt.line.spec.prompt.version,
        hedge,
        span_of(attempt.own),
    )


class Served(NamedTuple):
    """What a request came to. ``ttft_s`` is from its arrival; ``waited_s`` was spent waiting for slots and limits."""

    by: DeploymentId | None
    ttft_s: Seconds | None
    overhead_us: Micros
    usage: Usage | None
    cost: NanoUsd
    waited_s: Seconds
    moves: int
    splices: tuple[str, ...]


def request_record(
    ticket: Ticket,
    attempts: tuple[AttemptRecord, ...],
    outcome: str,
    status: int,
    served: Served,
    wall: WallTime,
    now: Instant,
) -> RequestRecord:
    """Return the record of a request that ends ``now``."""
    ask, head, trace = ticket.ask, ticket.body.head, ticket.trace
    by, ttft_s, overhead_us, usage, cost, waited_s, moves, splices = served
    return RequestRecord(  # by position: by name it takes half as long again
        ticket.id,
        wall,
        ticket.client,
        ask.surface,
        head.model,
        ask.target,
        ticket.body.shape,
        head.stream,
        ask.urgency,
        attempts,
        outcome,
        status,
        by,
        ttft_s,
        now - ticket.arrived,
        overhead_us,
        usage,
        cost,
        ask.slo_s is not None and ttft_s is not None and ttft_s > ask.slo_s,
        waited_s,
        moves,
        ticket.judged,
        ticket.arms,
        splices,
        trace.id,
        trace.parent,
        trace.flags,
        state_of(trace.state),
    )
