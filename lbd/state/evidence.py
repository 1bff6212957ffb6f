"""What an attempt or a probe says of a row: the only ways in, for first attempts, retries, trials and probes alike."""

from __future__ import annotations

from lbd.model.failure import COUNTS, LOCK_OUTS, SUSPECT_AT_ONCE, TIMEOUTS, FailureKind
from lbd.model.outcome import Outcome, ProbeResult, Verdict
from lbd.model.units import Instant, Seconds
from lbd.state import breaker, ewma, inside, limit
from lbd.state.row import LIVENESS, READING_FRESH, Lock, Row, fold, later, locked
from lbd.state.stays import Stay
from lbd.state.window import MINUTE

# A deployment that says it does not serve the model is asked again after this; others wait for a person.
NO_MODEL_AGAIN: Seconds = 60.0
# Probes of a row that found nobody: the first makes it suspect, this many in a row open its breaker.
PROBES_LOST = 3
# Counted for people, and never judged.
COUNTED = frozenset({FailureKind.RATE, FailureKind.CONFLICT, FailureKind.INVALID_ANSWER})
# Cuts by lbd's own clock, which a client's short deadline may have set; every other failure is a fact.
HASTY = frozenset({FailureKind.CONNECT_TIMEOUT, FailureKind.TIMEOUT_FIRST})


def observe(
    row: Row,
    outcome: Outcome,
    now: Instant,
    *,
    trial: bool = False,
    inflight: int = 1,
    blame: bool = True,
    stay: Stay | None = None,
) -> None:
    """Take in how one attempt ended. ``inflight`` is how many ran there when it was sent, itself included.

    ``stay``: its time there, which is over, where a limit learns from that.

    ``blame`` False: the failure was this host's own (:mod:`lbd.state.uplink`); the row is suspect and no more.
    """
    fold(row, now)
    row.last_used = now
    failure = outcome.failure
    if failure is None:
        later(row, outcome, inflight, stay)
        fold(row, now)
        row.suspect = None
        row.repeats.held = []
        row.probes_lost = 0
        _unlock(row, now)
        before = row.breaker
        row.breaker = breaker.success(before, now, trial=trial)
        if before.phase is not breaker.Phase.CLOSED and row.breaker.phase is breaker.Phase.CLOSED:
            row.warm_since = now
        return
    if failure.kind is FailureKind.HEDGED:
        # it would have taken longer still; were it not counted, the row would look the faster the more it is hedged
        row.ttft[outcome.size].at(now).add(outcome.total_s)
        row.samples += 1
        row.last_sample[outcome.size] = now
        row.peak = ewma.add(row.peak, outcome.total_s, now)
    if outcome.usage is not None:  # billed all the same
        row.volume.at(now).add(outcome.usage)
    kind = failure.kind
    counts = blame and failure.row.counts and not (kind in HASTY and not outcome.exceeded_own_p99)
    if kind in TIMEOUTS and not counts:
        row.excused.at(now).add(kind)
    if not blame:
        row.suspect = kind
        row.breaker = breaker.ignored(row.breaker, trial=trial)
        return
    if kind is FailureKind.CLIENT_GONE or not counts:
        row.breaker = breaker.ignored(row.breaker, trial=trial)
        if kind in COUNTED or kind in LOCK_OUTS:
            row.outcomes.at(now).add(kind)
        if kind in LOCK_OUTS:
            _lock(row, kind, failure.message, now)
        return
    _counted(row, outcome, kind, now, trial=trial, retry_after_s=failure.retry_after_s)


def _counted(
    row: Row, outcome: Outcome, kind: FailureKind, now: Instant, *, trial: bool, retry_after_s: Seconds | None
) -> None:
    """Count a failure; one that only says again what the same request has said is held back until a probe decides."""
    if row.repeats.took(outcome, kind, now):
        if kind in SUSPECT_AT_ONCE or row.repeats.doubted(now):
            row.suspect = row.suspect or kind
        row.penalty_at = now
        row.excused.at(now).add(kind)
        row.breaker = breaker.ignored(row.breaker, trial=trial)
    else:
        row.outcomes.at(now).add(kind)
        _bad(row, kind, now, trial=trial, retry_after_s=retry_after_s)


