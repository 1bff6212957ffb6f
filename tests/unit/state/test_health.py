"""What readers see of a row: its estimates, its standing, its health in a word."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import FailureKind
from lbd.model.outcome import Load, Usage, Verdict
from lbd.model.provider import TierSpec
from lbd.model.table import SIZES, AdminState, HealthState, Reason
from lbd.state import breaker, health, quota, warmup
from lbd.state.breaker import Phase
from lbd.state.evidence import observe, observe_probe
from lbd.state.health import (
    BACK,
    BACK_TOLERANCE,
    ENOUGH,
    FRESH,
    HALF_LIFE,
    PRIOR_P95,
    PRIOR_P99,
    PRIOR_TPOT,
    PRIOR_WITHIN,
    SLEW,
)
from lbd.state.outlier import Ejection
from lbd.state.quota import Bucket, Quota
from lbd.state.row import Lock, Row
from tests.fakes.tables import bad, deployment, good, probe, provider

K = FailureKind
NOW = 1000.0
TARGET = 2.0
PRIORS = (PRIOR_P95 * TARGET, PRIOR_P99 * TARGET)


def new(*, self_hosted: bool = False, **more: Any) -> Row:
    return Row(deployment(**more), provider(self_hosted=self_hosted), TierSpec("primary", TARGET), 1.7e9)


def measured(ttft: float, n: int, *, at: float = NOW, size: int = 0, row: Row | None = None) -> Row:
    """Return a row with ``n`` first contents of this time."""
    row = row or new()
    for _ in range(n):
        observe(row, good(ttft, 1.0, size=size), at)
    return row


# --- the chance of the target ---------------------------------------------------------------------------


def test_the_chance_of_the_target_is_the_share_that_met_it() -> None:
    """Three of four, once there are enough samples; a wait for a slot goes off the target."""
    row = measured(0.5, 30)
    measured(3.0, 10, row=row)
    assert health.estimate(row, 0, NOW).within == pytest.approx(0.75)
    assert health.estimate(row, 0, NOW, wait_s=1.6).within == 0.0
    assert health.estimate(row, 0, NOW, wait_s=9.0).within == 0.0


def test_few_samples_leave_the_chance_near_its_prior() -> None:
    """Half of what is enough moves it half the way."""
    assert health.estimate(measured(3.0, ENOUGH // 2), 0, NOW).within == pytest.approx(PRIOR_WITHIN / 2)


def test_what_fails_meets_no_target() -> None:
    """A view's chance is that of answers that come, times that they come."""
    row = measured(0.5, 30)
    for _ in range(10):
        observe(row, bad(), NOW)
    seen = health.view(row, Quota(), NOW, steered=True)
    assert seen.meets_target[0] == pytest.approx(0.75)
    assert seen.meets_target[1] == pytest.approx(0.75 * PRIOR_WITHIN)


# --- estimates -------------------------------------------------------------------------------------------


def test_an_unknown_row_is_predicted_below_its_target() -> None:
    """So that it is tried; and so that a silent one is left at the target itself (twice the p99)."""
    assert health.estimate(new(), 0, NOW) == (*PRIORS, False, PRIOR_WITHIN)
    assert 2 * PRIORS[1] == TARGET


def test_with_enough_fresh_samples_the_estimate_is_their_percentile() -> None:
    """p95 and p99 of the prompt size in question; the others keep their prior."""
    row = new()
    for i in range(100):
        observe(row, good(0.01 * (i + 1), 2.0, size=1), NOW)
    p95, p99, fresh, _ = health.estimate(row, 1, NOW)
    assert (p95, p99, fresh) == (pytest.approx(0.95, rel=0.01), pytest.approx(0.99, rel=0.01), True)
    assert health.estimate(row, 0, NOW) == (*PRIORS, False, PRIOR_WITHIN)


@given(st.floats(0.01, 30), st.integers(1, 40))
def test_few_samples_blend_with_the_prior_in_proportion(ttft: float, n: int) -> None:
    """Below twenty each counts for a twentieth."""
    p95, p99, fresh, _ = health.estimate(measured(ttft, n), 0, NOW)
    trust = min(1.0, n / ENOUGH)
    assert p95 == pytest.approx(PRIORS[0] + trust * (ttft - PRIORS[0]), abs=0.011 * ttft)
    assert p99 == pytest.approx(PRIORS[1] + trust * (ttft - PRIORS[1]), abs=0.011 * ttft)
    assert fresh == (trust >= 0.5)


