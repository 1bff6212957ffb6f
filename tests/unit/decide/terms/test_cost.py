from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.decide.terms import Predicted
from lbd.decide.terms.cost import HALF, cost
from tests.fakes.tables import ask, view


def of(usd: float | None) -> float:
    return cost(ask(), view(), Predicted(0.3, 1.5, usd))


def test_free_is_one_and_half_a_cent_a_half() -> None:
    """1 for free, 1/2 at half a cent."""
    assert of(0.0) == 1.0
    assert of(HALF) == 0.5
    assert 0 < of(10.0) < 0.001


def test_an_unknown_price_is_the_worst() -> None:
    """Unknown is not free: any known price is better."""
    assert of(None) == 0.0
    assert of(1e6) > of(None)


@given(st.floats(0, 1e3), st.floats(0, 1e3))
def test_dearer_is_never_better(a: float, b: float) -> None:
    """Monotone in the expected cost."""
    cheap, dear = sorted((a, b))
    assert 1 >= of(cheap) >= of(dear) >= 0
