"""Intervals at which one may always look."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state.trial_bounds import AHEAD, FEWEST, Sums, half_width, interval, together, variance


def sums(*values: float) -> Sums:
    """Return the sums of clusters of one value each."""
    n = len(values)
    s = sum(values)
    return Sums(n, n, s, sum(v * v for v in values), s, n)


def test_the_half_width_is_the_published_one() -> None:
    """sigma sqrt(2 (t rho^2 + 1) / (t^2 rho^2) log(sqrt(t rho^2 + 1) / alpha)), with V = sigma^2 / t."""
    alpha, sigma, first_t = 0.05, 2.0, 100.0
    tight = 2 * math.log(1 / alpha) + math.log(1 + 2 * math.log(1 / alpha))
    rho2 = tight / (AHEAD * first_t)
    for t in (100.0, 500.0, 1e3, 1e5):
        published = sigma * math.sqrt(2 * (t * rho2 + 1) / (t * t * rho2) * math.log(math.sqrt(t * rho2 + 1) / alpha))
        assert half_width(sigma**2 / t, sigma**2 / first_t, alpha) == pytest.approx(published)


def test_it_is_tightest_where_it_is_tuned_to_be() -> None:
    """In standard errors, at ten times the information of the first look."""

    def errors(times: float) -> float:
        return half_width(1 / times, 1.0, 0.01) * math.sqrt(times)

    best = errors(AHEAD)
    assert best < errors(AHEAD / 3) and best < errors(AHEAD * 3)
    assert 2.5758 < best < 3.6, "wider than one look's, and not by half"


@given(st.floats(1e-12, 1e6), st.floats(1e-12, 1e6), st.floats(1e-4, 0.5))
def test_it_is_a_number_and_wider_for_more_confidence(now: float, first: float, alpha: float) -> None:
    """Whatever the scale."""
    assert 0 < half_width(now, first, alpha) < half_width(now, first, alpha / 2) < math.inf


def test_nothing_is_said_of_few_or_of_what_is_all_the_same() -> None:
    """Fewer than so many clusters of an arm; or no variance at all to tell by."""
    some = [0.0, 1.0] * FEWEST
    assert variance(sums(*some), sums(*some[: FEWEST - 1])) is None
    assert variance(sums(*some[: FEWEST - 1]), sums(*some)) is None
    assert variance(sums(*some), sums(*some[:FEWEST])) is not None
    assert variance(sums(*[0.3] * 100), sums(*[0.3] * 50)) is None
    assert interval(sums(*[0.0] * 100), sums(*[0.0] * 50), 1.0, 0.05) is None


def test_arms_that_never_vary_but_differ_are_told_apart() -> None:
    """Their difference is the variance there is."""
    control, treatment = sums(*[1.0] * 90), sums(*[2.0] * 60)
    now = variance(control, treatment)
    assert now is not None
    found = interval(control, treatment, now, 0.01)
    assert found is not None and found.difference == 1.0 and found.low > 0


def test_a_small_arm_without_a_bad_case_is_not_held_to_have_none() -> None:
    """It varies at least as all together do."""
    control = sums(*([1.0] * 50 + [0.0] * 950))
    lucky = sums(*[0.0] * 40)
    found = variance(control, lucky)
    assert found is not None and found > 0.9 * 0.05 * 0.95 / 40
    told = interval(control, lucky, found, 0.01)
    assert told is not None and told.low < 0 < told.high


def test_requests_of_one_cluster_count_as_one_where_they_are_alike() -> None:
    """A hundred equal requests of each of 40 sessions are no more than 40."""
    few = [0.0, 1.0] * 20
    alone = variance(sums(*few), sums(*few))
    many = Sums(40, 4000, 2000, 20 * 100.0**2, 20 * 100.0 * 100, 40 * 100.0**2)
    assert alone is not None and variance(many, many) == pytest.approx(alone)


def test_both_arms_together_are_the_sum() -> None:
    """Of each number."""
    assert together(sums(1.0, 2.0), sums(3.0)) == sums(1.0, 2.0, 3.0)
    assert sums(1.0).spread(1.0) == math.inf, "one cluster says nothing of a spread"
