"""Evidence: what each observation moves in a row, and above all what it must leave alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import CLIENT_FAULTS, COUNTS, LOCK_OUTS, SUSPECT_AT_ONCE, TIMEOUTS, Failure, FailureKind
from lbd.model.outcome import Load, Outcome, Usage, Verdict
from lbd.state import breaker, ewma
from lbd.state.breaker import TRIALS, Phase
from lbd.state.evidence import HASTY, NO_MODEL_AGAIN, PROBES_LOST, observe, observe_probe, silence_counts
from lbd.state.row import PENALTY_SPAN, READING_FRESH, Lock, Row, capacity, fold, later, locked, penalty, plain
from lbd.state.window import FIVE_MINUTES, MINUTE
from tests.fakes.tables import TIERS, bad, deployment, good, probe, provider

K = FailureKind
NOW = 1000.0
SAYS_NOTHING = sorted(set(FailureKind) - COUNTS - {FailureKind.HEDGED})  # that one says how long it took at least


def new(*, self_hosted: bool = False, **more: Any) -> Row:
    return Row(deployment(**more), provider(self_hosted=self_hosted), TIERS[0], 1.7e9)


def broken(kind: FailureKind = K.SERVER, now: float = NOW, row: Row | None = None) -> Row:
    """Return a row whose breaker three failures opened."""
    row = row or new()
    for _ in range(3):
        observe(row, bad(kind), now)
    assert row.breaker.phase is Phase.OPEN
    return row


def half_open(now: float = NOW) -> Row:
    row = broken(K.CONNECT, now)
    observe_probe(row, probe(), now, completion=False)
    assert row.breaker.phase is Phase.HALF_OPEN
    return row


def ratio(row: Row, now: float = NOW) -> float | None:
    return row.outcomes.over(FIVE_MINUTES, now).ratio()


# --- good answers ----------------------------------------------------------------------------------------


def test_a_good_answer_reaches_every_statistic() -> None:
    """First content by prompt size, whole time, time per output token, outcome, peak, usual length."""
    row = new()
    observe(row, good(0.4, 2.0, size=2, usage=Usage(100, 41)), NOW)
    assert row.ttft[2].over(MINUTE, NOW).quantile(0.5) == pytest.approx(0.4, rel=0.01)
    assert row.ttft[0].over(MINUTE, NOW).n == 0
    assert row.total.over(MINUTE, NOW).mean() == 2.0
    assert row.tpot.over(MINUTE, NOW).mean() == pytest.approx(0.04)
    assert row.outcomes.over(MINUTE, NOW).by_kind == {None: 1}
    assert row.peak == ewma.PeakEwma(0.4, NOW)
    assert (row.last_sample[2], row.last_sample[0], row.last_used) == (NOW, -math.inf, NOW)
    assert row.length.usual == pytest.approx((256 + 41) / 2)


def test_an_unary_answer_has_no_first_content() -> None:
    """Its whole time is its peak; it teaches nothing about first contents."""
    row = new()
    observe(row, good(None, 3.0), NOW)
    assert all(t.over(MINUTE, NOW).n == 0 for t in row.ttft)
    assert row.tpot.over(MINUTE, NOW).n == 0
    assert row.peak == ewma.PeakEwma(3.0, NOW)


@pytest.mark.parametrize("usage", [None, Usage(10, 0), Usage(10, 1)])
def test_without_two_tokens_there_is_no_time_per_token(usage: Usage | None) -> None:
    """A single token has no gap to the next."""
    row = new()
    observe(row, good(0.4, 2.0, usage=usage), NOW)
    assert row.tpot.over(MINUTE, NOW).n == 0
    assert row.length.known == (0 if usage is None or not usage.completion else 1)


answers = st.lists(
    st.builds(
        good,
        ttft_s=st.none() | st.floats(0.01, 5),
        total_s=st.floats(5, 20),
        size=st.integers(0, 5),
        usage=st.none() | st.builds(Usage, prompt=st.just(9), completion=st.integers(0, 300)),
    ),
    max_size=12,
)


@given(answers, st.booleans())
def test_answers_that_were_noted_fold_to_the_same_as_observed_ones(outcomes: list[Outcome], hosted: bool) -> None:
    """Batching changes when statistics move, not how."""
    one, other = new(self_hosted=hosted), new(self_hosted=hosted)
    for i, outcome in enumerate(outcomes):
        observe(one, outcome, NOW, inflight=i + 1)
        assert plain(other, outcome)
        later(other, outcome, i + 1)
    assert len(other.pending) == len(outcomes)
    fold(other, NOW)
    fold(other, NOW)
    assert other.pending == []
    for name in ("total", "tpot"):
        assert getattr(one, name).over(MINUTE, NOW).counts == getattr(other, name).over(MINUTE, NOW).counts
    assert [t.over(MINUTE, NOW).counts for t in one.ttft] == [t.over(MINUTE, NOW).counts for t in other.ttft]
    assert one.outcomes.over(MINUTE, NOW).by_kind == other.outcomes.over(MINUTE, NOW).by_kind
    assert (one.peak, one.length.usual, one.limit, one.last_sample) == (
        other.peak,
        other.length.usual,
        other.limit,
        other.last_sample,
    )


def test_an_answer_that_moves_more_than_statistics_does_not_wait() -> None:
    """Suspicion, a row of failures, lost probes, a lock-out and every failure are transitions."""
    assert plain(new(), good())
    assert not plain(new(), bad())
    row = new()
    row.suspect = K.RESET
    assert not plain(row, good())
    row = new()
    observe(row, bad(), NOW)
    assert not plain(row, good())
    row = new()
    row.probes_lost = 1
    assert not plain(row, good())
    row = new()
    row.lock = Lock(K.NO_MODEL, NOW, "", NOW + 1)
    assert not plain(row, good())


def test_a_good_answer_clears_what_was_suspected() -> None:
    """Suspicion, lost probes and the row of failures end with the next success."""
    row = new()
    observe_probe(row, probe(verdict=Verdict.DOWN, failure=K.CONNECT), NOW, completion=False)
    observe(row, bad(K.RESET), NOW)
    assert (row.suspect, row.probes_lost, row.breaker.fails) == (K.RESET, 1, 1)
    observe(row, good(), NOW)
    assert (row.suspect, row.probes_lost, row.breaker.fails) == (None, 0, 0)


def test_noted_answers_are_taken_in_before_the_next_failure_is_judged() -> None:
    """The ratio that a failure is judged by holds every answer that came before it."""
    row = new()
    for _ in range(40):
        later(row, good(), 1)
    observe(row, bad(), NOW)
    assert row.outcomes.over(MINUTE, NOW).judged == 41
    assert row.breaker.phase is Phase.CLOSED


# --- failures --------------------------------------------------------------------------------------------


def test_a_counted_failure_is_a_penalty_that_decays_over_five_seconds() -> None:
    """A single 5xx moves the score for a moment, nothing else."""
    row = new()
    assert penalty(row, NOW) == 0.0
    observe(row, bad(), NOW)
    assert [penalty(row, NOW + t) for t in (0.0, PENALTY_SPAN / 2, PENALTY_SPAN, 99.0)] == [1.0, 0.5, 0.0, 0.0]
    assert row.suspect is None
    assert row.outcomes.over(MINUTE, NOW).by_kind == {K.SERVER: 1}


@pytest.mark.parametrize("kind", sorted(COUNTS))
def test_refusals_and_silence_make_it_suspect_at_once(kind: FailureKind) -> None:
    """Whoever does not answer at all is out of first choice from the first time on."""
    row = new()
    observe(row, bad(kind), NOW)
    assert row.suspect == (kind if kind in SUSPECT_AT_ONCE else None)


def test_three_failures_or_a_bad_ratio_open_its_breaker() -> None:
    """The ratio comes from the row's own last minute."""
    assert broken().breaker.cause is K.SERVER
    row = new()
    for i in range(21):
        observe(row, bad() if i % 3 else good(), NOW + i)
    assert row.breaker.phase is Phase.OPEN