@given(st.floats(0.01, 30), st.integers(1, 60), st.floats(0, 3000))
def test_without_samples_it_drifts_to_the_prior_by_half_in_two_minutes(ttft: float, n: int, age: float) -> None:
    """The first half minute it stands; then the distance to the prior halves every 120 s."""
    row = measured(ttft, n)
    at_once = health.estimate(row, 0, NOW)
    p95, p99, fresh, _ = health.estimate(row, 0, NOW + age)
    left = 0.5 ** (max(0.0, age - FRESH) / HALF_LIFE)
    assert p95 - PRIORS[0] == pytest.approx(left * (at_once[0] - PRIORS[0]), abs=1e-9)
    assert p99 - PRIORS[1] == pytest.approx(left * (at_once[1] - PRIORS[1]), abs=1e-9)
    assert fresh == (min(1.0, n / ENOUGH) * left >= 0.5)


def test_the_half_life_is_two_minutes() -> None:
    """An example in numbers."""
    row = measured(6.0, 40)
    seen = [health.estimate(row, 0, NOW + FRESH + HALF_LIFE * k)[0] - PRIORS[0] for k in range(4)]
    assert seen == [pytest.approx(seen[0] / 2**k) for k in range(4)]


def test_a_thin_minute_is_filled_from_five() -> None:
    """Twelve now and twelve two minutes ago are enough together; the old ones alone are not asked where a minute is."""
    row = measured(1.0, 12, at=NOW - 120)
    measured(1.0, 12, row=row)
    assert health.estimate(row, 0, NOW)[0] == pytest.approx(1.0, rel=0.02)
    row = measured(9.0, 30, at=NOW - 120)
    measured(1.0, 20, row=row)
    assert health.estimate(row, 0, NOW)[0] == pytest.approx(1.0, rel=0.02)


def test_what_is_older_than_an_hour_is_forgotten() -> None:
    """Then there is only the prior, also where an instant was kept without its samples."""
    row = measured(6.0, 40)
    assert health.estimate(row, 0, NOW + 3800) == (*PRIORS, False, PRIOR_WITHIN)
    row = new()
    row.last_sample[0] = NOW
    assert health.estimate(row, 0, NOW) == (*PRIORS, False, PRIOR_WITHIN)


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0.001, 60)), max_size=20), st.floats(0, 4000))
def test_an_estimate_lies_between_the_prior_and_what_was_seen(samples: list[tuple[float, float]], wait: float) -> None:
    """In any history: finite, positive, and never beyond both."""
    row, now = new(), NOW
    for gap, ttft in samples:
        now += gap
        observe(row, good(ttft, 60.0), now)
    p95, p99, _, _ = health.estimate(row, 0, now + wait)
    seen = [t for _, t in samples]
    for found, prior in ((p95, PRIORS[0]), (p99, PRIORS[1])):
        assert min([prior, *seen]) * 0.989 <= found <= max([prior, *seen]) * 1.011


# --- error ratio and load --------------------------------------------------------------------------------


def test_an_error_ratio_is_over_at_least_twenty_attempts() -> None:
    """One failure of one attempt is five percent, not a hundred."""
    row = new()
    assert health.error_ratio(row, NOW) == (0.0, 0)
    observe(row, bad(), NOW)
    assert health.error_ratio(row, NOW) == (0.05, 1)
    for i in range(59):
        observe(row, bad() if i % 3 == 0 else good(), NOW)
    ratio, n = health.error_ratio(row, NOW)
    assert (ratio, n) == (pytest.approx(21 / 60), 60)


def test_a_thin_minute_s_ratio_is_taken_from_five() -> None:
    """Twenty attempts in the last minute speak for themselves, fewer do not."""
    row = new()
    for _ in range(30):
        observe(row, bad(), NOW - 120)
    observe(row, good(), NOW)
    assert health.error_ratio(row, NOW) == (pytest.approx(30 / 31), 31)
    for _ in range(19):
        observe(row, good(), NOW)
    assert health.error_ratio(row, NOW) == (0.0, 20)


def test_without_a_limit_there_is_no_load() -> None:
    """A hosted deployment takes what it takes."""
    row = new()
    row.inflight = 500
    assert health.load(row, NOW) == (0.0, 0.0)


