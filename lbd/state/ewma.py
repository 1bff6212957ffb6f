"""Peak EWMA: an average that jumps up at once and comes down slowly.

After Finagle's ``PeakEwma``: a sample above the average replaces it, one below pulls it down with weight
``1 - exp(-dt / TAU)``. Reading projects; only ``add`` changes anything (linkerd2-proxy had to write its own
because tower's decays on read).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lbd.model.units import Instant, Seconds

TAU: Seconds = 10.0  # time constant of the way down: one bad answer stops mattering within half a minute


class PeakEwma(NamedTuple):
    """The average and when it last changed."""

    value: float
    at: Instant


def add(ewma: PeakEwma | None, sample: float, now: Instant) -> PeakEwma:
    """Return the average after one sample."""
    if ewma is None or sample >= ewma.value:
        return PeakEwma(sample, now)
    keep = math.exp(-max(0.0, now - ewma.at) / TAU)
    return PeakEwma(sample + (ewma.value - sample) * keep, now)


def at(ewma: PeakEwma | None, now: Instant, floor: float) -> float:
    """Project the average to ``now``: without samples it sinks towards ``floor``."""
    if ewma is None or ewma.value <= floor:
        return floor
    return floor + (ewma.value - floor) * math.exp(-max(0.0, now - ewma.at) / TAU)
