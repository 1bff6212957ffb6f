"""The measures: a perfect order, a random one, a wrong one; ties move as one block."""

from __future__ import annotations

import numpy as np

from lbd.train.measure import apgr, curve, interval, saving

WEAK = np.array([1.0, 1.0, 0.0, 0.0])
STRONG = np.ones(4)
USD = (np.zeros(4), np.ones(4))


def test_a_perfect_order_recovers_the_gap_first() -> None:
    """And the reverse order last."""
    good = np.array([0.0, 0.1, 1.0, 0.9])
    assert apgr(good, WEAK, STRONG) == 0.75 and apgr(-good, WEAK, STRONG) == 0.25
    assert saving(good, WEAK, STRONG, USD, 1.0) == 0.5
    assert saving(-good, WEAK, STRONG, USD, 1.0) == 0.0


def test_ties_are_a_straight_line() -> None:
    """What a random order gives on average."""
    assert apgr(np.zeros(4), WEAK, STRONG) == 0.5
    assert np.allclose(curve(np.zeros(4), WEAK, STRONG)[0], [0.5, 0.625, 0.75, 0.875, 1.0])


def test_without_a_gap_nothing_is_recovered() -> None:
    """Half, by convention."""
    assert apgr(np.arange(4.0), WEAK, WEAK) == 0.5
    assert saving(np.arange(4.0), WEAK, WEAK - 2, USD, 1.0) == 1.0


def test_an_interval_holds_the_figure() -> None:
    """And is the same each time."""
    draw = np.random.default_rng(1)
    weak, score = draw.integers(0, 2, 300).astype(float), draw.random(300)
    low, high = interval(score, weak, np.ones(300))
    assert low < apgr(score, weak, np.ones(300)) < high
    assert interval(score, weak, np.ones(300)) == (low, high)
