"""What was saved: the number, its interval, and lbd's own cost."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.ledger import Total
from lbd.observe import savings

USD = 1_000_000_000


def total(saved: list[float], **more: int) -> Total:
    """Return the sums of requests that saved so much each, in USD; each cost one."""
    given = {
        "requests": len(saved),
        "attempts": len(saved),
        "cost": len(saved) * USD,
        "compared": len(saved),
        "compared_cost": len(saved) * USD,
        "premium": round(sum(1 + s for s in saved) * USD),
        "saved": round(sum(saved) * USD),
        **more,
    }
    return Total(**given, saved_square=sum(s * s for s in saved))  # type: ignore[arg-type]


def test_the_headline_is_the_sum_and_its_share_of_the_premium() -> None:
    """Ten requests that saved a dollar each, of two that the premium took."""
    told = savings.facts(total([1.0] * 10))
    assert (told["saved_usd"], told["saved_share"], told["cost_usd"]) == (10.0, 0.5, 10.0)
    assert told["interval_usd"] == [10.0, 10.0]


def test_nothing_to_compare_is_no_saving() -> None:
    """And no interval around it."""
    told = savings.facts(Total(requests=3, cost=5))
    assert told["saved_share"] is None and told["interval_usd"] is None and told["cost_usd"] == 5e-9
    assert savings.interval(total([1.0])) is None


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=50))
def test_the_interval_is_that_of_the_sum(saved: list[float]) -> None:
    """Around the number, as wide as the textbook says."""
    found = savings.interval(total(saved))
    assert found is not None
    n, mean = len(saved), sum(saved) / len(saved)
    sd = math.sqrt(sum((s - mean) ** 2 for s in saved) / (n - 1))
    assert found[0] == pytest.approx(sum(saved) - savings.Z95 * math.sqrt(n) * sd, abs=1e-3)
    assert found[1] == pytest.approx(sum(saved) + savings.Z95 * math.sqrt(n) * sd, abs=1e-3)


def test_lbds_own_cost_is_a_share_of_all_that_was_spent() -> None:
    """Probes, evaluation, attempts that did not serve, and its processor time."""
    kinds = [
        Total(("client",), cost=90 * USD, failed_cost=4 * USD),
        Total(("probe",), cost=6 * USD),
        Total(("evaluation",), cost=4 * USD),
    ]
    told = savings.overhead(kinds, 7200, 0.5)
    assert (told["probe_usd"], told["evaluation_usd"], told["failed_attempts_usd"], told["cpu_usd"]) == (6, 4, 4, 1)
    assert told["share"] == 0.15
    assert savings.overhead([], 0, 0.05)["share"] is None
