from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbd.decide.terms import Predicted
from lbd.decide.terms.quality import UNKNOWN, quality
from tests.fakes.tables import ask, view


def of(value: float | None) -> float:
    return quality(ask(), view(quality=value), Predicted(0.3, 1.5, None))


def test_unknown_quality_is_in_the_middle() -> None:
    """1/2 where nothing is known: neither trusted nor shunned."""
    assert of(None) == UNKNOWN == 0.5
    assert of(0.0) < of(None) < of(1.0)


@given(st.floats(0, 1))
def test_the_term_is_the_quality(value: float) -> None:
    """Better answers, better score, in proportion."""
    assert of(value) == value
