"""Money: savings with their interval, budgets with their end, and where routing does not pay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.page import money
from tests.fakes import console_server as made
from tests.fakes.scenes import Read, budget, document, savings


def words(told: dict[str, Any] | None, budgets: list[dict[str, Any]] | None = None, **more: Any) -> str:
    return Read(money.panel(document(**more), told, [] if budgets is None else budgets)).text.replace("\u202f", " ")


def test_savings_come_with_their_interval_and_what_they_are_of() -> None:
    """And with what lbd itself took."""
    told = words(savings())
    assert "$9.90 45.2 % saved against always the premium model (95 %: $9.10 to $10.70)" in told
    assert "4 900 requests: $12.00 as routed, $21.90 at the premium model" in told
    assert "lbd's own: 0.49 % of all that was spent" in told and "evaluation $0.02" in told


def test_more_spent_is_not_called_saved() -> None:
    """A loss is a loss."""
    told = words(savings(saved_usd=-2.0, saved_share=-0.1, interval_usd=None))
    assert "$2.00 10.0 % spent more than the premium model (one request tells no interval)" in told


def test_where_there_is_nothing_to_compare_that_is_said() -> None:
    """No request, no price, no ledger."""
    none = {"requests": 0, "cost_usd": 0.0, "premium_usd": 0.0, "cheapest_usd": 0.0}
    assert "No request is in the ledger yet" in words(savings(requests=0, compared=none))
    assert "give deployments a price" in words(savings(compared=none))
    assert "the ledger cannot be read" in words(None)


def test_a_budget_says_when_it_is_used_up() -> None:
    """At the pace of its period so far."""
    told = words(savings(), [budget()])
    assert "client bot, day$31.00 of $50.00 used up in 7 h at this pace" in told
    assert "lasts; new in 12 h" in words(savings(), [budget(spent_usd=1.0)])
    assert "used up; new in 12 h" in words(savings(), [budget(spent_usd=50.0, reserved_usd=0.0)])


@given(st.floats(0, 100), st.floats(0, 10), st.floats(0, 86400), st.sampled_from(sorted(money.PERIODS)))
def test_an_end_is_told_only_before_the_period_s(spent: float, held: float, left: float, period: str) -> None:
    """And what is used up is used up now."""
    told = budget(spent_usd=spent, reserved_usd=held, resets_in_s=min(left, money.PERIODS[period]), period=period)
    found = money.exhausts_in(told)
    assert found is None or 0 <= found < max(told["resets_in_s"], 1e-9) or found == 0
    if spent + held >= 50:
        assert found == 0


def test_nothing_is_foretold_at_the_beginning_of_a_period() -> None:
    """The first minutes of a day say little of it."""
    assert money.exhausts_in(budget(resets_in_s=86300.0)) is None
    assert money.exhausts_in(budget(spent_usd=0.0)) is None
    assert money.exhausts_in(budget(period="hour", resets_in_s=1800.0)) == pytest.approx(18.5 / 31 * 1800)


def test_the_budget_that_ends_first_stands_first() -> None:
    """Of many the rest is counted."""
    told = words(
        savings(), [budget(name=f"b{n}", spent_usd=float(n)) for n in range(12)] + [budget(name="dry", spent_usd=60)]
    )
    assert told.index("client dry") < told.index("client b11") and "5 more" in told


def test_where_routing_does_not_pay_that_is_said() -> None:
    """Few requests, or one model."""
    assert "below some 1 000 a month routing does not pay" in words(savings(requests=40))
    rows = Read(money.panel(document(made.row()), savings(), [])).text
    assert "Only one model is offered" in rows
    assert "lbd advise" not in words(savings())
