"""How long one attempt may take."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.decide.cutoff import hurried
from lbd.model.failure import FailureKind
from lbd.model.plan import Candidate
from lbd.model.request import Urgency
from lbd.model.table import DeploymentView
from lbd.state.flight import Flight
from lbd.state.health import PRIOR_TPOT
from lbd.upstream.bounds import (
    LONGEST_OUTPUT,
    MUTE_LEAST,
    Bounds,
    bounds_of,
    exceeded,
    longest,
    overdue,
    silence,
)
from lbd.upstream.manner import Manner
from tests.fakes.tables import ask, view

NOW = 100.0
seconds = st.floats(0.01, 1000)


def candidate(cutoff_s: float = 2.0, slow_s: float = 1.0, *, fresh: bool = True) -> Candidate:
    return Candidate(0, "p/a", "m", (), 1.0, 1.0, 1.0, 0.5, 1.0, slow_s, cutoff_s, None, fresh, None)


def bounds(
    manner: Manner = Manner.FORWARD,
    who: Candidate | None = None,
    row: DeploymentView | None = None,
    *,
    first_by: float = NOW + 10,
    total_by: float = NOW + 600,
    arrived: float = NOW,
    **more: Any,
) -> Bounds:
    flight = Flight(arrived, first_by, total_by)
    given_ = {"headers_at": NOW + 5, "idle_s": 30.0, **more}
    return bounds_of(flight, ask(first_content_s=10.0), who or candidate(), manner, row, NOW, **given_)


def test_an_attempt_is_cut_off_after_its_own_time() -> None:
    """Twice what is usual for the row, at least the tier's target; the rest is the flight's."""
    assert bounds() == Bounds(NOW + 2, NOW + 10, NOW + 600, NOW + 5, 30.0)


@pytest.mark.parametrize(
    ("cutoff", "slow", "fresh", "expected"),
    [
        (4.0, 1.0, True, 4.0),
        (5.0, 1.0, True, 5.0),
        (8.0, 1.0, True, 5.0),  # a patient tier would leave the next candidate nothing
        (8.0, 7.0, True, 7.0),  # samples say that it needs more
        (8.0, 7.0, False, 5.0),  # a guess does not
    ],
)
def test_nobody_gets_more_than_half_of_what_is_left(cutoff: float, slow: float, fresh: bool, expected: float) -> None:
    """While others are left: unless its own samples say that it needs more."""
    who = candidate(cutoff, slow, fresh=fresh)
    for manner in (Manner.FORWARD, Manner.FOLD):
        assert bounds(manner, who).cut_at == NOW + expected


@pytest.mark.parametrize(
    ("predicted", "target", "more", "expected"),
    [
        (1.4, 1.5, {}, 2.25),
        (1.5, 1.5, {}, 2.25),
        (1.6, 1.5, {}, 2.8),  # held to miss it: that is its normal way
        (1.4, 2.0, {}, 2.8),  # its own time is less
        (1.4, 1.5, {"slo_s": 1.5}, 2.8),  # a tier's target is a floor for it
        (1.4, 1.5, {"urgency": Urgency.BACKGROUND}, 2.8),
    ],
)
def test_who_is_held_to_meet_its_target_has_half_as_much_again(
    predicted: float, target: float, more: dict[str, Any], expected: float
) -> None:
    """So that somebody else's answer has begun by twice the target; what is slow by its nature keeps its own time."""
    who = replace(candidate(2.8, 2.8), predicted_s=predicted, target_s=target)
    flight = Flight(NOW, NOW + 10, NOW + 600)
    asked = ask(first_content_s=10.0, **more)
    next_s = 0.0 if hurried(asked, who) else None
    for manner in (Manner.FORWARD, Manner.FOLD, Manner.WHOLE):
        found = bounds_of(flight, asked, who, manner, None, NOW, NOW + 5, 30.0, next_s=next_s)
        assert found.cut_at == pytest.approx(NOW + expected)


@pytest.mark.parametrize(("next_s", "expected"), [(0.0, 2.25), (0.75, 2.25), (1.0, 2.0), (1.4, 1.6), (1.6, 2.25)])
def test_the_time_that_the_next_one_takes_is_left_to_it(next_s: float, expected: float) -> None:
    """Not more than half the target, and not where the row that is asked first would have less than its target."""
    who = replace(candidate(2.8, 2.8), predicted_s=1.4, target_s=1.5)
    flight = Flight(NOW, NOW + 10, NOW + 600)
    found = bounds_of(flight, ask(first_content_s=10.0), who, Manner.FORWARD, None, NOW, NOW + 5, 30.0, next_s=next_s)
    assert found.cut_at == pytest.approx(NOW + expected)


@given(seconds, seconds, st.booleans(), st.floats(0, 100))
def test_the_cut_off_leaves_time_for_another(cutoff: float, slow: float, fresh: bool, left: float) -> None:
    """It is never later than the candidate's own, and lies beyond half only where samples ask for it."""
    cut = bounds(who=candidate(cutoff, slow, fresh=fresh), first_by=NOW + left).cut_at - NOW
    assert cut <= max(cutoff, slow) + 1e-6
    assert cut <= max(left / 2, slow if fresh else 0.0) + 1e-6
    assert cut >= min(cutoff, left / 2) - 1e-6


