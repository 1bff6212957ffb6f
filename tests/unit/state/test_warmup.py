"""Slow start: what came back takes its share in small steps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state import warmup
from lbd.state.warmup import SPAN, START


def test_a_row_that_never_was_away_has_its_whole_share() -> None:
    """None means no slow start."""
    assert warmup.factor(None, 5.0) == 1.0
    assert warmup.over(None, 5.0)


@pytest.mark.parametrize(("passed", "share"), [(0.0, START), (SPAN / 2, (1 + START) / 2), (SPAN, 1.0), (9e9, 1.0)])
def test_the_share_grows_linearly(passed: float, share: float) -> None:
    """From a tenth to the whole in half a minute."""
    assert warmup.factor(100.0, 100.0 + passed) == pytest.approx(share)


@given(st.lists(st.floats(-5, 100), min_size=2, max_size=20).map(sorted))
def test_it_never_falls_and_never_leaves_its_range(times: list[float]) -> None:
    """Monotone, at least START so that evidence can come, at most 1; over exactly when it is whole."""
    seen = [warmup.factor(50.0, 50.0 + t) for t in times]
    assert all(a <= b for a, b in pairwise(seen))
    assert all(START <= s <= 1.0 for s in seen)
    for t, share in zip(times, seen, strict=True):
        if warmup.over(50.0, 50.0 + t):
            assert share == pytest.approx(1.0)
        else:
            assert t < SPAN
