"""What another policy would have got, from what was logged under this one: doubly robust, self-normalised.

For request ``i`` with context ``x``, action ``a``, reward ``r``, the chance ``p`` with which ``a`` was logged, the new
policy ``pi`` and a model ``m(x, a)`` of the reward, with the weight ``w = pi(a | x) / p(a | x)``:

    V = mean_i sum_a pi(a | x_i) m(x_i, a)  +  sum_i w_i (r_i - m(x_i, a_i)) / sum_i w_i

The doubly robust estimator of Dudik, Langford and Li (2011, "Doubly Robust Policy Evaluation and Learning"): right
where the chances are or the model is. Its correction is self-normalised as Swaminathan and Joachims (2015, "The
Self-Normalized Estimator for Counterfactual Learning") have it, which bounds what a few great weights can do, at a bias
that goes with 1/n. Chances are exact here, since a pick is a pure function of its seed.

The interval is the normal one of its influence function ``f_i = (d_i - mean d) + w_i / mean w (e_i - e)``, with ``d``
the first sum's terms, ``e_i`` the residuals and ``e`` their weighted mean: ``V +- 1.96 sqrt(sum f_i^2) / n``. Requests
of one minute share the weather of their providers: where there are enough minutes, ``f`` is summed up over each before
it is squared, and the wider of the two intervals holds. An effective sample size, ``(sum w)^2 / sum w^2``, tells how
much of the log speaks of the new policy at all (Kong 1992). What the new policy does and the logged one never did
(``covered`` below 1) no weight can correct: there, the model has the word alone, and the interval does not speak of its
faults.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from lbd.model.units import Ratio
from lbd.observe.savings import Z95

FEWEST_MINUTES = 30
FEWEST = 50.0  # effective samples, below which nothing is said: an interval of so few is wide, and not even right
COVERED: Ratio = 0.9  # of what the new policy does, below which nothing is said
_RULE_OF_THREE = 3.0  # of n trials without the event, its 95 % bound is 3 / n (Hanley and Lippman-Hand 1983)


class Side(NamedTuple):
    """One request under one policy: its ``reward``, the model's for the logged action, and for all that policy does."""

    reward: float
    modelled: float
    expected: float


class Sample(NamedTuple):
    """One request: its ``weight``, how the new policy counts it, and how the logged one did (by other prices, say)."""

    weight: float
    new: Side
    was: Side
    minute: int = 0


class Estimate(msgspec.Struct, frozen=True):
    """A mean with its 95 % interval."""

    value: float
    low: float
    high: float


class Overlap(msgspec.Struct, frozen=True):
    """How much of a log speaks of a new policy. ``covered``: the share of its choices that were possible before."""

    requests: int
    effective: float
    largest_weight: float
    covered: Ratio

    @property
    def enough(self) -> bool:
        """Tell whether the log says anything of the new policy."""
        return self.effective >= FEWEST and self.covered >= COVERED


def overlap(weights: Sequence[float], covered: Sequence[Ratio]) -> Overlap:
    """Return it."""
    total, squares = sum(weights), sum(w * w for w in weights)
    return Overlap(
        len(weights),
        total * total / squares if squares else 0.0,
        max(weights, default=0.0),
        sum(covered) / len(covered) if covered else 0.0,
    )


def doubly_robust(samples: Sequence[Sample], *, unit: bool = False) -> Estimate:
    """Return the estimate for the new policy; ``unit``: rewards are within 0..1, and so is what is told.

    Where they are not, the model is scaled to what was got: predicted tokens are bounds, and too high on the whole.
    That costs nothing: the estimate's mean does not depend on the scale. Raises ValueError without samples.
    """
    value, parts = _influence([s.weight for s in samples], [s.new for s in samples], scaled=not unit)
    ratio = 1.0 / max(1.0, overlap([s.weight for s in samples], ()).effective)
    return _told(value, parts, [s.minute for s in samples], _RULE_OF_THREE * ratio if unit else 0.0, unit=unit)


def logged(samples: Sequence[Sample], *, unit: bool = False) -> Estimate:
    """Return the mean of what was got. Raises ValueError without samples."""
    value = _mean([s.was.reward for s in samples])
    parts = [s.was.reward - value for s in samples]
    return _told(value, parts, [s.minute for s in samples], _RULE_OF_THREE / len(samples) if unit else 0.0, unit=unit)


def difference(samples: Sequence[Sample], *, unit: bool = False) -> Estimate:
    """Return how much more the new policy would have got, a request; narrower than two intervals side by side.

    The logged policy is estimated in the same way, over all that it might have drawn: the luck of its draws is no
    difference.
    """
    value, parts = _influence([s.weight for s in samples], [s.new for s in samples], scaled=not unit)
    before, its = _influence([1.0] * len(samples), [s.was for s in samples], scaled=not unit)
    paired = [f - g for f, g in zip(parts, its, strict=True)]
    return _told(value - before, paired, [s.minute for s in samples], 0.0, unit=False)


def _influence(weights: Sequence[float], sides: Sequence[Side], *, scaled: bool) -> tuple[float, list[float]]:
    """Return the estimate and each request's part in its error."""
    total = sum(weights)
    scale = 1.0
    if scaled:
        modelled = sum(w * s.modelled for w, s in zip(weights, sides, strict=True))
        scale = sum(w * s.reward for w, s in zip(weights, sides, strict=True)) / modelled if modelled > 0 else 1.0
    direct = scale * _mean([s.expected for s in sides])
    if not total:
        return direct, [scale * s.expected - direct for s in sides]
    residuals = [s.reward - scale * s.modelled for s in sides]
    residual = sum(w * e for w, e in zip(weights, residuals, strict=True)) / total
    share = len(sides) / total
    parts = [
        scale * s.expected - direct + w * share * (e - residual)
        for w, s, e in zip(weights, sides, residuals, strict=True)
    ]
    return direct + residual, parts


def _mean(values: Sequence[float]) -> float:
    if not values:
        raise ValueError("there are no requests to estimate from")
    return sum(values) / len(values)


def _told(value: float, parts: Sequence[float], minutes: Sequence[int], least: float, *, unit: bool) -> Estimate:
    n = len(parts)
    square = sum(f * f for f in parts) * (n / (n - 1) if n > 1 else 1.0)
    sums: dict[int, float] = defaultdict(float)
    for minute, f in zip(minutes, parts, strict=True):
        sums[minute] += f
    if len(sums) >= FEWEST_MINUTES:
        square = max(square, sum(f * f for f in sums.values()) * len(sums) / (len(sums) - 1))
    half = max(least, Z95 * math.sqrt(square) / n)
    if unit:
        value = min(1.0, max(0.0, value))
        return Estimate(value, max(0.0, value - half), min(1.0, value + half))
    return Estimate(value, value - half, value + half)
