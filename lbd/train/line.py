"""A straight line on a few measures, for stories with numbers: how many steps they ask for shows in little else.

It is pulled to a line that was there before: longer stories have more steps, and each is a place to slip. So where no
such story was seen, length still orders them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lbd.router.cues import NAMES

Array = NDArray[np.float64]
# measure -> (its usual standard deviation in stories, gain for one of these that is held before any was seen)
STEPS: dict[str, tuple[float, float]] = {
    "words": (0.37, 0.04),
    "commas": (0.55, 0.03),
    "sentences": (0.33, 0.0),
    "points": (0.6, 0.0),
    "time": (0.65, 0.0),
    "money": (0.7, 0.0),
    "comparing": (0.6, 0.0),
}
PENALTY = 600.0  # rows' worth of the line that was there before


def fit(measures: Array, y: Array, penalty: float = PENALTY) -> list[tuple[int, float]]:
    """Return (measure, gain a unit of it) for each of ``STEPS``."""
    columns = [NAMES.index(name) for name in STEPS]
    spread = np.array([spread for spread, _ in STEPS.values()])
    prior = np.array([gain for _, gain in STEPS.values()])
    found = prior
    if len(y):
        x = measures[:, columns] / spread
        x = x - x.mean(0)
        rest = y - y.mean() - x @ prior
        found = prior + np.linalg.solve(x.T @ x + penalty * np.eye(len(columns)), x.T @ rest)
    return [(column, float(number)) for column, number in zip(columns, found / spread, strict=True)]


def middle(measures: Array) -> Array:
    """Return the mean of each measure; zeros where there is no row."""
    return np.asarray(measures.mean(0) if len(measures) else np.zeros(len(NAMES)))
