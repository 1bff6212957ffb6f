"""Places: training and judging put a prompt at the same point; centres are unit vectors; ridge fits a line."""

from __future__ import annotations

import numpy as np

from lbd.router.judge import Router
from lbd.train import fit
from lbd.train.places import centres, nearness, ridge
from tests.unit.train.made import data


def test_training_and_judging_see_the_same_point() -> None:
    """What is fitted on must be what is judged."""
    router = Router.from_bytes(fit.fit(data(), np.arange(len(data().rows))))
    for i in range(20):
        assert np.allclose(router._point(data().readings[i]), data().points[i], atol=1e-6)


def test_centres_are_unit_vectors_and_fixed_by_the_seed() -> None:
    """At most as many as there are points."""
    found = centres(data().points, 7, seed=1)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert (found == centres(data().points, 7, seed=1)).all()
    assert len(centres(data().points[:3], 7, seed=1)) == 3
    assert (nearness(data().points, found) <= 1 + 1e-6).all()


def test_ridge_fits_a_line_with_its_intercept() -> None:
    """And nothing where nothing weighs."""
    x = np.arange(10.0)[:, None]
    numbers, base = ridge(x, 2 * x[:, 0] + 3, np.ones(10), 1e-9)
    assert np.allclose([numbers[0], base], [2, 3])
    assert ridge(x, x[:, 0], np.zeros(10), 1.0)[1] == 0.0
