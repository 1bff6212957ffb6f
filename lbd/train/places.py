"""Where prompts lie: word vectors in few dimensions, points among them, and what is known around each point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lbd.train.vectors import Vectors

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
DIMS = 32
WIDTH = 5.0  # of the kernel
ROUNDS = 15
_NUMBERS = {crc32(digits.encode()): digits for digits in ("0", "00", "000", "0000")}


class Space(NamedTuple):
    """Vectors of words: ``codes`` their hashes, ``vectors`` a signed byte a dimension."""

    codes: Ints
    vectors: NDArray[np.int8]

    def points(self, words: Sequence[Sequence[int]]) -> Array:
        """Return the unit vector of each set of words, as ``router.judge`` makes it."""
        row = {int(code): i for i, code in enumerate(self.codes)}
        found = np.zeros((len(words), self.vectors.shape[1]))
        wide = self.vectors.astype(np.float64)
        for i, codes in enumerate(words):
            rows = [row[code] for code in codes if code in row]
            if rows:
                found[i] = wide[rows].sum(0)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        return found / np.where(norms > 0, norms, 1.0)


def space(source: Vectors, prompts: Sequence[dict[int, str]], groups: Sequence[str], dims: int = DIMS) -> Space:
    """Return the space that tells these prompts apart best: principal directions of their summed words.

    ``prompts`` map the hash of each distinct word to the word; each of the ``groups`` counts the same.
    """
    known = {crc32(word.encode("utf-8", "replace")): word for word in source.known()}
    for words in prompts:
        known.update(words)
    known.update(_NUMBERS)
    codes = np.array(sorted(known), np.int64)
    table = np.stack([source.of(known[int(code)]) for code in codes]).astype(np.float64)
    good = np.abs(table).sum(1) > 0
    codes, table = codes[good], table[good]
    row = {int(code): i for i, code in enumerate(codes)}
    means = np.stack([_mean(table, [row[c] for c in words if c in row]) for words in prompts])
    names = np.array(groups)
    each = [names == name for name in sorted(set(groups))]
    middle = np.mean([means[g].mean(0) for g in each], axis=0)
    sums = np.stack([_unit(m - middle) for m in means])
    spread = sum((sums[g].T @ sums[g] / g.sum() for g in each), np.zeros((table.shape[1],) * 2))
    _, directions = np.linalg.eigh(spread)
    low = (table - middle) @ directions[:, ::-1][:, :dims]
    limit = float(np.quantile(np.abs(low), 0.999)) or 1.0
    return Space(codes, np.clip(np.round(low / limit * 127), -127, 127).astype(np.int8))


def _mean(table: Array, rows: list[int]) -> Array:
    return np.asarray(table[rows].mean(0) if rows else np.zeros(table.shape[1]))


def _unit(v: Array) -> Array:
    norm = float(np.linalg.norm(v))
    return v / norm if norm > 0 else v


def centres(points: Array, count: int, seed: int) -> Array:
    """Return so many unit vectors among the points: spherical k-means."""
    draw = np.random.Generator(np.random.PCG64(seed))
    count = min(count, len(points))
    found = points[np.sort(draw.choice(len(points), count, replace=False))].copy()
    for _ in range(ROUNDS):
        nearest = (points @ found.T).argmax(1)
        for j in range(count):
            if (nearest == j).any():
                found[j] = points[nearest == j].sum(0)
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        found /= np.where(norms > 0, norms, 1.0)
    return np.asarray(found.astype(np.float32), np.float64)


def nearness(points: Array, around: Array, width: float = WIDTH) -> Array:
    """Return how near each point is to each centre, 0..1."""
    return np.asarray(np.exp(width * (points @ around.T - 1.0)))


def ridge(x: Array, y: Array, weight: Array, penalty: float) -> tuple[Array, float]:
    """Return the numbers of a ridge regression with an intercept that is not shrunk."""
    total = weight.sum()
    if total == 0:
        return np.zeros(x.shape[1]), 0.0
    mean_x, mean_y = weight @ x / total, float(weight @ y / total)
    a, b = x - mean_x, y - mean_y
    left = (a * weight[:, None]).T @ a + penalty * np.eye(x.shape[1])
    found = np.linalg.solve(left, a.T @ (weight * b))
    return found, mean_y - float(mean_x @ found)
