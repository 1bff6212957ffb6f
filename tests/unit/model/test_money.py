"""What tokens cost."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lbd.model.money import LEAST_BYTES_PER_TOKEN, LONGEST_ANSWER, MARGIN, cost, most, next_change, priced
from lbd.model.outcome import Usage
from lbd.model.provider import Price, PromptSpec
from tests.fakes import tables

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


def test_what_is_written_to_a_cache_has_a_price_of_its_own() -> None:
    """Where one is known; else it costs what the rest of the prompt does."""
    dear = Price(2.0, 8.0, 0.5, 2.5)
    assert cost(dear, Usage(100, 0, cached=50, written=40)) == 10 * 2000 + 50 * 500 + 40 * 2500
    assert cost(PRICE, Usage(100, 0, written=40)) == 100 * 2000


# --- prices that change -------------------------------------------------------------------------------

MIDNIGHT = 1_796_083_200.0  # 2026-12-01
NEW = Price(1.0, 4.0)
DATED = tables.deployment(price=PRICE, prices=((0.0, PRICE), (MIDNIGHT, NEW), (MIDNIGHT + 86400, PRICE)))


def test_a_price_changes_at_midnight() -> None:
    """Not a moment sooner; and back, where the next one says so."""
    before = priced(DATED, MIDNIGHT - 0.001)
    assert before is DATED and next_change([DATED], MIDNIGHT - 0.001) == MIDNIGHT
    after = priced(before, MIDNIGHT)
    assert after.price == NEW and after.prices == DATED.prices and next_change([after], MIDNIGHT) == MIDNIGHT + 86400
    late = priced(after, MIDNIGHT + 86400)
    assert late.price == PRICE and next_change([late], MIDNIGHT + 86400) == math.inf
    assert priced(late, MIDNIGHT - 1).price == PRICE, "a clock that goes back finds the price of its day"
    usage = Usage(1000, 1000)
    assert cost(before.price, usage) == 2 * cost(after.price, usage)


def test_without_dates_a_price_stays() -> None:
    """And there is nothing to wait for."""
    spec = tables.deployment(price=PRICE)
    assert priced(spec, MIDNIGHT) is spec and next_change([spec], 0.0) == next_change([], 0.0) == math.inf
    later = tables.deployment(price=None, prices=((0.0, None), (MIDNIGHT, NEW)))
    assert priced(later, 0.0).price is None and priced(later, MIDNIGHT).price == NEW


# --- what a request may cost at most ------------------------------------------------------------------


def test_the_most_is_the_longest_answer_to_the_largest_prompt() -> None:
    """Each choice is an answer of its own; where nobody has bounded it, the context does or a usual bound."""
    spec = tables.deployment(price=PRICE)
    ask = tables.ask(input_tokens=100, output_tokens=50, choices=3)
    assert most(spec, ask) == MARGIN * 100 * 2000 + 3 * 50 * 8000
    open_ended = tables.ask(input_tokens=100, output_tokens=None)
    assert most(spec, open_ended) == MARGIN * 100 * 2000 + LONGEST_ANSWER * 8000
    small = tables.deployment(price=PRICE, context_tokens=1000)
    assert most(small, open_ended) == MARGIN * 100 * 2000 + 1000 * 8000
    assert most(small, tables.ask(input_tokens=100, output_tokens=10**9)) == most(small, open_ended)
    assert most(tables.deployment(price=None), ask) is None
    assert most(tables.deployment(price=Price(0.0, 0.0)), ask) == 0


def test_the_most_reckons_with_what_a_cache_may_cost_and_with_lbds_own_prompt() -> None:
    """Writing to it is dearer than reading; what a deployment is told besides is no part of the request."""
    ask = tables.ask(input_tokens=100, output_tokens=0)
    assert most(tables.deployment(price=Price(2.0, 8.0, 0.5, 2.5)), ask) == MARGIN * 100 * 2500
    told = PromptSpec("\u00e4" * 500, "x" * 100, "y" * 100, "v")
    assert (
        most(tables.deployment(price=PRICE, prompt=told), ask) == (MARGIN * 100 + 1200 // LEAST_BYTES_PER_TOKEN) * 2000
    )


@given(
    st.integers(1, 10**5),
    st.integers(0, 10**5),
    st.integers(1, 4),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([PRICE, Price(2.0, 8.0), Price(2.0, 8.0, 0.5, 2.5), Price(1.0, 1.0, 2.0)]),
)
def test_no_answer_within_its_bounds_costs_more_than_was_held(
    prompt: int, answer: int, choices: int, cached: float, written: float, price: Price
) -> None:
    """Whatever the cache had or took of its prompt."""
    held = most(tables.deployment(price=price), tables.ask(input_tokens=prompt, output_tokens=answer, choices=choices))
    read = int(prompt * cached)
    usage = Usage(prompt, answer * choices, read, written=int((prompt - read) * written))
    assert held is not None and cost(price, usage) <= held
