"""Least-squares boosting of small trees on binned measures, with row and column sampling; deterministic by seed."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbd.router.trees import DEPTH, LEAVES

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class Settings(NamedTuple):
    """Chosen by cross-validation that leaves families out; the figures move by less than .01 around them."""

    trees: int = 80
    rate: float = 0.075
    bins: int = 24
    least: int = 40  # rows in a leaf
    penalty: float = 20.0  # rows' worth of shrinkage of each leaf
    rows: float = 0.6
    columns: float = 0.5


class Grown(NamedTuple):
    """A forest as flat arrays, as ``router.trees.Forest.of`` takes them."""

    features: Ints
    thresholds: Array
    leaves: Array
    blame: Ints

    def arrays(self) -> dict[str, array[Any]]:
        """Return it as the weight file holds it."""
        return {
            "features": array("B", self.features.tolist()),
            "thresholds": array("f", self.thresholds.tolist()),
            "leaves": array("f", self.leaves.tolist()),
            "blame": array("B", self.blame.tolist()),
        }


def grow(x: Array, y: Array, weight: Array, *, seeds: tuple[int, ...], settings: Settings) -> Grown:
    """Grow one forest a seed and return them as one, each leaf divided by their number."""
    edges = [_edges(x[:, j], settings.bins) for j in range(x.shape[1])]
    binned = np.stack([np.searchsorted(e, x[:, j], side="left") for j, e in enumerate(edges)], 1)
    found: list[Grown] = []
    for seed in seeds:
        found += _forest(binned, edges, y, weight, seed, settings)
    return Grown(
        np.concatenate([g.features for g in found]),
        np.concatenate([g.thresholds for g in found]),
        np.concatenate([g.leaves for g in found]) / len(seeds),
        np.concatenate([g.blame for g in found]),
    )


def _edges(values: Array, bins: int) -> Array:
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    # held as 32 bits where it is used: a measure must fall on the same side there
    return np.asarray(cuts.astype(np.float32), np.float64)


def _forest(binned: Ints, edges: list[Array], y: Array, weight: Array, seed: int, s: Settings) -> list[Grown]:
    draw = np.random.Generator(np.random.PCG64(seed))
    told = np.zeros(len(y))
    grown: list[Grown] = []
    for _ in range(s.trees):
        rows = np.flatnonzero(draw.random(len(y)) < s.rows)
        columns = np.sort(draw.permutation(len(edges))[: max(1, int(len(edges) * s.columns))])
        rest = (y - told) * weight
        splits = _splits(binned, rows, columns, rest, weight, s)
        where, means = _walk(binned, splits, rows, rest, weight, s.penalty)
        leaves = s.rate * means[DEPTH]
        told += leaves[where]
        grown.append(_flat(splits, edges, leaves, means))
    return grown


def _splits(
    binned: Ints, rows: Ints, columns: Ints, rest: Array, weight: Array, s: Settings
) -> list[tuple[Ints, Ints]]:
    """Return for each level the feature of each node and the last bin that goes left."""
    part = binned[rows][:, columns]
    node = np.zeros(len(rows), np.int64)
    wide = len(columns)
    found: list[tuple[Ints, Ints]] = []
    for level in range(DEPTH):
        nodes = 1 << level
        key = ((node[:, None] * wide + np.arange(wide)) * s.bins + part).ravel()
        size = nodes * wide * s.bins
        shape = (nodes, wide, s.bins)
        sums = np.bincount(key, np.repeat(rest[rows], wide), size).reshape(shape).cumsum(2)
        mass = np.bincount(key, np.repeat(weight[rows], wide), size).reshape(shape).cumsum(2)
        all_sums, all_mass = sums[:, :, -1:], mass[:, :, -1:]
        better = sums**2 / (mass + s.penalty) + (all_sums - sums) ** 2 / (all_mass - mass + s.penalty)
        better -= all_sums**2 / (all_mass + s.penalty)
        better[(mass < s.least) | (all_mass - mass < s.least)] = -1.0
        flat = better.reshape(nodes, -1)
        best = flat.argmax(1)
        cut = np.where(flat.max(1) > 0, best % s.bins, s.bins)
        feature = columns[best // s.bins]
        found.append((feature, cut))
        node = 2 * node + (binned[rows, feature[node]] > cut[node])
    return found


def _walk(
    binned: Ints, splits: list[tuple[Ints, Ints]], rows: Ints, rest: Array, weight: Array, penalty: float
) -> tuple[Ints, list[Array]]:
    """Return each row's leaf, and the shrunken mean of each node at each level."""
    all_rows = np.arange(len(binned))
    node = np.zeros(len(binned), np.int64)
    means: list[Array] = []
    for level in range(DEPTH + 1):
        size = 1 << level
        at = node[rows]
        means.append(np.bincount(at, rest[rows], size) / (np.bincount(at, weight[rows], size) + penalty))
        if level < DEPTH:
            feature, cut = splits[level]
            node = 2 * node + (binned[all_rows, feature[node]] > cut[node])
    return node, means


def _flat(splits: list[tuple[Ints, Ints]], edges: list[Array], leaves: Array, means: list[Array]) -> Grown:
    features = np.concatenate([f for f, _ in splits])
    cuts = np.concatenate([c for _, c in splits])
    thresholds = [edges[f][c] if c < len(edges[f]) else np.inf for f, c in zip(features, cuts, strict=True)]
    blame = np.zeros(LEAVES, np.int64)
    for leaf in range(LEAVES):
        way = [leaf >> (DEPTH - level) for level in range(DEPTH + 1)]
        steps = [abs(means[level + 1][way[level + 1]] - means[level][way[level]]) for level in range(DEPTH)]
        level = int(np.argmax(steps))
        blame[leaf] = splits[level][0][way[level]]
    return Grown(features, np.array(thresholds), leaves, blame)
