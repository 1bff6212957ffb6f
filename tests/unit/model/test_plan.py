"""Decisions as data: all the chance of one is 64 bits, and a record is enough to repeat it."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.plan import DRAW, Decision, Live, Query, draw
from lbd.model.request import Ask

seeds = st.integers(0, 2**64 - 1)


@given(seeds)
def test_the_four_draws_are_the_seed_and_nothing_else(seed: int) -> None:
    """Each in [0, 1), no bit used twice, none wasted."""
    draws = [draw(seed, number) for number in range(4)]
    assert all(0.0 <= d < 1.0 for d in draws)
    assert sum(int(d * DRAW) << 16 * i for i, d in enumerate(draws)) == seed


@given(seeds, st.integers(0, 3), st.integers(0, DRAW - 1))
def test_a_draw_depends_on_its_own_bits_only(seed: int, number: int, bits: int) -> None:
    """So that exploring or not says nothing about who is picked."""
    other = seed & ~(0xFFFF << 16 * number) | bits << 16 * number
    for n in range(4):
        assert (draw(other, n) == draw(seed, n)) or n == number
    assert draw(other, number) == bits / DRAW


def test_a_query_without_restrictions_is_the_first_of_a_flight() -> None:
    """Nobody was tried, any model, any context, no home."""
    assert Query() == ((), None, None, 0)


@given(seeds)
def test_a_decision_survives_the_journal(seed: int) -> None:
    """Encoded and decoded it is the same value: it can be executed again."""
    query = Query(("p/a",), "m", 4096, 77)
    live = ((3, Live(2, 64.0, 0.25, 0.5)),)
    decision = Decision(
        9, 1000.5, Ask("auto", needs=frozenset({"tools"})), query, seed, live, "p/b", "primary", "normal", "only"
    )
    again = msgspec.json.decode(msgspec.json.encode(decision), type=Decision)
    assert again == decision
    assert hash(again.ask) == hash(decision.ask)