def _lock(row: Row, kind: FailureKind, message: str, now: Instant) -> None:
    """Lock it out. What waits for a person goes on waiting, whatever a request that was out already brings."""
    until = now + NO_MODEL_AGAIN if kind is FailureKind.NO_MODEL else None
    if until is None or row.lock is None or row.lock.until is not None:
        row.lock = Lock(kind, now, message, until)


def _unlock(row: Row, now: Instant) -> None:
    """A completion works: a lock-out whose time is over is over for good."""
    if row.lock is not None and not locked(row, now):
        row.lock = None


def _bad(row: Row, kind: FailureKind, now: Instant, *, trial: bool, retry_after_s: Seconds | None) -> None:
    row.penalty_at = now
    if kind in SUSPECT_AT_ONCE:
        row.suspect = kind
    recent = row.outcomes.over(MINUTE, now)
    row.breaker = breaker.failure(
        row.breaker,
        kind,
        now,
        bad=recent.bad,
        judged=recent.judged,
        trial=trial,
        retry_after_s=retry_after_s,
    )


def observe_probe(row: Row, result: ProbeResult, now: Instant, *, completion: bool, blame: bool = True) -> None:
    """Take in what a probe found. ``completion``: it asked for one, so it speaks for completions too.

    ``blame`` False: that it reached nobody is this host's own fault.
    """
    fold(row, now)
    row.probes[result.kind] = result
    if result.load is not None:
        row.foreign = inside.taken(result.load, row.inflight)
        if result.load.slots is not None:
            row.limit = limit.slots_known(row.limit, result.load.slots)
        else:
            row.limit = inside.limited(row.limit, result.load, row.inflight, now)
    if result.verdict is Verdict.DOWN:
        if not blame:
            row.suspect = row.suspect or result.failure
        elif result.failure is not None:
            _probed_down(row, result, result.failure, now, completion=completion)
        return
    row.probes_lost = 0  # busy is alive, too
    if result.verdict is not Verdict.UP:
        return
    completion = completion or not row.spec.can_be_tried  # liveness is all that there is
    proven = completion or not breaker.needs_completion(row.breaker)
    if proven or row.breaker.phase is breaker.Phase.CLOSED:
        row.suspect = None
    if completion:
        _unlock(row, now)
        row.repeats.probed_well(now)
    before = row.breaker
    row.breaker = breaker.probe_up(before, now, completion=completion)
    if before.phase is breaker.Phase.HALF_OPEN and row.breaker.phase is breaker.Phase.CLOSED:
        row.warm_since = now


def _probed_down(row: Row, result: ProbeResult, kind: FailureKind, now: Instant, *, completion: bool) -> None:
    if kind in LOCK_OUTS:
        _lock(row, kind, result.detail, now)
    elif completion:
        if kind in COUNTS:  # a refused probe (its parameters, its key's rate) is no sickness
            for held in row.repeats.probed_ill():
                _bad(row, held, now, trial=False, retry_after_s=None)
            _bad(row, kind, now, trial=False, retry_after_s=result.retry_after_s)
    elif result.kind == LIVENESS:  # it alone counts absences, so that one round of probes counts once
        row.suspect = row.suspect or kind
        row.probes_lost += 1
        if row.probes_lost >= PROBES_LOST:
            row.breaker = breaker.liveness_lost(row.breaker, kind, now)


def silence_counts(row: Row, now: Instant) -> bool:
    """Tell whether silence may be held against ``row``: a full queue is not sickness.

    Where the server tells its load, only a fresh reading without a queue lets silence count; a server that
    does not even tell it is found by liveness probes, which are sent at once.
    """
    told = row.probes.get("load")
    if told is None or row.foreign is None:
        return True
    slots = row.foreign.slots
    busy = row.foreign.waiting > 0 or (slots is not None and row.foreign.running >= slots)
    return now - told.at <= READING_FRESH and not busy
