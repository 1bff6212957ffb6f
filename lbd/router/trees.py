"""Boosted trees of depth three on a prompt's measures, and which measure each leaf is owed to."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from lbd.router.cues import NAMES

DEPTH = 3
NODES = 2**DEPTH - 1
LEAVES = 2**DEPTH
_SPLIT = 2  # a node: feature and threshold


class Tree(NamedTuple):
    """Seven splits, in the order root, left, right, left's left, ...: a measure above its threshold goes right."""

    a: int
    at: float
    b: tuple[int, int]
    bt: tuple[float, float]
    c: tuple[int, int, int, int]
    ct: tuple[float, float, float, float]
    leaves: tuple[float, ...]
    blame: tuple[int, ...]  # of each leaf: the measure of the split on its way that changed most


class Forest(msgspec.Struct, frozen=True, gc=False):
    """Trees whose leaves add up to a gain above or below the usual."""

    trees: list[Tree]

    @classmethod
    def of(
        cls, features: Sequence[int], thresholds: Sequence[float], leaves: Sequence[float], blame: Sequence[int]
    ) -> Forest:
        """Build from flat arrays. Raises ValueError where their lengths or the measures named do not fit."""
        count, rest = divmod(len(features), NODES)
        fits = len(thresholds) == len(features) and len(leaves) == len(blame) == count * LEAVES
        if rest or not fits:
            raise ValueError("the arrays of a forest do not fit together")
        if max((*features, *blame), default=0) >= len(NAMES):
            raise ValueError("a forest names a measure that does not exist")
        return cls(
            [
                _tree(
                    features[i * NODES : (i + 1) * NODES],
                    thresholds[i * NODES : (i + 1) * NODES],
                    leaves[i * LEAVES : (i + 1) * LEAVES],
                    blame[i * LEAVES : (i + 1) * LEAVES],
                )
                for i in range(count)
            ]
        )

    def judge(self, measures: Sequence[float]) -> float:
        """Return the sum of the leaves."""
        total = 0.0
        for a, at, b, bt, c, ct, leaves, _ in self.trees:
            i = 1 if measures[a] > at else 0
            i = i + i + (measures[b[i]] > bt[i])
            i = i + i + (measures[c[i]] > ct[i])
            total += leaves[i]
        return total

    def owed(self, measures: Sequence[float]) -> tuple[float, dict[int, float]]:
        """Return the sum of the leaves, the same to the last bit, and how much of it is owed to which measure."""
        total = 0.0
        found: dict[int, float] = {}
        for a, at, b, bt, c, ct, leaves, blame in self.trees:
            i = 1 if measures[a] > at else 0
            i = i + i + (measures[b[i]] > bt[i])
            i = i + i + (measures[c[i]] > ct[i])
            leaf = leaves[i]
            total += leaf
            found[blame[i]] = found.get(blame[i], 0.0) + leaf
        return total, found


def _tree(f: Sequence[int], t: Sequence[float], leaves: Sequence[float], blame: Sequence[int]) -> Tree:
    return Tree(
        f[0], t[0], (f[1], f[2]), (t[1], t[2]), (f[3], f[4], f[5], f[6]), (t[3], t[4], t[5], t[6]),
        tuple(leaves), tuple(blame),
    )  # fmt: skip


def empty() -> dict[str, array[Any]]:
    """Return the arrays of a forest without trees."""
    return {"features": array("B"), "thresholds": array("f"), "leaves": array("f"), "blame": array("B")}
