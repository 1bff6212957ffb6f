"""Difficulty and gain are one scale, and a leaning moves along it without changing the order."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.router.rank import COMPLEX, SIMPLE, difficulty, gain, leant

RANKS = [-0.4, -0.1, 0.0, 0.05, 0.3]


@given(st.floats(-3, 3))
def test_gain_undoes_difficulty(value: float) -> None:
    """Also beyond the gains that were seen."""
    assert math.isclose(gain(RANKS, difficulty(RANKS, value)), value, abs_tol=1e-9)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([-1.0, -0.5, 0.5, 1.0]))
def test_a_leaning_keeps_the_order(one: float, other: float, leaning: float) -> None:
    """Of prompts that lean alike."""
    low, high = sorted((one, other))
    assert 0 <= leant(low, leaning) <= leant(high, leaning) <= 1


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_in_full_it_ends_in_its_part_of_the_range(share: float) -> None:
    """And halfway it goes half the way."""
    assert leant(share, -1.0) <= SIMPLE < COMPLEX <= leant(share, 1.0)
    assert leant(share, -0.5) == pytest.approx((share + leant(share, -1.0)) / 2)


def test_equal_ranks_are_no_hindrance() -> None:
    """Many prompts of one gain."""
    assert 0 < difficulty([0.0, 0.0, 0.0], 0.0) < 1
    assert gain([0.0, 0.0, 0.0], 0.5) == 0.0
