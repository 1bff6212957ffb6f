"""How far the difference of two arms may lie from what is seen: at every moment at once, so that one may always look.

**Means.** A mean is the ratio of two sums over clusters (units, or units pooled by hash), ``R = sum(s) / sum(n)``. Its
variance is taken by linearising: ``sum((s - R n)^2) / sum(n)^2 x G / (G - 1)`` over G clusters, so requests of one
session may be as alike as they like.

**Sequence.** An asymptotic confidence sequence (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas: "Time-uniform central
limit theory and asymptotic confidence sequences"): for a mean of t draws with variance sigma^2 the two-sided one is

    sigma sqrt( 2 (t rho^2 + 1) / (t^2 rho^2) log( sqrt(t rho^2 + 1) / alpha ) )

With V the variance of the difference, sigma^2 / t, and x = t rho^2 that is ``sqrt( V (1 + 1/x) log((1 + x) / alpha^2)
)``. Clusters grow while the experiment goes on, so t is not counted in units: information, 1 / V, is the clock, in
parts of what there was at the first look. It is tightest at ``AHEAD`` times the first look's.

It is *asymptotic*: it rests on the central limit theorem and an estimated variance, so nothing is said before
``FEWEST`` clusters of each arm have something to tell. That alone is not enough: a small arm that has not met a rare
bad case yet has hardly any variance. So each arm is held to vary at least as much as all together, between the arms
included, as it must where they do not differ. At shares of 2 to 50 %, for events of 0.2 to 5 % and log-normal amounts,
a nominal 1 % was passed by no more than 1 % of 1,000 sequences of 20,000 units; without that by up to 24 %.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lbd.model.units import Ratio

FEWEST = 30  # clusters of each arm
ROUNDING = 1e-11  # of the squares: less is no variance
AHEAD = 10.0  # information at which the sequence is tightest, in parts of the first look's


class Sums(NamedTuple):
    """Of the clusters of one arm: how many have anything, and the sums of n, s, s^2, s n and n^2."""

    clusters: int = 0
    n: float = 0.0
    s: float = 0.0
    ss: float = 0.0
    sn: float = 0.0
    nn: float = 0.0

    @property
    def mean(self) -> float:
        """Return the ratio."""
        return self.s / self.n

    def spread(self, mean: float) -> float:
        """Return what the variance of a ratio is n times, around ``mean``."""
        if self.clusters < 2:
            return math.inf
        squares = self.ss - 2 * mean * self.sn + mean * mean * self.nn
        if squares <= ROUNDING * self.ss:
            return 0.0
        return squares / self.n * self.clusters / (self.clusters - 1)


class Interval(NamedTuple):
    """A difference, treatment less control, with its bounds."""

    difference: float
    low: float
    high: float


def together(one: Sums, other: Sums) -> Sums:
    """Return the sums of both arms."""
    clusters, *rest = (a + b for a, b in zip(one, other, strict=True))
    return Sums(int(clusters), *rest)


def variance(control: Sums, treatment: Sums) -> float | None:
    """Return the variance of the difference, None where too little is known of it."""
    if control.clusters < FEWEST or treatment.clusters < FEWEST:
        return None
    every = together(control, treatment)
    least = every.spread(every.mean)
    found = sum(max(arm.spread(arm.mean), least) / arm.n for arm in (control, treatment))
    return found if found > 0 else None  # where every value is the same there is nothing to compare


def half_width(now: float, first: float, alpha: Ratio) -> float:
    """Return how far the truth may be from a difference of variance ``now``; ``first``: at the first look."""
    tight = 2 * math.log(1 / alpha) + math.log(1 + 2 * math.log(1 / alpha))
    x = tight * first / (now * AHEAD)
    return math.sqrt(now * (1 + 1 / x) * math.log((1 + x) / alpha**2))


def interval(control: Sums, treatment: Sums, first: float, alpha: Ratio) -> Interval | None:
    """Return the difference with its bounds, which hold together at all times but with a chance of ``alpha``."""
    now = variance(control, treatment)
    if now is None:
        return None
    difference = treatment.mean - control.mean
    half = half_width(now, first, alpha)
    return Interval(difference, difference - half, difference + half)