def test_the_wait_that_a_failure_names_reaches_the_breaker() -> None:
    """``retry-after`` of a 503 is kept by the row."""
    row = new()
    for _ in range(3):
        observe(row, bad(K.OVERLOADED, retry_after_s=44.0), NOW)
    assert row.breaker.retry_at == NOW + 44.0


def everything(row: Row) -> tuple[object, ...]:
    """Return all that a failure without evidence must not move."""
    return (
        row.limit,
        row.suspect,
        row.penalty_at,
        row.peak,
        row.probes_lost,
        row.last_sample,
        row.warm_since,
        row.standing,
        row.ejection,
        ratio(row, NOW + 500),
        [t.over(FIVE_MINUTES, NOW + 500).counts for t in row.ttft],
        row.total.over(FIVE_MINUTES, NOW + 500).n,
    )


def without_trials(b: breaker.Breaker) -> tuple[object, ...]:
    return (b.phase, b.since, b.fails, b.cause, b.openings, b.opened_total, b.retry_at, b.trials_ok)


pasts = st.lists(
    st.one_of(
        st.builds(good, ttft_s=st.floats(0.1, 1)),
        st.sampled_from(sorted(COUNTS)).map(bad),
        st.sampled_from((probe(), probe(verdict=Verdict.DOWN, failure=K.CONNECT), probe("completion"))),
    ),
    max_size=12,
)


