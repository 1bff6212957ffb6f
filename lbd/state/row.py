"""All state of one deployment, and how an observation moves it.

A ``Row`` gathers the state machines; ``observe`` and ``observe_probe`` are the only ways in, for first
attempts, retries, trials and probes alike. Nothing here reads a clock, and nothing decides what readers see:
that is :mod:`lbd.state.health`.
"""

from __future__ import annotations

import math
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from lbd.model.address import is_loopback
from lbd.model.failure import COUNTS, LOCK_OUTS, SUSPECT_AT_ONCE, TIMEOUTS, FailureKind
from lbd.model.outcome import Load, Outcome, ProbeResult, Verdict
from lbd.model.provider import DeploymentSpec, ProviderSpec, TierSpec
from lbd.model.table import SIZES, AdminState, HealthState, Reason
from lbd.model.units import Instant, Ratio, Seconds, Tokens, WallTime
from lbd.state import breaker, ewma, limit, outlier, window
from lbd.state.quantile import Sketch
from lbd.state.window import MINUTE, Counts, Rolling

# A single 5xx is a score penalty decaying over this time.
PENALTY_SPAN: Seconds = 5.0
# A deployment that says it does not serve the model is asked again after this; others wait for a person.
READING_FRESH: Seconds = 3.0  # a load reading this young still describes the server
NO_MODEL_AGAIN: Seconds = 60.0
# Probes of a row that found nobody: the first makes it suspect, this many in a row open its breaker.
PROBES_LOST = 3
LIVENESS = "liveness"
OUTPUT_WEIGHT: Ratio = 0.05


class Lock(msgspec.Struct, frozen=True):
    """Out until a person acts (``until`` is None), or until that instant."""

    kind: FailureKind
    since: Instant
    message: str
    until: Instant | None = None


class Sample(NamedTuple):
    """A good answer on its way into the statistics."""

    size: int
    ttft_s: Seconds | None
    total_s: Seconds
    completion: Tokens
    inflight: int


class Row:
    """The state of one deployment."""

    __slots__ = (
        "admin",
        "admin_by",
        "admin_weight",
        "breaker",
        "calm",
        "ejection",
        "fingerprints",
        "foreign",
        "history",
        "index",
        "inflight",
        "last_sample",
        "last_used",
        "limit",
        "lock",
        "outcomes",
        "output",
        "over_target",
        "peak",
        "penalty_at",
        "pending",
        "probes",
        "probes_lost",
        "provider",
        "reason",
        "since",
        "spec",
        "standing",
        "standing_at",
        "state",
        "suspect",
        "tier",
        "total",
        "tpot",
        "ttft",
        "warm_since",
    )

    def __init__(self, spec: DeploymentSpec, provider: ProviderSpec, tier: TierSpec, wall: WallTime) -> None:
        self.index = -1  # in the table
        self.calm = False  # nothing in its state could refuse a request; looked at before anything else is
        self.spec = spec
        self.provider = provider
        self.tier = tier
        self.admin = AdminState.READY
        self.admin_weight: float | None = None
        self.admin_by: str | None = None
        self.breaker = breaker.Breaker()
        self.ejection = outlier.Ejection()
        self.fingerprints: tuple[str, ...] = ()  # builds that answered, youngest last
        self.limit = limit.Limit()
        self.lock: Lock | None = None
        self.suspect: FailureKind | None = None
        self.penalty_at: Instant = -math.inf
        self.warm_since: Instant | None = None
        self.ttft: list[Rolling[Sketch]] = [window.sketches() for _ in range(SIZES)]
        self.total = window.sketches()
        self.tpot = window.sketches()
        self.outcomes: Rolling[Counts] = window.counts()
        self.last_sample: list[Instant] = [-math.inf] * SIZES
        self.last_used: Instant = -math.inf
        self.peak: ewma.PeakEwma | None = None
        self.output: float = 0.0  # usual tokens of an answer; 0: not known
        self.inflight = 0
        self.pending: list[Sample] = []  # good answers that wait to be folded in
        self.foreign: Load | None = None
        self.over_target: list[int] = [0] * SIZES
        self.standing: list[Ratio] = [1.0] * SIZES
        self.standing_at: Instant = -math.inf
        self.probes: dict[str, ProbeResult] = {}
        self.probes_lost = 0
        # closed minutes as the dashboard shows them: start -> (TTFT p95, error ratio, attempts)
        self.history: dict[Instant, tuple[Seconds | None, Ratio | None, int]] = {}
        # what health.judge found at the last publish
        self.state = HealthState.UNKNOWN
        self.reason = Reason("never_used")
        self.since: WallTime = wall


def capacity(row: Row) -> float | None:
    """Return how many requests may run there at once, None for no limit of lbd's own."""
    if row.spec.max_concurrency is not None:
        return float(row.spec.max_concurrency)
    if row.provider.self_hosted:
        return float(math.floor(row.limit.value))
    return None


def plain(row: Row, outcome: Outcome) -> bool:
    """Tell whether a good answer moves nothing but statistics: those may wait for the next publish."""
    if outcome.failure is not None or row.lock is not None:
        return False
    return row.suspect is None and not row.breaker.fails and not row.probes_lost


def later(row: Row, outcome: Outcome, inflight: int) -> None:
    """Note a plain good answer; ``fold`` takes it in."""
    usage = outcome.usage
    completion = 0 if usage is None else usage.completion
    row.pending.append(Sample(outcome.size, outcome.ttft_s, outcome.total_s, completion, inflight))


