"""Units: money is an integer, and one list price means one price a token."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.model import units
from lbd.model.units import NANO_PER_TOKEN, NANO_PER_USD


def test_a_million_tokens_at_one_dollar_cost_one_dollar() -> None:
    """The two constants are one fact."""
    assert NANO_PER_TOKEN * 1_000_000 == NANO_PER_USD
    assert isinstance(NANO_PER_TOKEN, int)
    assert isinstance(NANO_PER_USD, int)


@given(st.lists(st.integers(0, 10**15), max_size=50))
def test_money_adds_up_exactly_in_any_order(amounts: list[int]) -> None:
    """Nano-USD as integers: a sum is the sum, which floats do not promise."""
    assert units.NanoUsd is int
    assert sum(amounts) == sum(reversed(amounts)) == sum(sorted(amounts))
