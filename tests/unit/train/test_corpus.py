"""Rows as arrays: the pair of a set, targets centred per set, families that count the same."""

from __future__ import annotations

import numpy as np
import pytest

from lbd.router.text import Kind
from lbd.train.corpus import balanced, of_kind, pair, targets
from lbd.train.rows import Row, RowError
from tests.unit.train.made import data, rows


def test_the_pair_is_the_cheapest_and_the_best_that_costs_more() -> None:
    """Not the dearest one."""
    assert pair([r for r in rows() if r.set == "open"]) == ("small", "large")
    odd = Row("a", "s", "f", "train", "p", {"w": 0.5, "dear": 0.1, "good": 0.9}, {"w": 1, "dear": 9, "good": 3})
    assert pair([odd]) == ("w", "good")
    with pytest.raises(RowError, match="cost the same"):
        pair([Row("a", "s", "f", "train", "p", {"x": 0, "y": 1}, {"x": 1, "y": 1})])


def test_targets_are_centred_per_set() -> None:
    """By the chosen rows alone."""
    chosen = np.arange(0, len(data().rows), 3)
    y = targets(data(), chosen)
    for name in data().names:
        assert abs(y[chosen][data().sets[chosen] == name].mean()) < 1e-9


def test_families_count_the_same() -> None:
    """The mean weight is 1."""
    chosen = np.arange(100)
    weight = balanced(data(), chosen)
    sums = [weight[data().families[chosen] == f].sum() for f in set(data().families[chosen].tolist())]
    assert np.allclose(sums, sums[0]) and np.isclose(weight.mean(), 1)


def test_rows_of_a_kind() -> None:
    """By form."""
    chosen = np.arange(len(data().rows))
    assert set(data().sets[of_kind(data(), chosen, Kind.LISTED)].tolist()) == {"listed"}
    assert len(of_kind(data(), chosen, *Kind)) == len(chosen)