def test_load_counts_what_others_sent_there_too() -> None:
    """Requests in flight, what the server runs besides, and its queue; the wait is a share of a service time."""
    row = new(max_concurrency=4)
    for _ in range(3):
        observe(row, good(0.5, 8.0), NOW)
    row.inflight = 2
    assert health.load(row, NOW) == (0.5, 0.0)
    observe_probe(row, probe("load", load=Load(running=3, waiting=0)), NOW, completion=False)
    assert health.load(row, NOW) == (0.75, 0.0)
    observe_probe(row, probe("load", load=Load(running=4, waiting=5)), NOW, completion=False)
    utilisation, wait = health.load(row, NOW)
    assert (utilisation, wait) == (1.0, pytest.approx(6 * 8.0 / 4))
    row.inflight = 4  # seven were others', and still are, for all that is known
    assert health.load(row, NOW)[1] == pytest.approx(8 * 8.0 / 4)


def test_those_of_lbd_that_wait_inside_are_counted_once() -> None:
    """A server's queue may be all lbd's own."""
    row = new(max_concurrency=4)
    for _ in range(3):
        observe(row, good(0.5, 8.0), NOW)
    row.inflight = 6
    observe_probe(row, probe("load", load=Load(running=4, waiting=2)), NOW, completion=False)
    assert health.load(row, NOW) == (1.0, pytest.approx(3 * 8.0 / 4))


def test_the_service_time_of_an_unknown_row_is_its_tier_s_target() -> None:
    """Something must stand for it before the first answer."""
    assert health.service_s(new(), NOW) == TARGET
    assert health.service_s(measured(0.5, 3), NOW) == 1.0


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100), st.integers(1, 50))
def test_load_is_a_ratio_and_waiting_begins_when_it_is_full(inflight: int, running: int, queue: int, most: int) -> None:
    """In [0, 1]; there is a wait exactly where one more does not fit."""
    row = new(max_concurrency=most)
    row.inflight, row.foreign = inflight, Load(running, queue)
    utilisation, wait = health.load(row, NOW)
    assert 0.0 <= utilisation <= 1.0
    assert (wait > 0) == (max(inflight, running + queue) + 1 > most)
    row.foreign = Load(running, queue + 1)
    assert health.load(row, NOW)[1] >= wait


# --- standing --------------------------------------------------------------------------------------------


def published(row: Row, p95: float, at: float) -> float:
    """Steer one prompt size as a publish does; return its standing."""
    health.steer(row, 0, p95, at)
    row.standing_at = at
    return row.standing[0]


def test_standing_goes_after_two_publishes_above_the_target() -> None:
    """One slow publish is chance; from the second on its share falls by a tenth a second."""
    row = new()
    published(row, 1.0, NOW)
    assert published(row, 2.1, NOW + 1) == 1.0
    assert published(row, 1.9, NOW + 2) == 1.0
    assert published(row, 2.1, NOW + 3) == 1.0
    assert published(row, 2.1, NOW + 4) == pytest.approx(0.9)
    assert published(row, 2.1, NOW + 5) == pytest.approx(0.8)


def test_a_row_at_its_target_meets_it() -> None:
    """Above means above."""
    row = new()
    assert [published(row, TARGET, NOW + i) for i in range(5)] == [1.0] * 5


def test_the_first_publish_moves_nothing() -> None:
    """Since the last one an unknown time has passed: a standing that was kept over a restart goes on from there."""
    row = new()
    row.standing[0] = 0.3
    assert published(row, 0.5, NOW) == 0.3
    assert published(row, 0.5, NOW + 0.5) == pytest.approx(0.35)


def test_standing_is_a_matter_of_the_95th_percentile() -> None:
    """A few slow answers in a hundred cost nothing."""
    row = measured(0.5, 97)
    measured(9.0, 3, row=row)
    for i in range(5):
        seen = health.view(row, Quota(), NOW + i, steered=True)
    assert seen.ttft_p99_s[0] > TARGET
    assert seen.standing[0] == 1.0


def test_it_comes_back_at_four_fifths_of_the_target_only() -> None:
    """Between that and the target nothing turns round, so that a row at its target does not flap."""
    row = new()
    for i in range(5):
        published(row, 2.1, NOW + i)
    low = row.standing[0]
    assert low < 0.7
    assert published(row, 1.9, NOW + 5) < low
    assert published(row, TARGET * BACK * (1 + BACK_TOLERANCE) + 0.01, NOW + 6) < low - 0.1
    low = row.standing[0]
    assert published(row, TARGET * BACK, NOW + 7) == pytest.approx(low + 0.1)
    assert published(row, 1.9, NOW + 8) == pytest.approx(low + 0.2)