def lived(past: Sequence[Any], row: Row, until: float) -> Row:
    """Return ``row`` with a past that ends at ``until``."""
    for i, event in enumerate(past):
        now = until - len(past) + i
        if isinstance(event, Outcome):
            observe(row, event, now, trial=row.breaker.phase is not Phase.CLOSED)
        else:
            observe_probe(row, event, now, completion=event.kind == "completion")
    return row


@given(pasts, st.lists(st.sampled_from(SAYS_NOTHING), min_size=1, max_size=30), st.booleans(), st.booleans())
def test_what_says_nothing_about_a_deployment_touches_no_breaker_limit_or_ratio(
    past: list[Any], kinds: list[FailureKind], trial: bool, hosted: bool
) -> None:
    """Client faults, 429s, lock-outs and lbd's own faults, in any number, on any row."""
    row = lived(past, new(self_hosted=hosted), NOW + 499)
    before, state = everything(row), row.breaker
    for kind in kinds:
        held = row.breaker.trials_out
        if trial and state.phase is not Phase.CLOSED:
            row.breaker = breaker.take_trial(row.breaker)
        observe(row, bad(kind), NOW + 500, trial=trial)
        assert row.breaker.trials_out == held
    assert without_trials(row.breaker) == without_trials(state)
    assert everything(row) == before
    assert row.last_used == NOW + 500
    if all(k in CLIENT_FAULTS for k in kinds):
        assert row.lock is None


@pytest.mark.parametrize("kind", sorted(HASTY))
def test_a_cut_within_its_usual_time_is_no_evidence(kind: FailureKind) -> None:
    """An attempt that was cut early counts only where it was slower than the row's own p99."""
    row = new()
    for _ in range(30):
        observe(row, bad(kind, exceeded_own_p99=False), NOW)
    assert (row.breaker, row.suspect, ratio(row)) == (breaker.Breaker(), None, None)
    assert row.excused.over(MINUTE, NOW).by_kind == {kind: 30}  # but people see it
    observe(row, bad(kind), NOW)
    assert (row.breaker.fails, ratio(row)) == (1, 1.0)
    assert row.excused.over(MINUTE, NOW).by_kind == {kind: 30}


@pytest.mark.parametrize("kind", [K.CONNECT_TIMEOUT, K.CONNECT])
def test_a_time_out_of_this_host_s_own_making_is_counted_apart(kind: FailureKind) -> None:
    """It is one all the same; what else fails here is no news of the row."""
    row = new()
    observe(row, bad(kind), NOW, blame=False)
    assert (row.breaker, ratio(row)) == (breaker.Breaker(), None)
    assert row.excused.over(MINUTE, NOW).by_kind == ({kind: 1} if kind in TIMEOUTS else {})


@pytest.mark.parametrize("kind", sorted(TIMEOUTS - HASTY))
def test_a_time_out_that_the_provider_tells_or_shows_is_a_fact(kind: FailureKind) -> None:
    """A gateway's 504, a silence in the middle of an answer: however soon it came."""
    row = new()
    observe(row, bad(kind, exceeded_own_p99=False), NOW)
    assert (row.breaker.fails, ratio(row)) == (1, 1.0)


