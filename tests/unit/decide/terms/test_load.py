from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.decide.terms import Predicted
from lbd.decide.terms.load import load
from tests.fakes.tables import ask, view

_ratio = st.floats(0, 1)


def of(busy: float, quota: float = 1.0) -> float:
    return load(ask(), view(load=busy, quota_left=quota), Predicted(0.3, 1.5, None))


@pytest.mark.parametrize(
    ("busy", "quota", "term"),
    [(0.0, 1.0, 1.0), (1.0, 1.0, 0.0), (0.0, 0.0, 0.0), (0.25, 1.0, 0.75), (0.25, 0.5, 0.5), (0.75, 0.5, 0.25)],
)
def test_the_scarcer_of_slots_and_quota_counts(busy: float, quota: float, term: float) -> None:
    """1 idle with all its quota, 0 full or at the end of the quota."""
    assert of(busy, quota) == term


@given(_ratio, _ratio, _ratio)
def test_fuller_is_never_better(a: float, b: float, quota: float) -> None:
    """Monotone in the load."""
    idle, full = sorted((a, b))
    assert 1 >= of(idle, quota) >= of(full, quota) >= 0


@given(_ratio, _ratio, _ratio)
def test_less_quota_is_never_better(a: float, b: float, busy: float) -> None:
    """Monotone in the quota: steer away before the first 429."""
    little, much = sorted((a, b))
    assert of(busy, little) <= of(busy, much)
