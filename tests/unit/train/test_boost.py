"""Boosting: it learns what two measures tell together, and the pure forest says the same as the arrays."""

from __future__ import annotations

import numpy as np

from lbd.router.cues import NAMES
from lbd.router.trees import Forest
from lbd.train.boost import Settings, grow


def test_it_learns_an_interaction_and_says_what_did_it() -> None:
    """Exclusive or: neither measure tells alone."""
    draw = np.random.default_rng(2)
    x = draw.random((800, len(NAMES)))
    y = np.where((x[:, 3] > 0.5) != (x[:, 7] > 0.4), 1.0, -1.0)
    grown = grow(x, y, np.ones(800), seeds=(0,), settings=Settings(trees=120, columns=1.0))
    held = grown.arrays()
    forest = Forest.of(held["features"], held["thresholds"], held["leaves"], held["blame"])
    assert np.corrcoef([forest.judge(row.tolist()) for row in x], y)[0, 1] > 0.8
    told = [forest.owed(row.tolist())[1] for row in x]
    owed = {name: sum(abs(o.get(name, 0.0)) for o in told) for name in range(len(NAMES))}
    assert set(sorted(owed, key=lambda n: -owed[n])[:2]) == {3, 7}


def test_the_same_seed_grows_the_same() -> None:
    """Byte for byte; two seeds are averaged."""
    draw = np.random.default_rng(4)
    x, y = draw.random((200, 5)), draw.random(200)
    few = Settings(trees=5)
    one = grow(x, y, np.ones(200), seeds=(1,), settings=few)
    assert one.arrays() == grow(x, y, np.ones(200), seeds=(1,), settings=few).arrays()
    both = grow(x, y, np.ones(200), seeds=(1, 2), settings=few)
    assert len(both.leaves) == 2 * len(one.leaves)
    assert np.allclose(both.leaves[: len(one.leaves)] * 2, one.leaves)