@pytest.mark.parametrize("kind", SAYS_NOTHING)
def test_pressure_and_lock_outs_are_noted_for_people(kind: FailureKind) -> None:
    """The dashboard counts them by kind; what the client did is not the deployment's at all."""
    row = new()
    observe(row, bad(kind), NOW)
    noted = kind in {K.RATE, K.CONFLICT, K.INVALID_ANSWER, *LOCK_OUTS}
    assert row.outcomes.over(MINUTE, NOW).by_kind == ({kind: 1} if noted else {})


def test_a_trial_that_says_nothing_is_given_back() -> None:
    """The client of a half-open trial left: the next request may have it."""
    row = half_open()
    for _ in range(TRIALS):
        row.breaker = breaker.take_trial(row.breaker)
    observe(row, bad(K.CLIENT_GONE), NOW, trial=True)
    assert breaker.admits(row.breaker)


def test_passed_trials_close_it_and_begin_slow_start() -> None:
    """From half-open by real requests."""
    row = half_open()
    for n in range(TRIALS):
        assert row.warm_since is None
        row.breaker = breaker.take_trial(row.breaker)
        observe(row, good(), NOW + n, trial=True)
    assert (row.breaker.phase, row.warm_since) == (Phase.CLOSED, NOW + TRIALS - 1)


# --- lock-outs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_probe", [False, True])
@pytest.mark.parametrize("kind", sorted(LOCK_OUTS))
def test_auth_and_money_wait_for_a_person_a_missing_model_for_a_minute(kind: FailureKind, by_probe: bool) -> None:
    """Whether a request or a probe met it."""
    row = new()
    if by_probe:
        observe_probe(row, probe("models", Verdict.DOWN, failure=kind, detail="no"), NOW, completion=False)
    else:
        observe(row, bad(kind, message="no"), NOW)
    until = NOW + NO_MODEL_AGAIN if kind is K.NO_MODEL else None
    assert row.lock == Lock(kind, NOW, "no", until)
    assert locked(row, NOW + NO_MODEL_AGAIN - 1)
    assert locked(row, NOW + NO_MODEL_AGAIN) == (until is None)
    assert not locked(new(), NOW)


def test_a_lock_that_waits_for_a_person_is_not_shortened() -> None:
    """An answer of a request that was out already must not open it again by itself."""
    row = new()
    observe(row, bad(K.AUTH), NOW)
    observe(row, bad(K.NO_MODEL), NOW + 1)
    assert row.lock is not None and row.lock.kind is K.AUTH
    observe(row, bad(K.MONEY), NOW + 2)
    assert row.lock.kind is K.MONEY
    row = new()
    observe(row, bad(K.NO_MODEL), NOW)
    observe(row, bad(K.NO_MODEL), NOW + 5)
    assert row.lock is not None and row.lock.until == NOW + 5 + NO_MODEL_AGAIN


@pytest.mark.parametrize("by_probe", [False, True])
@pytest.mark.parametrize(
    ("kind", "after", "ends"), [(K.NO_MODEL, 61, True), (K.NO_MODEL, 5, False), (K.AUTH, 61, False)]
)
def test_a_lock_whose_time_is_over_ends_with_the_next_completion(
    kind: FailureKind, after: float, ends: bool, by_probe: bool
) -> None:
    """Before that it holds: what works now may have been sent before the lock-out."""
    row = new()
    observe(row, bad(kind), NOW)
    if by_probe:
        observe_probe(row, probe("completion"), NOW + after, completion=True)
    else:
        observe(row, good(), NOW + after)
    assert (row.lock is None) == ends


# --- probes ----------------------------------------------------------------------------------------------


def test_liveness_lost_three_times_opens_it() -> None:
    """The first makes it suspect, the third opens: never one lost probe alone."""
    row = new()
    down = probe(verdict=Verdict.DOWN, failure=K.CONNECT)
    for n in range(1, PROBES_LOST + 1):
        observe_probe(row, down, NOW + n, completion=False)
        assert (row.suspect, row.probes_lost) == (K.CONNECT, n)
        assert (row.breaker.phase is Phase.OPEN) == (n == PROBES_LOST)
    assert row.breaker.cause is K.CONNECT
    assert ratio(row) is None  # probes are no attempts