@given(
    st.lists(
        st.tuples(st.sampled_from((0.0, 0.1, 0.1, 0.5, 1.0, 30.0)), st.sampled_from((0.5, 1.6, 1.7, 1.9, 2.1, 9.0))),
        max_size=60,
    )
)
def test_standing_moves_at_most_a_tenth_a_second_and_never_beyond_its_range(
    publishes: list[tuple[float, float]],
) -> None:
    """Against the rule in plain words: gone after two in a row above, back at 0.84 x target, at most 0.1 a publish."""
    row, now, above, out = new(), NOW, 0, False
    before = 1.0
    for i, (gap, p95) in enumerate(publishes):
        now += gap
        above = above + 1 if p95 > TARGET else 0
        if above >= 2:
            out = True
        elif p95 <= TARGET * BACK * (1 + BACK_TOLERANCE):
            out = False
        after = published(row, p95, now)
        most = SLEW * min(1.0, gap) if i else 0.0
        assert 0.0 <= after <= 1.0
        assert abs(after - before) <= most + 1e-9
        assert after == pytest.approx(max(0.0, before - most) if out else min(1.0, before + most))
        before = after


def test_only_a_publish_moves_the_standing() -> None:
    """A transition that publishes in between reads it as it is."""
    row = measured(5.0, 40)
    limits = Quota()
    for i in range(1, 4):
        assert health.view(row, limits, NOW + i, steered=False).standing == (1.0,) * SIZES
    for i in range(4):
        seen = health.view(row, limits, NOW + 4 + i, steered=True).standing
    assert seen[0] == pytest.approx(0.7)
    assert seen[1:] == (1.0,) * (SIZES - 1)


def test_a_row_that_lost_its_standing_gets_it_back_when_its_samples_have_aged() -> None:
    """No traffic, no samples: the estimate sinks to the prior, and that is where it may come back."""
    row = measured(9.0, 40)
    seen = [health.view(row, Quota(), NOW + i, steered=True).standing[0] for i in range(1500)]
    assert min(seen) == 0.0
    assert seen[-1] == 1.0


# --- the word for it -------------------------------------------------------------------------------------


def ejected(row: Row) -> None:
    row.ejection = Ejection(NOW + 30, 1, "outlier_errors", 0.4, 0.1)


def failing(row: Row) -> None:
    for i in range(40):
        observe(row, good(0.5, 1.0), NOW)
        if i % 4 == 0:
            observe(row, bad(), NOW)


def locked_out(row: Row) -> None:
    row.lock = Lock(K.AUTH, NOW, "key revoked")


def half_opened(row: Row) -> None:
    row.breaker = replace(row.breaker, phase=Phase.HALF_OPEN, trials_ok=1)


def opened(row: Row) -> None:
    row.breaker = replace(row.breaker, phase=Phase.OPEN, cause=K.SERVER, openings=2)


def busy(row: Row) -> None:
    observe_probe(row, probe("load", Verdict.BUSY), NOW, completion=False)


S = HealthState
# Worst first: each cause, the word and the code it gives. Applied in reverse, each hides all before it.
CAUSES: list[tuple[Callable[[Row], object], HealthState, str, float | None, float | None]] = [
    (locked_out, S.LOCKED, "locked_auth", None, None),
    (opened, S.DOWN, "breaker_open", 2.0, None),
    (half_opened, S.RECOVERING, "half_open", 1.0, 3.0),
    (lambda row: setattr(row, "suspect", K.RESET), S.SUSPECT, "suspect_reset", None, None),
    (ejected, S.DEGRADED, "outlier_errors", 0.4, 0.1),
    (lambda row: setattr(row, "warm_since", NOW - 15), S.RECOVERING, "slow_start", 0.55, 1.0),
    (lambda row: None, S.DEGRADED, "rate_limited", 0.0, None),  # the quota is given from outside
    (failing, S.DEGRADED, "error_rate", 0.2, 0.02),
    (lambda row: row.standing.__setitem__(2, 0.9), S.DEGRADED, "slo_p95", PRIORS[0], TARGET),
    (busy, S.UP, "busy", None, None),
    (lambda row: observe_probe(row, probe(), NOW, completion=False), S.UP, "ok", None, None),
    (lambda row: None, S.UNKNOWN, "never_used", None, None),
]


