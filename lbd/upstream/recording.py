"""What is told of an attempt: to the table, and to those who look at it afterwards."""

from __future__ import annotations

from lbd.model.failure import FailureKind
from lbd.model.outcome import Outcome, Usage
from lbd.model.plan import Candidate, Decision
from lbd.model.record import AttemptRecord
from lbd.model.table import size_bucket
from lbd.model.units import Instant, NanoUsd
from lbd.upstream.attempt import Attempt
from lbd.upstream.bounds import exceeded
from lbd.upstream.ticket import Ticket
from lbd.upstream.trace import span_of


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
