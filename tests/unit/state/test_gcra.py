"""Rate limits: never more than the burst and the rate allow, nothing lost by asking."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.state import gcra

RATE, BURST = 2.0, 10.0
amounts = st.floats(0.1, 10, allow_nan=False)


def test_a_burst_and_then_the_rate() -> None:
    """Ten at once, then one every half second."""
    tat, now = gcra.EMPTY, 1000.0
    for _ in range(10):
        assert gcra.wait(tat, now, 1, RATE, BURST) == 0
        tat = gcra.take(tat, now, 1, RATE)
    assert gcra.left(tat, now, RATE, BURST) == 0
    assert gcra.wait(tat, now, 1, RATE, BURST) == 0.5
    assert gcra.wait(tat, now + 0.5, 1, RATE, BURST) == 0
    assert gcra.left(tat, now + 100, RATE, BURST) == BURST


def test_what_is_larger_than_the_burst_waits_for_an_empty_bucket() -> None:
    """Else it would never pass."""
    tat = gcra.take(gcra.EMPTY, 1000.0, 1, RATE)
    assert gcra.wait(tat, 1000.0, 50, RATE, BURST) == 0.5
    assert gcra.wait(tat, 1000.5, 50, RATE, BURST) == 0


def test_what_was_not_used_comes_back() -> None:
    """But never more than an empty bucket."""
    tat = gcra.take(gcra.EMPTY, 1000.0, 8, RATE)
    assert gcra.left(gcra.take(tat, 1000.0, -6, RATE), 1000.0, RATE, BURST) == 8
    assert gcra.left(gcra.take(tat, 1000.0, -99, RATE), 1000.0, RATE, BURST) == BURST


@given(st.lists(st.tuples(st.floats(0, 5), amounts), max_size=60))
def test_never_more_than_burst_and_rate_allow(asks: list[tuple[float, float]]) -> None:
    """Over any stretch, whoever obeys the answers takes at most burst + rate x time."""
    tat, now, taken = gcra.EMPTY, 1000.0, 0.0
    for gap, amount in asks:
        now += gap
        if gcra.wait(tat, now, amount, RATE, BURST) == 0:
            tat = gcra.take(tat, now, amount, RATE)
            taken += amount
        assert taken <= BURST + RATE * (now - 1000.0) + 1e-6


@given(st.floats(0, 50), amounts)
def test_the_wait_is_what_it_says(ahead: float, amount: float) -> None:
    """After it the request conforms, and before it does not."""
    now = 1000.0
    told = gcra.wait(now + ahead, now, amount, RATE, BURST)
    assert gcra.wait(now + ahead, now + told + 1e-6, amount, RATE, BURST) == 0
    if told > 1e-3:
        assert gcra.wait(now + ahead, now + told - 1e-3, amount, RATE, BURST) > 0