@pytest.mark.parametrize("worst", range(len(CAUSES)), ids=[c[2] for c in CAUSES])
def test_the_worst_cause_gives_the_word(worst: int) -> None:
    """A row that suffers from everything is called by what matters most, and the number and its limit are told."""
    row, left = new(), 1.0
    for cause, _, code, _, _ in reversed(CAUSES[worst:]):
        cause(row)
        if code == "rate_limited":
            left = 0.0
    _, state, code, value, limit = CAUSES[worst]
    found, reason = health.judge(row, left, NOW)
    assert (found, reason.code) == (state, code)
    assert reason.value == (None if value is None else pytest.approx(value))
    assert reason.limit == (None if limit is None else pytest.approx(limit))


def test_causes_end_with_their_time() -> None:
    """A lock with a term, an ejection, slow start."""
    row = new()
    row.lock = Lock(K.NO_MODEL, NOW, "", NOW + 60)
    ejected(row)
    row.warm_since = NOW + 40
    codes = [health.judge(row, 1.0, t)[1].code for t in (NOW, NOW + 60, NOW + 60 + warmup.SPAN)]
    assert codes == ["locked_model_not_served", "slow_start", "never_used"]
    assert health.judge(row, 1.0, NOW + 29.9)[0] is S.LOCKED


def test_a_few_errors_do_not_degrade() -> None:
    """Twenty judged attempts at least, and over the tier's limit."""
    row = new()
    for _ in range(2):
        observe(row, good(), NOW)
        observe(row, bad(), NOW)
    assert health.judge(row, 1.0, NOW) == (S.UP, Reason("ok"))


def test_one_error_in_twenty_degrades() -> None:
    """Twenty judged attempts are enough; with nineteen it is up."""
    row = new()
    observe(row, bad(), NOW)
    for _ in range(18):
        observe(row, good(0.5, 1.0), NOW)
    assert health.judge(row, 1.0, NOW)[1].code == "ok"
    observe(row, good(0.5, 1.0), NOW)
    assert health.judge(row, 1.0, NOW) == (S.DEGRADED, Reason("error_rate", "over the tier's limit", 0.05, 0.02))


def test_a_row_that_was_used_needs_no_probe_to_be_up() -> None:
    """Traffic is a sign of life."""
    assert health.judge(measured(0.5, 1), 1.0, NOW) == (S.UP, Reason("ok"))


# --- refusals --------------------------------------------------------------------------------------------


def test_refusals_have_a_reason_code() -> None:
    """Lock-out, open breaker, trials under way, quota; suspicion, ejection and slowness keep nobody out."""
    row = new()
    busy(row)
    ejected(row)
    row.suspect = K.RESET
    assert health.refusal(row, 0.5, NOW) is None
    assert health.refusal(row, 0.0, NOW) == "quota_exhausted"
    half_opened(row)
    assert health.refusal(row, 1.0, NOW) is None
    row.breaker = replace(row.breaker, trials_out=2)
    assert health.refusal(row, 0.0, NOW) == "trials_under_way"
    opened(row)
    assert health.refusal(row, 0.0, NOW) == "breaker_open"
    locked_out(row)
    assert health.refusal(row, 0.0, NOW) == "locked_auth"


def test_a_refusal_says_when_it_may_end_by_itself() -> None:
    """None where only evidence or a person ends it."""
    limits = Quota({"requests": Bucket(10, 0, NOW + 7)})
    row = new()
    assert health.usable_at(row, Quota(), NOW) is None
    assert health.usable_at(row, limits, NOW) == NOW + 7
    row.breaker = replace(row.breaker, phase=Phase.OPEN, cause=K.SERVER, retry_at=NOW + 5)
    assert health.usable_at(row, limits, NOW) == NOW + 5
    row.breaker = breaker.take_trial(row.breaker)
    assert health.usable_at(row, limits, NOW) is None
    row.lock = Lock(K.NO_MODEL, NOW, "", NOW + 60)
    assert health.usable_at(row, limits, NOW) == NOW + 60
    locked_out(row)
    assert health.usable_at(row, limits, NOW) is None


# --- the whole view --------------------------------------------------------------------------------------


