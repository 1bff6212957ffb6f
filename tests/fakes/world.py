"""The simulated providers of ``lbd simulate``, and what tests measure of them."""

from __future__ import annotations

import math

from lbd.simulate.host import SimHost, Weather
from lbd.simulate.job import text
from lbd.simulate.world import World

__all__ = ["SimHost", "Weather", "World", "percentile", "text"]


def percentile(values: list[float], q: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]