@pytest.mark.parametrize(
    ("usual", "expected"),
    [(None, 5.0), (1.0, 5.0), (2.5, 5.0), (4.0, 8.0), (60.0, 120.0)],
)
def test_a_whole_answer_is_left_when_it_is_slower_than_usual(usual: float | None, expected: float) -> None:
    """Twice the p95 of the row's whole answers, at least half of what is left: nobody is left for being as always."""
    found = bounds(Manner.WHOLE, candidate(8.0), view(total_p95_s=usual))
    assert found.leave_at == NOW + expected
    assert found.usual_s == usual
    assert found.cut_at == NOW + 8.0  # of no meaning here, but not cut short
    assert found.headers_at == math.inf


def test_a_whole_answer_of_a_row_that_is_gone_has_half_the_time() -> None:
    """Its view was taken out by a reload."""
    found = bounds(Manner.WHOLE)
    assert (found.leave_at, found.usual_s) == (NOW + 5, None)


def test_a_stream_is_not_left() -> None:
    """Its first content shows in time whether it is slow."""
    for manner in (Manner.FORWARD, Manner.FOLD):
        found = bounds(manner, row=view(total_p95_s=4.0))
        assert (found.leave_at, found.usual_s) == (math.inf, None)


@pytest.mark.parametrize(
    ("arrived", "cutoff", "total", "expected"),
    [
        (NOW, 2.0, 600.0, 10.0),
        (NOW - 9, 2.0, 600.0, 2.0),
        (NOW - 9, 8.0, 600.0, 8.0),
        (NOW - 9, 8.0, 3.0, 3.0),
    ],
)
def test_of_a_folded_stream_each_candidate_gets_its_cut_off(
    arrived: float, cutoff: float, total: float, expected: float
) -> None:
    """Nothing of it shows before the end; the whole deadline holds all the same."""
    who = candidate(cutoff, slow_s=cutoff)
    found = bounds(Manner.FOLD, who, arrived=arrived, first_by=NOW + 1, total_by=NOW + total)
    assert found.first_by == NOW + expected
    assert found.headers_at == math.inf


def test_the_longest_answer_takes_its_tokens_at_half_the_speed() -> None:
    """The client's own bound, else one that few answers exceed; as many as it asks for; never faster than the prior."""
    plain = ask(first_content_s=10.0, output_tokens=None)
    assert longest(plain, None, None) == pytest.approx(10.0 + 2 * LONGEST_OUTPUT * PRIOR_TPOT)
    bound = ask(first_content_s=10.0, output_tokens=100, choices=3)
    assert longest(bound, view(tpot_s=0.5), None) == pytest.approx(10.0 + 2 * 100 * 3 * 0.5)
    assert longest(bound, view(tpot_s=0.001), None) == pytest.approx(10.0 + 2 * 100 * 3 * PRIOR_TPOT)
    assert longest(bound, None, 400.0) == 800.0


def test_where_nobody_is_answered_an_answer_is_overdue_at_five_times_what_most_take() -> None:
    """Not before ten seconds: very short ones say little."""
    assert overdue(0.01) == overdue(2.0) == MUTE_LEAST == 10.0
    assert overdue(6.0) == 30.0


@pytest.mark.parametrize(
    ("manner", "usual", "output", "total", "expected"),
    [
        (Manner.FORWARD, None, None, 0.9, False),
        (Manner.FORWARD, None, None, 1.0, True),  # the cut-off is at least twice the row's own p99
        (Manner.FOLD, None, None, 1.0, True),
        (Manner.WHOLE, 3.0, None, 2.9, False),
        (Manner.WHOLE, 3.0, None, 3.0, True),
        (Manner.WHOLE, None, 100, 0.0, True),
        (Manner.WHOLE, None, None, 99.0, False),  # nobody knows how long its answer may be
    ],
)
def test_an_attempt_counts_only_if_it_was_slower_than_usual(
    manner: Manner, usual: float | None, output: int | None, total: float, expected: bool
) -> None:
    """A row is not held sick for being cut early."""
    told = Bounds(0, 0, 0, 0, 0, usual_s=usual)
    assert exceeded(manner, told, ask(output_tokens=output), candidate(2.0), total) is expected


@given(seconds, seconds, st.sampled_from(Manner), st.none() | seconds)
def test_more_time_never_makes_it_less_slow(a: float, b: float, manner: Manner, usual: float | None) -> None:
    """Monotone in what it took."""
    told, asked = Bounds(0, 0, 0, 0, 0, usual_s=usual), ask()
    short, long = sorted((a, b))
    assert exceeded(manner, told, asked, candidate(), short) <= exceeded(manner, told, asked, candidate(), long)


def test_silence_is_told_by_what_was_missing() -> None:
    """A connection, or content."""
    found = silence(1.234, " (cut off)", connected=True)
    assert (found.kind, found.message) == (FailureKind.TIMEOUT_FIRST, "no content within 1.23 s (cut off)")
    found = silence(2.0, connected=False)
    assert (found.kind, found.message) == (FailureKind.CONNECT_TIMEOUT, "no connection within 2.00 s")
