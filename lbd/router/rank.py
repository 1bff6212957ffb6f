"""From a gain to a difficulty and back, and how far a prompt's leaning pulls it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from lbd.model.units import Ratio

SIMPLE: Ratio = 0.38  # difficulty that what leans to everyday in full stays below
COMPLEX: Ratio = 0.62  # and that what leans to work in full stays above
_EDGE = 0.01  # what is left at each end for gains beyond those that were seen


def difficulty(ranks: Sequence[float], gain: float) -> Ratio:
    """Return the share of usual prompts with a lower gain, straight lines between the steps; strictly rising."""
    steps = len(ranks) - 1
    at = bisect.bisect_right(ranks, gain)
    if at == 0:
        return _EDGE * math.exp(gain - ranks[0])
    if at > steps:
        return 1.0 - _EDGE * math.exp(ranks[-1] - gain)
    low, high = ranks[at - 1], ranks[at]
    share = (at - 1 + (gain - low) / (high - low)) / steps if high > low else at / steps
    return _EDGE + (1.0 - 2 * _EDGE) * share


def gain(ranks: Sequence[float], share: Ratio) -> float:
    """Return the gain of a difficulty in the open interval 0..1."""
    if share <= _EDGE:
        return ranks[0] + math.log(share / _EDGE)
    if share >= 1.0 - _EDGE:
        return ranks[-1] - math.log((1.0 - share) / _EDGE)
    steps = len(ranks) - 1
    at = (share - _EDGE) / (1.0 - 2 * _EDGE) * steps
    below = min(int(at), steps - 1)
    return ranks[below] + (at - below) * (ranks[below + 1] - ranks[below])


def leant(share: Ratio, leaning: float) -> Ratio:
    """Return a difficulty pulled to the lowest or the highest part of the range; the order among like ones is kept."""
    pulled = SIMPLE * share if leaning < 0 else 1.0 - (1.0 - COMPLEX) * (1.0 - share)
    return share + abs(leaning) * (pulled - share)