@pytest.mark.parametrize("sign", [probe(), probe(verdict=Verdict.BUSY), probe("load"), None])
def test_any_sign_of_life_between_starts_the_count_anew(sign: Any) -> None:
    """Up, busy, another kind of probe, a good answer."""
    row = new()
    for _ in range(4):
        for _ in range(PROBES_LOST - 1):
            observe_probe(row, probe(verdict=Verdict.DOWN, failure=K.TIMEOUT_FIRST), NOW, completion=False)
        if sign is None:
            observe(row, good(), NOW)
        else:
            observe_probe(row, sign, NOW, completion=False)
    assert row.breaker.phase is Phase.CLOSED


@pytest.mark.parametrize("kind", ["models", "load", "tls"])
def test_only_liveness_counts_absences(kind: str) -> None:
    """So that one round of probes counts once, and a missing model list is not a dead server."""
    row = new()
    for _ in range(9):
        observe_probe(row, probe(kind, Verdict.DOWN, failure=K.CONNECT), NOW, completion=False)
    assert (row.suspect, row.probes_lost, row.breaker) == (None, 0, breaker.Breaker())
    assert row.probes[kind].verdict is Verdict.DOWN


def test_a_probe_that_was_down_without_a_reason_is_no_sign_of_life() -> None:
    """It neither counts as an absence nor ends a series of them."""
    row = new()
    observe_probe(row, probe(verdict=Verdict.DOWN, failure=K.CONNECT), NOW, completion=False)
    observe_probe(row, probe(verdict=Verdict.DOWN), NOW, completion=False)
    assert (row.suspect, row.probes_lost) == (K.CONNECT, 1)


@given(
    pasts,
    st.lists(st.sampled_from(("liveness", "load", "models", "completion", "stream")), min_size=1, max_size=20),
    st.booleans(),
)
def test_busy_is_never_down(past: list[Any], kinds: list[str], completion: bool) -> None:
    """All slots taken: alive. It opens nothing, suspects nobody, and proves no completion either."""
    row = lived(past, new(), NOW)
    suspect, state = row.suspect, row.breaker
    for kind in kinds:
        observe_probe(row, probe(kind, Verdict.BUSY), NOW, completion=completion)
    assert (row.suspect, row.breaker, row.probes_lost) == (suspect, state, 0)
    assert all(row.probes[k].verdict is Verdict.BUSY for k in kinds)


@pytest.mark.parametrize("kind", sorted(FailureKind))
def test_a_failed_completion_probe_counts_as_a_failed_attempt_would(kind: FailureKind) -> None:
    """Three of them open the breaker; one that was refused for its parameters or its rate says nothing."""
    row = new()
    down = probe("completion", Verdict.DOWN, failure=kind, retry_after_s=33.0)
    for _ in range(3):
        observe_probe(row, down, NOW, completion=True)
    if kind in COUNTS:
        assert (row.breaker.phase, row.breaker.cause, row.breaker.retry_at) == (Phase.OPEN, kind, NOW + 33.0)
        assert row.penalty_at == NOW
    else:
        assert (row.breaker, row.suspect, row.penalty_at) == (breaker.Breaker(), None, -math.inf)
        assert (row.lock is not None) == (kind in LOCK_OUTS)


def test_a_failed_probe_is_not_the_end_of_a_trial() -> None:
    """While a last-resort trial is out, a probe that fails says nothing of how it will end."""
    row = broken()
    row.breaker = breaker.take_trial(row.breaker)
    observe_probe(row, probe("completion", Verdict.DOWN, failure=K.SERVER), NOW + 9, completion=True)
    assert (row.breaker.trials_out, row.breaker.openings) == (1, 1)


def test_liveness_lifts_a_suspicion_but_not_what_a_completion_showed() -> None:
    """A 200 of the model list proves nothing about completions that fail."""
    row = new()
    observe(row, bad(K.RESET), NOW)
    observe_probe(row, probe(), NOW, completion=False)
    assert row.suspect is None
    row = broken(K.TIMEOUT_FIRST)
    observe_probe(row, probe(), NOW, completion=False)
    assert (row.suspect, row.breaker.phase) == (K.TIMEOUT_FIRST, Phase.OPEN)
    observe_probe(row, probe("completion"), NOW, completion=True)
    assert (row.suspect, row.breaker.phase) == (None, Phase.HALF_OPEN)


