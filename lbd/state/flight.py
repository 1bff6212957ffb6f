"""One request in flight: what to do after each attempt, as a pure function.

The driver (:mod:`lbd.upstream.run`) makes an attempt, hands its failure to :func:`after`, and does what
the verdict says. DESIGN 5.6 is the rule:

- a failure of the client, or a content filter: hand it back;
- another deployment of the same model that was not tried: move there;
- else, for a single 5xx or a 429 whose wait is at most ``SHORT_WAIT`` and fits the deadline: the same row
  once more after that wait, once a request;
- else the next model; nothing left: give up with the most telling failure seen.

The first move to a different deployment is free; further moves and same-row tries spend the retry budget.
A row that timed out is never tried again by the same request. Context overflow goes once to a deployment
with a larger or unknown context.

After the first content a failure is handed back, unless the answer can be taken up (``resumable``: run again and gone
on with from where the client is, or begun anew for a client that knows how to drop what it has). Then at most
``MOST_RESUMED`` further attempts are made, each from the retry budget: at a twin; else at the same row once more, which
is likelier than another model to say the same again; else at whoever is left. What a client is told in the end is what
broke its stream.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from lbd.model.failure import TIMEOUTS, Blame, Failure, FailureKind, Retry
from lbd.model.units import DeploymentId, Instant, Seconds, Tokens

SHORT_WAIT: Seconds = 2.0
# Between two tries at the same row where the provider named no wait: long enough for a worker to restart.
PAUSE: Seconds = 0.25
OUTAGE_PAUSE: Seconds = 0.5  # until the next try where this host itself reaches nobody
LONGEST_PAUSE: Seconds = 16.0  # between two of them; probes, which all requests share, find sooner that it is over
MOST_RESUMED = 2  # attempts after the first content
CUT_OFF = frozenset({FailureKind.RESET, FailureKind.BROKEN_STREAM})  # the connection was lost, whatever the reason


class Step(StrEnum):
    """What the driver does next."""

    MOVE = "move"  # a new decision, the tried rows excluded
    AGAIN = "again"  # the same row, after ``wait_s``
    GIVE = "give"  # answer the client with ``failure``


class Next(msgspec.Struct, frozen=True):
    """The verdict after an attempt. ``spend``: only if the retry budget has one left."""

    step: Step
    failure: Failure
    wait_s: Seconds = 0.0
    spend: bool = False
    larger_context: bool = False


class Flight(msgspec.Struct, frozen=True):
    """What one request has been through. ``tried`` rows are out for it; ``first_by`` and ``total_by`` bound it."""

    arrived: Instant
    first_by: Instant
    total_by: Instant
    attempts: int = 0
    moves: int = 0
    tried: tuple[DeploymentId, ...] = ()
    repeated: tuple[DeploymentId, ...] = ()  # had their one more try
    failures: tuple[tuple[DeploymentId, Failure], ...] = ()
    grew: bool = False
    committed: bool = False
    broken: Failure | None = None  # what ended the stream that the client was reading
    resumable: bool = False
    resumed: int = 0
    rounds: int = 0  # waits since everybody was tried in vain, for this host's own fault


def sent(flight: Flight, row: DeploymentId) -> Flight:
    """Return the flight with an attempt at ``row`` under way."""
    tried = flight.tried
    if not flight.attempts:  # nearly always; built by position, which is three times as fast as replace()
        return Flight(flight.arrived, flight.first_by, flight.total_by, 1, 0, (row,))
    known = row in tried
    return replace(
        flight,
        attempts=flight.attempts + 1,
        moves=flight.moves + (not known),
        tried=tried if known else (*tried, row),
    )


def hedged(flight: Flight, row: DeploymentId) -> Flight:
    """Return the flight with a second attempt under way at ``row``: no move, since the first one goes on."""
    return replace(flight, attempts=flight.attempts + 1, tried=(*flight.tried, row))


def failed(flight: Flight, row: DeploymentId, failure: Failure) -> Flight:
    """Return the flight with a failure at ``row`` that decides nothing: another attempt was still under way."""
    return replace(flight, failures=(*flight.failures, (row, failure)))


def anew(flight: Flight, now: Instant, within: Seconds, *, over: bool = True) -> tuple[Flight, Instant] | None:
    """Return the flight with one more try to come, and when; None where there is no time.

    For when nobody was reached, and that was no fault of theirs. Each pause is twice as long as the one before, and
    leaves time for a last try. ``over``: nobody is left, so all may be tried once more.
    """
    last = waits_until(flight, within) - OUTAGE_PAUSE
    if flight.committed or now + OUTAGE_PAUSE > last:
        return None
    at = min(last, now + min(OUTAGE_PAUSE * 2.0**flight.rounds, LONGEST_PAUSE))
    rounds, failures = flight.rounds + 1, flight.failures[-1:]
    if not over:
        return replace(flight, failures=failures, rounds=rounds), at
    return replace(flight, tried=(), repeated=(), failures=failures, rounds=rounds), at


def committed(flight: Flight) -> Flight:
    """Return the flight with content shown to the client: from here on an answer is gone on with, or it has failed."""
    return replace(flight, committed=True)


def broken(flight: Flight, failure: Failure, now: Instant, *, within: Seconds, resumable: bool) -> Flight:
    """Return the flight with its stream broken under the client's eyes.

    ``resumable``: another attempt may take it up, and has ``within`` seconds for its first content.
    """
    first_by = min(flight.total_by, now + within)
    return replace(flight, broken=failure, resumable=resumable, first_by=first_by)


def costs(flight: Flight) -> bool:
    """Tell whether a further move is one of the retry budget's: the first is free, unless the client has content."""
    return flight.committed or flight.moves > 0


