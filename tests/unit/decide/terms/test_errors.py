from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.decide.terms import Predicted
from lbd.decide.terms.errors import HALF, errors
from tests.fakes.tables import ask, view


def of(ratio: float) -> float:
    return errors(ask(), view(error_ratio=ratio), Predicted(0.3, 1.5, None))


def test_no_errors_are_one_and_five_percent_a_half() -> None:
    """1 without errors, 1/2 at 5 %."""
    assert of(0.0) == 1.0
    assert of(HALF) == 0.5
    assert 0 < of(1.0) < 0.05


@given(st.floats(0, 1), st.floats(0, 1))
def test_more_errors_are_never_better(a: float, b: float) -> None:
    """Monotone in the error ratio."""
    few, many = sorted((a, b))
    assert 1 >= of(few) >= of(many) >= 0