def fold(row: Row, now: Instant) -> None:
    """Take in the good answers that were noted. Called before anybody looks at the statistics."""
    pending = row.pending
    if not pending:
        return
    row.pending = []
    row.last_used = now
    outcomes = row.outcomes.at(now).by_kind
    outcomes[None] = outcomes.get(None, 0) + len(pending)
    total, tpot = row.total.at(now), row.tpot.at(now)
    adaptive = row.provider.self_hosted and row.spec.max_concurrency is None and not _slots_told(row)
    for size, first, total_s, completion, inflight in pending:
        total.add(total_s)
        if first is not None:
            row.ttft[size].at(now).add(first)
            row.last_sample[size] = now
            if adaptive:
                row.limit = limit.sample(row.limit, first, size, inflight, now)
        row.peak = ewma.add(row.peak, total_s if first is None else first, now)
        if completion > 0:
            row.output = completion if not row.output else row.output + OUTPUT_WEIGHT * (completion - row.output)
            if first is not None and completion > 1:
                tpot.add((total_s - first) / (completion - 1))


def observe(
    row: Row, outcome: Outcome, now: Instant, *, trial: bool = False, inflight: int = 1, blame: bool = True
) -> None:
    """Take in how one attempt ended. ``inflight`` is how many ran there when it was sent, itself included.

    ``blame`` False: the failure was this host's own (:mod:`lbd.state.uplink`); the row is suspect and no more.
    """
    fold(row, now)
    row.last_used = now
    failure = outcome.failure
    if failure is None:
        later(row, outcome, inflight)
        fold(row, now)
        row.suspect = None
        row.probes_lost = 0
        _unlock(row, now)
        before = row.breaker
        row.breaker = breaker.success(before, now, trial=trial)
        if before.phase is not breaker.Phase.CLOSED and row.breaker.phase is breaker.Phase.CLOSED:
            row.warm_since = now
        return
    kind = failure.kind
    if not blame:
        row.suspect = kind
        row.breaker = breaker.ignored(row.breaker, trial=trial)
        return
    counts = failure.row.counts and not (kind in TIMEOUTS and not outcome.exceeded_own_p99)
    if kind is FailureKind.CLIENT_GONE or not counts:
        row.breaker = breaker.ignored(row.breaker, trial=trial)
        if kind in (FailureKind.RATE, FailureKind.CONFLICT) or kind in LOCK_OUTS:
            row.outcomes.at(now).add(kind)
        if kind in LOCK_OUTS:
            _lock(row, kind, failure.message, now)
        return
    row.outcomes.at(now).add(kind)
    _bad(row, kind, now, trial=trial, retry_after_s=failure.retry_after_s)


def _lock(row: Row, kind: FailureKind, message: str, now: Instant) -> None:
    """Lock it out. What waits for a person goes on waiting, whatever a request that was out already brings."""
    until = now + NO_MODEL_AGAIN if kind is FailureKind.NO_MODEL else None
    if until is None or row.lock is None or row.lock.until is not None:
        row.lock = Lock(kind, now, message, until)


def _unlock(row: Row, now: Instant) -> None:
    """A completion works: a lock-out whose time is over is over for good."""
    if row.lock is not None and not locked(row, now):
        row.lock = None


def _slots_told(row: Row) -> bool:
    return row.foreign is not None and row.foreign.slots is not None


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
        row.foreign = result.load
        if result.load.slots is not None:
            row.limit = limit.slots_known(row.limit, result.load.slots)
    if result.verdict is Verdict.DOWN:
        if not blame:
            row.suspect = row.suspect or result.failure
        elif result.failure is not None:
            _probed_down(row, result, result.failure, now, completion=completion)
        return
    row.probes_lost = 0  # busy is alive, too
    if result.verdict is not Verdict.UP:
        return
    proven = completion or not breaker.needs_completion(row.breaker)
    if proven or row.breaker.phase is breaker.Phase.CLOSED:
        row.suspect = None
    if completion:
        _unlock(row, now)
    before = row.breaker
    row.breaker = breaker.probe_up(before, now, completion=completion)
    if before.phase is breaker.Phase.HALF_OPEN and row.breaker.phase is breaker.Phase.CLOSED:
        row.warm_since = now


def _probed_down(row: Row, result: ProbeResult, kind: FailureKind, now: Instant, *, completion: bool) -> None:
    if kind in LOCK_OUTS:
        _lock(row, kind, result.detail, now)
    elif completion:
        if kind in COUNTS:  # a refused probe (its parameters, its key's rate) is no sickness
            _bad(row, kind, now, trial=False, retry_after_s=result.retry_after_s)
    elif result.kind == LIVENESS:  # it alone counts absences, so that one round of probes counts once
        row.suspect = row.suspect or kind
        row.probes_lost += 1
        if row.probes_lost >= PROBES_LOST:
            row.breaker = breaker.liveness_lost(row.breaker, kind, now)


def penalty(row: Row, now: Instant) -> Ratio:
    """Return how much of the last failure's penalty is left."""
    return max(0.0, 1.0 - (now - row.penalty_at) / PENALTY_SPAN)


def locked(row: Row, now: Instant) -> bool:
    """Tell whether a lock-out holds now."""
    return row.lock is not None and (row.lock.until is None or now < row.lock.until)


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


def remote(row: Row) -> str | None:
    """Return the host behind ``row``, None where it is this one."""
    host = urlsplit(row.provider.base_url).hostname or ""
    return None if is_loopback(host) else host
