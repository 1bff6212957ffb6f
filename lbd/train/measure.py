"""How good an order of prompts is: the area under the recovered gap, savings at a share of quality, intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RESAMPLES = 200


def curve(score: Array, weak: Array, strong: Array) -> tuple[Array, NDArray[np.int64]]:
    """Return the mean quality when the k highest scores go to the strong model, k = 0..n, and the order.

    Equal scores move as one block, along the straight line that a random order would give.
    """
    order = np.argsort(-score, kind="stable")
    gain, ranked = (strong - weak)[order], score[order]
    edges = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1], [True])))
    sizes = np.diff(edges)
    gain = np.repeat(np.add.reduceat(gain, edges[:-1]) / sizes, sizes)
    return weak.mean() + np.concatenate(([0.0], np.cumsum(gain))) / len(score), order


def apgr(score: Array, weak: Array, strong: Array) -> float:
    """Return the average share of the gap recovered, over all shares of strong calls; about 0.5 for a random order."""
    quality, _ = curve(score, weak, strong)
    gap = quality[-1] - quality[0]
    if abs(gap) < 1e-9:
        return 0.5
    return float(np.trapezoid((quality - quality[0]) / gap, dx=1.0 / len(score)))


def saving(score: Array, weak: Array, strong: Array, costs: tuple[Array, Array], share: float = 0.95) -> float:
    """Return the part of the strong model's cost that is saved at a share of its quality. Peeks at the curve."""
    quality, order = curve(score, weak, strong)
    extra = np.concatenate(([0.0], np.cumsum((costs[1] - costs[0])[order])))
    good = np.flatnonzero(quality >= share * strong.mean() - 1e-12)
    return float(1 - (costs[0].sum() + extra[good[0]]) / costs[1].sum()) if len(good) else 0.0


def interval(score: Array, weak: Array, strong: Array, seed: int = 7) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of ``apgr``."""
    draw = np.random.Generator(np.random.PCG64(seed))
    found = []
    for _ in range(RESAMPLES):
        i = draw.integers(0, len(score), len(score))
        found.append(apgr(score[i], weak[i], strong[i]))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