def test_a_view_of_an_unknown_row_holds_the_priors() -> None:
    """It may be used, at its whole weight, as if it met its target."""
    row = new()
    seen = health.view(row, Quota(), NOW, steered=True)
    assert seen.ttft_p95_s == (PRIORS[0],) * SIZES
    assert seen.ttft_p99_s == (PRIORS[1],) * SIZES
    assert (seen.fresh, seen.standing) == ((False,) * SIZES, (1.0,) * SIZES)
    assert (seen.refusal, seen.usable_at, seen.suspect, seen.ejected) == (None, None, False, False)
    assert (seen.weight, seen.tpot_s, seen.tier_target_s) == (1.0, PRIOR_TPOT, TARGET)
    assert (seen.error_ratio, seen.load, seen.wait_s, seen.quota_left) == (0.0, 0.0, 0.0, 1.0)
    assert (seen.output_tokens, seen.quality, seen.spec) == (256, 0.8, row.spec)
    assert (seen.state, seen.reason, seen.admin) == (S.UNKNOWN, Reason("never_used"), AdminState.READY)


def test_a_view_shows_what_was_learned() -> None:
    """Percentiles by prompt size, time per token, usual length, ratio, load, quota."""
    row = new(max_concurrency=2)
    for _ in range(30):
        observe(row, good(0.5, 2.5, size=1, usage=Usage(10, 101)), NOW)
    observe(row, bad(), NOW)
    row.suspect = K.RESET
    ejected(row)
    row.inflight = 2
    limits = quota.blocked(Quota(), 9.0, NOW)
    seen = health.view(row, limits, NOW, steered=True)
    assert seen.ttft_p95_s[1] == pytest.approx(0.5, rel=0.01)
    assert seen.fresh == (False, True, False, False, False, False)
    assert seen.tpot_s == pytest.approx(0.02, rel=0.01)
    assert seen.output_tokens == 104  # in coarse steps
    assert seen.error_ratio == pytest.approx(1 / 31)
    assert (seen.load, seen.quota_left) == (1.0, 0.0)
    assert seen.wait_s == pytest.approx(2.5 / 2)
    assert (seen.refusal, seen.usable_at) == ("quota_exhausted", NOW + 9)
    assert (seen.suspect, seen.ejected) == (True, True)


def test_the_weight_is_the_operator_s_times_slow_start() -> None:
    """An order overrides the configuration, zero included."""
    row = new(weight=3.0)
    row.warm_since = NOW
    assert health.view(row, Quota(), NOW, steered=True).weight == pytest.approx(0.3)
    row.admin_weight = 0.0
    assert health.view(row, Quota(), NOW, steered=True).weight == 0.0


def test_who_set_the_admin_state_is_told_while_it_is_not_as_configured() -> None:
    """Back to normal, nobody is named."""
    row = new()
    row.admin_by = "anna"
    assert health.admin_text(row) is None
    row.admin = AdminState.DRAIN
    assert health.admin_text(row) == "anna"
    row.admin, row.admin_weight = AdminState.READY, 0.5
    assert health.admin_text(row) == "anna"


@given(
    st.lists(
        st.tuples(
            st.floats(0, 90),
            st.one_of(
                st.builds(good, ttft_s=st.none() | st.floats(0.01, 20), size=st.integers(0, SIZES - 1)),
                st.sampled_from(sorted(FailureKind)).map(bad),
                st.sampled_from((probe(), probe(verdict=Verdict.DOWN, failure=K.CONNECT), probe("completion"))),
            ),
        ),
        max_size=25,
    )
)
def test_any_history_gives_a_view_whose_numbers_make_sense(history: list[tuple[float, Any]]) -> None:
    """Finite, in range, p99 and p95 positive, and refused exactly where a reason says so."""
    row, now = new(self_hosted=True), NOW
    for gap, event in history:
        now += gap
        if hasattr(event, "verdict"):
            observe_probe(row, event, now, completion=event.kind == "completion")
        else:
            observe(row, event, now, trial=row.breaker.phase is not Phase.CLOSED)
        row.state, row.reason = health.judge(row, 1.0, now)
        seen = health.view(row, Quota(), now, steered=True)
        for numbers in (seen.ttft_p95_s, seen.ttft_p99_s, (seen.tpot_s, seen.weight)):
            assert all(math.isfinite(x) and x > 0 for x in numbers)
        for share in (*seen.standing, seen.error_ratio, seen.load, seen.quota_left):
            assert 0.0 <= share <= 1.0
        assert seen.wait_s >= 0
        out = seen.state in (S.LOCKED, S.DOWN)
        assert out == (seen.refusal is not None) or seen.refusal == "trials_under_way"
        assert seen.suspect or seen.state is not S.SUSPECT
