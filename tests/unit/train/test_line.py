"""The line for stories: what is fitted, what was held before, and that the one gives way to the other."""

from __future__ import annotations

import numpy as np

from lbd.router.cues import NAMES
from lbd.train.line import STEPS, fit, middle

DRAW = np.random.Generator(np.random.PCG64(4))


def test_without_rows_longer_stories_gain_more() -> None:
    """That was held before any was seen."""
    told = {NAMES[at]: number for at, number in fit(np.zeros((0, len(NAMES))), np.zeros(0))}
    assert set(told) == set(STEPS)
    assert told["words"] > 0 and told["money"] == 0
    assert not middle(np.zeros((0, len(NAMES)))).any()


def test_many_rows_win_over_what_was_held() -> None:
    """Here shorter ones gain more."""
    x = DRAW.normal(size=(4000, len(NAMES)))
    found = dict(fit(x, -0.2 * x[:, NAMES.index("words")] + 3.0, penalty=1.0))
    assert np.isclose(found[NAMES.index("words")], -0.2, atol=0.01)
    assert np.allclose(middle(x), x.mean(0))
