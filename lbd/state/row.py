"""All state of one deployment: the state machines gathered, and their statistics.

What moves it: :mod:`lbd.state.evidence`; what readers see of it: :mod:`lbd.state.health`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from lbd.model.failure import FailureKind
from lbd.model.outcome import Load, Outcome, ProbeResult, Usage
from lbd.model.provider import DeploymentSpec, ProviderSpec, TierSpec
from lbd.model.table import SIZE_BOUNDS, SIZES, AdminState, HealthState, Reason
from lbd.model.units import Instant, Ratio, Seconds, Tokens, WallTime
from lbd.state import breaker, ewma, limit, outlier, whole, window
from lbd.state.lately import Lately
from lbd.state.moment import Moment
from lbd.state.presence import Presence
from lbd.state.quality import Standing
from lbd.state.quantile import Sketch
from lbd.state.repeats import LARGEST_KEPT, Repeats
from lbd.state.reserve import Reserve
from lbd.state.stays import Stay, Stays
from lbd.state.volume import Length, volumes
from lbd.state.window import Counts, Rolling

PENALTY_SPAN: Seconds = 5.0  # a single 5xx is a score penalty decaying over this time
READING_FRESH: Seconds = 3.0  # a load reading this young still describes the server
LIVENESS = "liveness"
CACHED_STEP = 0.05  # each answer moves the share of its prompt that is held to be cached by a twentieth
FOLDED: Seconds = 0.1  # good answers are taken in at most this late
WATCH_GAP: Seconds = 5.0  # the longest step between two looks; what lies beyond it nobody watched


_tuple = tuple.__new__


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
    usage: Usage | None
    inflight: int
    choices: int
    stay: Stay | None


class Minute(NamedTuple):
    """One closed minute. Percentiles are of the first content; None where there was nothing to tell."""

    p50_s: Seconds | None
    p95_s: Seconds | None
    p99_s: Seconds | None
    error_ratio: Ratio | None
    attempts: int


class Row:
    """The state of one deployment."""

    __slots__ = (
        "admin",
        "admin_by",
        "admin_until",
        "admin_weight",
        "breaker",
        "cached_share",
        "calm",
        "checked",
        "ejection",
        "excused",
        "fingerprints",
        "foreign",
        "heard",
        "index",
        "inflight",
        "key_cleared_at",
        "last_sample",
        "last_used",
        "lately",
        "length",
        "limit",
        "lock",
        "moment",
        "outcomes",
        "over_target",
        "past",
        "peak",
        "penalty_at",
        "pending",
        "presence",
        "probes",
        "probes_lost",
        "provider",
        "reason",
        "repeats",
        "reserve",
        "resolved",
        "samples",
        "scores",
        "since",
        "spec",
        "standing",
        "standing_at",
        "state",
        "stays",
        "suspect",
        "tier",
        "total",
        "tpot",
        "ttft",
        "volume",
        "warm_since",
        "watched_at",
        "watched_from",
        "weight_until",
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
        self.admin_until: Instant | None = None  # when its state ends by itself, see :mod:`lbd.state.orders`
        self.weight_until: Instant | None = None  # the same of the weight
        self.breaker = breaker.Breaker()
        self.ejection = outlier.Ejection()
        self.fingerprints: tuple[str, ...] = ()  # builds that answered, youngest last
        self.limit = limit.Limit()
        self.lock: Lock | None = None
        self.suspect: FailureKind | None = None
        self.penalty_at = self.key_cleared_at = -math.inf  # the latter: when a model list last lifted an AUTH lock
        self.warm_since: Instant | None = None
        self.ttft: list[Rolling[Sketch]] = [window.sketches() for _ in range(SIZES)]
        self.total = window.sketches()
        self.tpot = window.sketches()
        self.outcomes: Rolling[Counts] = window.counts()
        # time-outs that are not held against it: counted for people, never judged
        self.excused: Rolling[Counts] = Rolling(Counts, (window.FINE,))
        # answers that were held to what was asked of them, the good and the invalid
        self.checked: Rolling[Counts] = Rolling(Counts, (window.FINE, window.COARSE))
        self.presence: Rolling[Presence] = Rolling(Presence, (window.FINE, window.COARSE, window.DAILY))
        # since when it is in the table, and up to when ``presence`` is counted
        self.watched_from = self.watched_at = math.inf
        self.last_sample: list[Instant] = [-math.inf] * SIZES
        self.last_used: Instant = -math.inf
        self.heard: Instant = -math.inf  # when it last answered anything at all
        self.resolved: Instant = -math.inf  # when it last did so on a connection made for it
        self.peak: ewma.PeakEwma | None = None
        self.cached_share: Ratio = 0.0  # of a prompt, lately
        self.length = Length()  # of its model's answers, shared by the rows of one table that serve it
        self.volume = volumes()
        self.inflight = self.samples = 0  # requests under way; latencies ever
        self.moment = Moment(-math.inf, 0)  # in which the last were sent
        self.stays, self.reserve, self.repeats = Stays(), Reserve(), Repeats()
        self.lately: Lately | None = None  # what they told when they were last added up
        self.pending: list[Sample] = []  # good answers that wait to be folded in
        self.foreign: Load | None = None
        self.scores: dict[str, Standing] = {}  # by family: what scored answers say
        self.over_target: list[int] = [0] * SIZES
        self.standing: list[Ratio] = [1.0] * SIZES
        self.standing_at: Instant = -math.inf
        self.probes: dict[str, ProbeResult] = {}
        self.probes_lost = 0
        self.past: dict[Instant, Minute] = {}  # closed minutes by their start, see :mod:`lbd.state.past`
        # what health.judge found at the last publish
        self.state = HealthState.UNKNOWN
        self.reason = Reason("never_used")
        self.since: WallTime = wall


_OUT = frozenset({HealthState.DOWN, HealthState.LOCKED})


def silent_since(row: Row, at: Instant) -> bool:
    """Tell whether it has answered nobody since ``at``."""
    return row.heard <= at + FOLDED and not row.pending


def capacity(row: Row) -> float | None:
    """Return how many requests may run there now, None for no limit of lbd's own.

    While it is drained that is fewer, but interactive work does not wait for background work to run out.
    """
    most = concurrency(row)
    if most is None or not drains(row):
        return most
    return min(most, float(limit.admitted(row.limit) + row.reserve.background))


def drains(row: Row) -> bool:
    """Tell whether the limit that holds is lbd's own, and is drained."""
    return row.limit.drain.runs and row.spec.max_concurrency is None


