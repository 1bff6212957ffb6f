from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.decide.terms import Predicted
from lbd.decide.terms.latency import latency
from tests.fakes.tables import ask, view


def of(ttft: float, target: float) -> float:
    return latency(ask(), view(), Predicted(ttft, target, None))


def test_an_instant_answer_is_one_and_the_target_a_half() -> None:
    """1 for an instant answer, 1/2 at the target, towards 0 beyond it."""
    assert of(0.0, 1.5) == 1.0
    assert of(1.5, 1.5) == 0.5
    assert of(4.5, 1.5) == 0.25
    assert of(1e6, 1.5) < 1e-5


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.001, 1e5))
def test_slower_is_never_better(a: float, b: float, target: float) -> None:
    """Monotone in the predicted time."""
    fast, slow = sorted((a, b))
    assert 1 >= of(fast, target) >= of(slow, target) >= 0


@given(st.floats(0.001, 1e3), st.floats(0.001, 1e3), st.floats(0.001, 1e3))
def test_the_same_time_is_better_against_a_looser_target(ttft: float, a: float, b: float) -> None:
    """What a tertiary tier calls fast may be slow for a primary one."""
    strict, loose = sorted((a, b))
    assert of(ttft, strict) <= of(ttft, loose)


def test_where_the_client_waits_for_the_whole_the_whole_is_judged() -> None:
    """A unary answer has no first content that anybody sees."""
    assert latency(ask(), view(), Predicted(9.0, 1.5, None, 2.0, 6.0)) == 0.75


def test_the_row_itself_is_not_looked_at() -> None:
    """Only the prediction counts, which already holds the row's percentile and wait."""
    p = Predicted(0.3, 1.5, None)
    assert latency(ask(), view(ttft=9.0, wait_s=5.0), p) == latency(ask(), view(), p)
