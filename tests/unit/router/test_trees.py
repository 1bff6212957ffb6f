"""Forests: the way down a tree, what a leaf is owed to, and arrays that do not fit."""

from __future__ import annotations

import pytest

from lbd.router.trees import Forest, empty

LEAVES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def forest() -> Forest:
    """Return one tree: measure 0, then 1 or 2, then 3 to 6, each at 0.5."""
    return Forest.of([0, 1, 2, 3, 4, 5, 6], [0.5] * 7, LEAVES, [0, 1, 2, 3, 4, 5, 6, 0])


@pytest.mark.parametrize("leaf", range(8))
def test_each_leaf_is_reached(leaf: int) -> None:
    """Above the threshold goes right."""
    a, b, c = leaf >> 2, leaf >> 1 & 1, leaf & 1
    measures = [0.0] * 7
    measures[0] = a
    measures[1 + a] = b
    measures[3 + 2 * a + b] = c
    assert forest().judge(measures) == LEAVES[leaf]
    assert forest().owed(measures) == (LEAVES[leaf], {[0, 1, 2, 3, 4, 5, 6, 0][leaf]: LEAVES[leaf]})


@pytest.mark.parametrize(
    "arrays",
    [
        ([0] * 6, [0.5] * 6, LEAVES, [0] * 8),
        ([0] * 7, [0.5] * 6, LEAVES, [0] * 8),
        ([0] * 7, [0.5] * 7, LEAVES[:7], [0] * 8),
        ([200] * 7, [0.5] * 7, LEAVES, [0] * 8),
        ([0] * 7, [0.5] * 7, LEAVES, [200] * 8),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays: tuple[list[int], list[float], list[float], list[int]]) -> None:
    """Lengths, and names of measures."""
    with pytest.raises(ValueError):
        Forest.of(*arrays)


def test_an_empty_forest_says_nothing() -> None:
    """A kind without training rows."""
    held = empty()
    found = Forest.of(held["features"], held["thresholds"], held["leaves"], held["blame"])
    assert found.judge([0.0]) == 0.0 and found.owed([0.0]) == (0.0, {})