def concurrency(row: Row) -> float | None:
    """Return how many requests it runs at once, None where lbd has no limit of its own; also while it is drained."""
    if row.spec.max_concurrency is not None:
        return float(row.spec.max_concurrency)
    return float(limit.slots(row.limit)) if row.provider.self_hosted else None


def adaptive(row: Row) -> bool:
    """Tell whether lbd itself finds out how many requests it runs at once."""
    told = row.foreign is not None and row.foreign.slots is not None
    return row.provider.self_hosted and row.spec.max_concurrency is None and not told


def plain(row: Row, outcome: Outcome) -> bool:
    """Tell whether a good answer moves nothing but statistics: those may wait for the next publish."""
    if outcome.failure is not None or row.lock is not None:
        return False
    return row.suspect is None and not row.breaker.fails and not row.probes_lost


def later(row: Row, outcome: Outcome, inflight: int, stay: Stay | None = None) -> None:
    """Note a plain good answer; ``fold`` takes it in."""
    # half the time of calling the class
    note = (outcome.size, outcome.ttft_s, outcome.total_s, outcome.usage, inflight, outcome.choices, stay)
    row.pending.append(_tuple(Sample, note))
    if len(outcome.asked) <= LARGEST_KEPT:
        row.repeats.good.append(outcome.asked)


def fold(row: Row, now: Instant) -> None:
    """Take in the time since the last look and the good answers that were noted, before anybody looks."""
    _watch(row, now)
    if row.limit.drain.runs:
        row.limit = limit.over_in_time(row.limit, now)
    pending = row.pending
    if not pending:
        return
    row.pending = []
    row.samples += len(pending)
    row.last_used = row.heard = row.repeats.well = now
    outcomes = row.outcomes.at(now).by_kind
    outcomes[None] = outcomes.get(None, 0) + len(pending)
    total, tpot, volume = row.total.at(now), row.tpot.at(now), row.volume.at(now)
    if adaptive(row):
        _learn(row, pending, now)
    for size, first, total_s, usage, _, choices, _ in pending:
        total.add(total_s)
        if first is not None:
            row.ttft[size].at(now).add(first)
            row.last_sample[size] = now
        row.peak = ewma.add(row.peak, total_s if first is None else first, now)
        if usage is None:
            continue
        volume.add(usage)
        if usage.prompt > 0 and not usage.estimated:
            row.cached_share += CACHED_STEP * (min(1.0, usage.cached / usage.prompt) - row.cached_share)
        completion = usage.completion if choices == 1 else usage.completion // choices  # of one of them
        if completion > 0:
            row.length.learn(completion, now)
            if first is not None and completion > 1:
                tpot.add((total_s - first) / (completion - 1))


def _learn(row: Row, answers: list[Sample], now: Instant) -> None:
    """Let the limit learn from answers."""
    for size, first, total_s, usage, inflight, choices, stay in answers:
        read = _read(size, usage)
        if first is not None:
            row.limit = limit.sample(row.limit, first, total_s, read, inflight, now)
        written = 0 if usage is None else usage.completion // choices
        if stay is not None and written > 0:
            row.stays.answer(stay, inflight - 1, read, written)
        else:
            row.limit = whole.unjudged(row.limit, 1.0)
    row.limit = whole.learned(row.limit, row.stays, now)


def _read(size: int, usage: Usage | None) -> Tokens:
    """Return how many tokens of a prompt the server had to read; by its bucket where it does not say."""
    if usage is None:
        return SIZE_BOUNDS[min(size, SIZES - 2)]
    return max(0, usage.prompt - usage.cached)


def _watch(row: Row, now: Instant) -> None:
    """Count the time since the last look under the state in which the row was; while that is unknown, not at all."""
    if row.watched_from == math.inf:
        row.watched_from = row.watched_at = now
    step = min(now - row.watched_at, WATCH_GAP)
    if step <= 0:
        return
    row.watched_at = now
    if row.state is not HealthState.UNKNOWN:
        slot = row.presence.at(now)
        slot.known_s += step
        slot.out_s += step if row.state in _OUT else 0.0


def penalty(row: Row, now: Instant) -> Ratio:
    """Return how much of the last failure's penalty is left."""
    return max(0.0, 1.0 - (now - row.penalty_at) / PENALTY_SPAN)


def locked(row: Row, now: Instant) -> bool:
    """Tell whether a lock-out holds now."""
    return row.lock is not None and (row.lock.until is None or now < row.lock.until)
