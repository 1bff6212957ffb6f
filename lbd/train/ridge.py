"""Ridge regression on hashed words: sparse rows as flat arrays, solved by conjugate gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
STEPS = 60
ENOUGH = 1e-4  # of the right side's norm
RARE = 2  # slots that fewer prompts have tell nothing


class Hashed:
    """Prompts as rows of slots; a row of n slots holds each slot's rarity over the root of n."""

    def __init__(self, rows: Sequence[AbstractSet[int]], slots: int) -> None:
        self._slots = slots
        self._sizes = np.array([len(row) for row in rows])
        self._ends = np.concatenate(([0], np.cumsum(self._sizes)))
        self._index = np.array([slot for row in rows for slot in sorted(row)], np.int64)

    def fit(self, chosen: NDArray[np.int64], y: Array, weight: Array, penalty: float) -> Array:
        """Return one number a slot, to be summed over a row's slots and divided by the root of their count."""
        index, sizes = self._of(chosen)
        seen = np.bincount(index, minlength=self._slots)
        rarity = np.where(seen >= RARE, np.log((1.0 + len(chosen)) / (1.0 + seen)), 0.0)
        scale = float(np.sqrt((rarity[index] ** 2).mean())) if len(index) else 0.0
        scale = scale or 1.0
        values = rarity[index] / scale / np.sqrt(np.repeat(np.maximum(sizes, 1), sizes))
        of = np.repeat(np.arange(len(chosen)), sizes)

        def forth(w: Array) -> Array:
            return np.bincount(of, values * w[index], len(chosen)).astype(np.float64)

        def back(r: Array) -> Array:
            return np.bincount(index, values * r[of], self._slots).astype(np.float64)

        w = _conjugate(lambda v: back(weight * forth(v)) + penalty * v, back(weight * y))
        return w * rarity / scale

    def judge(self, chosen: NDArray[np.int64], numbers: Array) -> Array:
        """Return what the numbers say of rows."""
        index, sizes = self._of(chosen)
        of = np.repeat(np.arange(len(chosen)), sizes)
        return np.bincount(of, numbers[index], len(chosen)) / np.sqrt(np.maximum(sizes, 1))

    def _of(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        parts = [self._index[self._ends[i] : self._ends[i + 1]] for i in chosen]
        return (np.concatenate(parts) if parts else np.zeros(0, np.int64)), self._sizes[chosen]


def _conjugate(apply: Callable[[Array], Array], right: Array) -> Array:
    """Return the solution of ``apply(w) = right`` for a symmetric positive map."""
    w = np.zeros_like(right)
    rest = right.copy()
    way = rest.copy()
    size = first = float(rest @ rest)
    for _ in range(STEPS):
        if size <= ENOUGH**2 * first or size == 0.0:
            break
        applied = apply(way)
        step = size / float(way @ applied)
        w += step * way
        rest -= step * applied
        new = float(rest @ rest)
        way = rest + new / size * way
        size = new
    return w
