"""When a second attempt is worth it, and what all of them may cost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state.hedge import EARLY, MOST, HedgeBudget, due

seconds = st.floats(0.001, 60)


@pytest.mark.parametrize(
    ("p95", "p99", "target", "expected"),
    [
        (0.5, 0.6, 1.5, 0.75),  # a short tail: beyond 1.25 times its p99 it is stuck
        (0.5, 0.8, 1.5, 0.9375),  # a longer one: one in five of those that come to 0.94 s miss the target
        (0.4, 0.6, 3.0, 0.9),  # 0.6 * 0.6 / 0.4: only one in 500 is so late
        (0.02, 0.03, 1.5, 0.375),  # there is no hurry
        (1.2, 1.4, 1.5, 1.2 * 1.5 / 1.4),
        (1.4, 9.0, 1.5, 1.4),  # not before it is late
        (1.6, 2.0, 1.5, math.inf),  # it misses the target more often than not: that is no tail
        (0.5, 0.4, 1.5, 0.625),  # a p99 below the p95 is noise
        (0.0, 0.0, 1.5, math.inf),
    ],
)
def test_a_hedge_comes_when_it_is_late_and_may_still_help(
    p95: float, p99: float, target: float, expected: float
) -> None:
    """By the row's own percentiles and the target."""
    assert due(p95, p99, target) == pytest.approx(expected)


@given(seconds, seconds, seconds)
def test_it_is_never_early_and_never_too_late(p95: float, p99: float, target: float) -> None:
    """Not before the 95th percentile and a quarter of the target, not after the target."""
    at = due(p95, p99, target)
    assert at == math.inf or max(p95, EARLY * target) <= at < target


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5000)), max_size=200), st.sampled_from([0.0, 0.05, 0.2]))
def test_hedges_take_their_share_of_all_tokens_at_most(steps: list[tuple[bool, int]], share: float) -> None:
    """Whatever comes in which order; what was refused took nothing."""
    budget = HedgeBudget(share)
    for hedge, tokens in steps:
        before = budget.left
        if hedge:
            assert budget.take(tokens) is (tokens <= before)
        else:
            budget.request(tokens)
        assert budget.taken <= share * budget.earned + 1e-6 and 0 <= budget.left <= MOST


def test_a_quiet_hour_does_not_pay_for_a_storm() -> None:
    """What nobody used is kept up to a bound."""
    budget = HedgeBudget()
    for _ in range(10_000):
        budget.request(10_000)
    assert budget.left == MOST