def waits_until(flight: Flight, within: Seconds) -> Instant:
    """Return until when it may wait for a deployment, where a first content may take ``within`` seconds.

    For a client that has content already the wait began when its stream broke.
    """
    return min(flight.total_by, flight.first_by if flight.committed else flight.arrived + within)


def after(
    flight: Flight, row: DeploymentId, failure: Failure, now: Instant, *, twins: int, others: int
) -> tuple[Flight, Next]:
    """Return the flight and what to do after ``failure`` at ``row``.

    ``twins`` untried eligible deployments serve the same model, ``others`` are left in all.
    """
    flight = failed(flight, row, failure)
    further = _onward if flight.committed else _elsewhere
    return further(flight, row, failure, now, twins=twins, others=others)


def _elsewhere(  # noqa: PLR0911  a table of cases, each with its own end
    flight: Flight, row: DeploymentId, failure: Failure, now: Instant, *, twins: int, others: int
) -> tuple[Flight, Next]:
    """Return what to do after ``failure``, where the client has seen nothing yet."""
    retry = failure.row.retry
    if retry is Retry.NEVER:
        return flight, Next(Step.GIVE, failure)
    if now >= flight.total_by or (now >= flight.first_by and failure.kind in TIMEOUTS):
        return flight, Next(Step.GIVE, final(flight))
    spend = costs(flight)
    if retry is Retry.LARGER:
        if flight.grew or not others:
            return flight, Next(Step.GIVE, failure)
        return replace(flight, grew=True), Next(Step.MOVE, failure, spend=spend, larger_context=True)
    if twins:
        return flight, Next(Step.MOVE, failure, spend=spend)
    if retry is Retry.SAME_ONCE and not flight.repeated and failure.kind not in TIMEOUTS:
        wait = PAUSE if failure.retry_after_s is None else failure.retry_after_s
        # a 429 without a word of how long is worth one short wait only where nobody else can help
        unknown = failure.kind is FailureKind.RATE and failure.retry_after_s is None and others
        if wait <= SHORT_WAIT and now + wait < flight.first_by and not unknown:
            return _again(flight, row, failure, wait)
    if others:
        return flight, Next(Step.MOVE, failure, spend=spend)
    if failure.kind in CUT_OFF and not flight.repeated and now + PAUSE < flight.first_by:
        # nobody else is left, and one lost connection is no verdict on the next
        return _again(flight, row, failure, PAUSE)
    return flight, Next(Step.GIVE, final(flight))


def _onward(
    flight: Flight, row: DeploymentId, failure: Failure, now: Instant, *, twins: int, others: int
) -> tuple[Flight, Next]:
    """Return what to do after ``failure``, where the client has content already."""
    give = Next(Step.GIVE, last_word(flight))
    retry, timed_out = failure.row.retry, failure.kind in TIMEOUTS
    if not flight.resumable or flight.resumed >= MOST_RESUMED or retry not in (Retry.ELSEWHERE, Retry.SAME_ONCE):
        return flight, give
    if now >= flight.total_by or (now >= flight.first_by and timed_out):
        return flight, give
    more = replace(flight, resumed=flight.resumed + 1)
    if twins:
        return more, Next(Step.MOVE, failure, spend=True)
    wait = PAUSE if failure.retry_after_s is None else failure.retry_after_s
    if not timed_out and not flight.repeated and wait <= SHORT_WAIT and now + wait < flight.first_by:
        return _again(more, row, failure, wait)
    return (more, Next(Step.MOVE, failure, spend=True)) if others else (flight, give)


def last_word(flight: Flight) -> Failure:
    """Return the failure to show to a client that has content: what broke its stream, and why that was the end."""
    last = flight.failures[-1][1]
    if flight.broken is None or flight.broken is last or last.kind is FailureKind.DRAINING:
        return last
    told = f"{flight.broken.message}; the answer could not be continued: {last.message}"
    return replace(flight.broken, message=told, body=None)


def _again(flight: Flight, row: DeploymentId, failure: Failure, wait: Seconds) -> tuple[Flight, Next]:
    return replace(flight, repeated=(*flight.repeated, row)), Next(Step.AGAIN, failure, wait_s=wait, spend=True)


def final(flight: Flight) -> Failure:
    """Return the failure to show when nothing is left: the most telling one, all named in its message."""
    if not flight.failures:
        raise ValueError("a flight without failures has no last word")
    if flight.committed:
        return last_word(flight)
    failures = [f for _, f in flight.failures]
    # an answer that was not good enough came last: the request was in order, and there is nothing to wait for
    told = () if failures[-1].kind is FailureKind.INVALID_ANSWER else failures
    # what a caller can act on comes first: its own faults, then waiting, then everything else
    for f in told:
        if f.row.blame is Blame.CLIENT:
            return f
    for f in told:
        if f.kind is FailureKind.RATE:
            return f
    if len(failures) == 1:
        return failures[0]
    said = "; ".join(f"{row}: {f.kind}" for row, f in flight.failures)
    last = failures[-1]
    return replace(last, message=f"every attempt failed ({said}). Last: {last.message}", body=None)


def too_small(failure: Failure, context: Tokens | None) -> Tokens | None:
    """Return the context that proved too small (0 where it is not known), None for other failures."""
    return (context or 0) if failure.kind is FailureKind.CONTEXT else None


def all_limited(flight: Flight) -> bool:
    """Tell whether every attempt ended in a 429: then it is a limit's end that is waited for."""
    return bool(flight.failures) and all(f.kind is FailureKind.RATE for _, f in flight.failures)