def test_completion_probes_may_close_it_and_begin_slow_start() -> None:
    """A row without traffic comes back by probes alone."""
    row = broken()
    for n in range(TRIALS):
        assert row.warm_since is None
        observe_probe(row, probe("completion"), NOW + n, completion=True)
    assert (row.breaker.phase, row.warm_since) == (Phase.CLOSED, NOW + TRIALS - 1)


# --- how much may run there ------------------------------------------------------------------------------


def test_the_limit_adapts_only_where_nobody_knows_it() -> None:
    """Self-hosted, not set by the operator, not told by the server."""

    def moved(row: Row) -> bool:
        before = row.limit
        observe(row, good(0.2), NOW, inflight=8)
        return row.limit != before

    assert moved(new(self_hosted=True))
    assert not moved(new())
    assert not moved(new(self_hosted=True, max_concurrency=8))
    told = new(self_hosted=True)
    observe_probe(told, probe("load", load=Load(1, 0, 4)), NOW, completion=False)
    assert capacity(told) == 4.0
    assert not moved(told)
    untold = new(self_hosted=True)
    observe_probe(untold, probe("load", load=Load(1, 0)), NOW, completion=False)
    assert untold.foreign == Load(1, 0, others=1)
    assert moved(untold)


def test_a_queue_inside_a_server_cuts_the_limit_within_one_scrape() -> None:
    """What it tells of its slots goes before; an operator's bound holds whatever it tells."""
    row = new(self_hosted=True)
    row.inflight = 8
    observe_probe(row, probe("load", load=Load(4, 4)), NOW, completion=False)
    assert capacity(row) == 4.0
    told = new(self_hosted=True)
    told.inflight = 8
    observe_probe(told, probe("load", load=Load(4, 4, 6)), NOW, completion=False)
    assert capacity(told) == 6.0
    bound = new(self_hosted=True, max_concurrency=8)
    bound.inflight = 8
    observe_probe(bound, probe("load", load=Load(4, 4)), NOW, completion=False)
    assert capacity(bound) == 8.0


@pytest.mark.parametrize("ttft", [None, 9.0])
def test_a_failed_attempt_or_a_single_whole_answer_does_not_move_the_limit(ttft: float | None) -> None:
    """A time to the first token says at once whether it queued, whole answers only together."""
    row = new(self_hosted=True)
    before = row.limit
    if ttft is None:
        observe(row, good(None), NOW, inflight=8)
    else:
        observe(row, bad(ttft_s=ttft), NOW, inflight=8)
    assert row.limit.value == before.value and not row.limit.found


def test_a_late_attempt_that_was_overtaken_is_no_failure_and_has_taken_at_least_so_long() -> None:
    """Its row's percentile and peak learn of it, its breaker and ratios do not."""
    row = new()
    for i in range(30):
        observe(row, good(ttft_s=0.2), NOW + i)
    fold(row, NOW + 39)
    before = (
        row.breaker,
        row.suspect,
        row.outcomes.over(MINUTE, NOW + 40).bad,
        row.ttft[0].over(FIVE_MINUTES, NOW + 40).quantile(1.0),
    )
    observe(row, Outcome(Failure(FailureKind.HEDGED, "overtaken"), 0, 0.9), NOW + 40)
    assert (row.breaker, row.suspect, row.outcomes.over(MINUTE, NOW + 40).bad) == before[:3]
    assert row.peak is not None and row.peak.value > 0.2
    slowest = row.ttft[0].over(FIVE_MINUTES, NOW + 40).quantile(1.0)
    assert before[3] == pytest.approx(0.2, rel=0.05) and slowest == pytest.approx(0.9, rel=0.05)


def test_silence_counts_unless_the_server_is_known_to_be_full() -> None:
    """Without a reading it counts; with one only while that is young and shows room."""
    row = new(self_hosted=True)
    assert silence_counts(row, NOW)
    for load, counts in ((Load(1, 0, 4), True), (Load(4, 0, 4), False), (Load(1, 1, 4), False), (Load(9, 0), True)):
        observe_probe(row, probe("load", Verdict.UP, NOW, load=load), NOW, completion=False)
        assert silence_counts(row, NOW + READING_FRESH) is counts, load
        assert not silence_counts(row, NOW + READING_FRESH + 0.1)
