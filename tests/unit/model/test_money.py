"""What tokens cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.model.money import cost
from lbd.model.outcome import Usage
from lbd.model.provider import Price

PRICE = Price(2.0, 8.0, 0.5)


def test_cost_is_tokens_times_price_in_nano_usd() -> None:
    """1 USD a million tokens is 1000 nano-USD a token; cached tokens have a price of their own."""
    assert cost(PRICE, Usage(100, 10)) == 100 * 2000 + 10 * 8000
    assert cost(PRICE, Usage(100, 10, cached=60)) == 40 * 2000 + 60 * 500 + 10 * 8000
    assert cost(Price(2.0, 8.0), Usage(100, 10, cached=60)) == 100 * 2000 + 10 * 8000


def test_an_unknown_price_or_usage_costs_nothing_that_could_be_booked() -> None:
    """No number is better than an invented one."""
    assert cost(None, Usage(100, 10)) == 0
    assert cost(PRICE, None) == 0
    assert cost(Price(0, 0, 0), Usage(100, 10, 50)) == 0


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**7))
def test_a_cheaper_cache_never_makes_an_answer_dearer(prompt: int, completion: int, cached: int) -> None:
    """And the cost is never negative."""
    usage = Usage(prompt, completion, min(cached, prompt))
    assert 0 <= cost(PRICE, usage) <= cost(Price(2.0, 8.0), usage)
