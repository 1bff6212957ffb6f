"""Ridge on hashed words: the solution is the one of the normal equations, and rare slots tell nothing."""

from __future__ import annotations

import numpy as np

from lbd.train.ridge import Hashed

ROWS = [{1, 2}, {1, 3}, {2, 3}, {1, 2, 3}, {4, 1}, {2}, set()]
Y = np.array([1.0, -1.0, 0.0, 0.5, 1.0, 0.3, 0.0])


def test_it_solves_the_normal_equations() -> None:
    """Against dense algebra."""
    hashed, chosen = Hashed(ROWS, 8), np.arange(7)
    seen = np.array([0, 4, 4, 3, 1, 0, 0, 0])
    rarity = np.where(seen >= 2, np.log(8.0 / (1.0 + seen)), 0.0)
    flat = [rarity[s] for row in ROWS for s in row]
    scale = np.sqrt(np.mean(np.square(flat)))
    x = np.zeros((7, 8))
    for i, row in enumerate(ROWS):
        for s in row:
            x[i, s] = rarity[s] / scale / np.sqrt(len(row))
    weight = np.array([1.0, 2.0, 1.0, 1.0, 0.5, 1.0, 1.0])
    dense = np.linalg.solve(x.T @ (weight[:, None] * x) + 0.7 * np.eye(8), x.T @ (weight * Y))
    found = hashed.fit(chosen, Y, weight, 0.7)
    assert np.allclose(found, dense * rarity / scale, atol=1e-4)
    assert found[4] == 0.0
    assert np.allclose(hashed.judge(chosen, found), x @ dense, atol=1e-4)


def test_no_rows_give_nothing() -> None:
    """An empty fold."""
    none = np.zeros(0, np.int64)
    assert not Hashed(ROWS, 8).fit(none, np.zeros(0), np.zeros(0), 1.0).any()
