"""How long a first token takes where nobody waits for a slot, for each prompt-size bucket.

It is learned from answers of which that is known: they ran alone, or beside few enough others. Their mean is kept, not
their minimum: what an answer at the limit has beyond it then cancels out over many where nobody waits, however much
they differ among themselves. A minimum calls everything waiting that is not the luckiest, and is wrong for good once it
was learned behind somebody else's queue.

Prompts are told apart by the tokens that had to be read, so that neither a long one looks like overload nor one from
the cache makes all others look like it. What a bucket has not shown often enough for its noise follows from a straight
line through all of them, so that few answers do for many buckets. While even that is not known, a longer prompt is held
to take no less than another, and a shorter one less at most in proportion.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from lbd.model.units import Ratio, Seconds, Tokens

T = TypeVar("T")

STEP = 2**0.5  # from one bucket to the next, since what differs inside one looks like waiting
BOUNDS: tuple[Tokens, ...] = tuple(round(16 * STEP**i) for i in range(25))  # upper ones, in tokens: 16 to 65,536
MIDDLES: tuple[float, ...] = tuple(bound / STEP**0.5 for bound in (*BOUNDS, BOUNDS[-1] * STEP))  # of the buckets
KNOWN = 3  # answers that make a bucket stand for itself, and that a line is drawn from
MISFIT: Ratio = 0.2  # by so much a bucket may lie off the line
RATE: Ratio = 0.05  # of the way to what an answer took, once there are many
MANY = round(2 / RATE) - 1  # older ones have faded
OUTLIER = 8.0  # an answer counts for so many times the usual at most: the odd one stood behind another's request
OUTLIER_S: Seconds = 1.0  # or for so long
NOISE: Ratio = 0.3  # until it is known
QUIET: Ratio = 0.05  # less is taken for so much: no server is so even
NOISE_KNOWN = 4  # answers for which that counts
NORMAL = 1.25  # a normal distribution's standard deviation is so many times its mean deviation


class Baseline(msgspec.Struct, frozen=True):
    """See the module.

    ``usual_s`` is by bucket, None where nothing was seen; ``count`` is of how many answers that did not wait. ``noise``
    is how far these lay from it, as their standard deviation's share of it. ``slope`` is the line through the buckets
    of prompts that are read: seconds for none, and for each token; ``answers``: how many it rests on.
    """

    usual_s: tuple[Seconds | None, ...] = (None,) * (len(BOUNDS) + 1)
    count: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    noise: Ratio = NOISE
    slope: tuple[Seconds, Seconds] | None = None
    answers: int = 0


def expected(line: Baseline, tokens: Tokens) -> Seconds | None:
    """Return how long the first token of such a prompt takes without waiting, None where nothing is known yet."""
    own = bisect_left(BOUNDS, tokens)
    count, usual = line.count[own], line.usual_s[own]
    if own and line.slope is not None and line.answers >= KNOWN:
        drawn = line.slope[0] + line.slope[1] * MIDDLES[own]
        share = 0.0 if usual is None else count / (count + _weight(line))
        return drawn + share * ((usual or 0.0) - drawn)
    if count >= KNOWN:
        return usual
    # the first bucket holds prompts from the cache, which say nothing about those that are read
    seen = ((i, took) for i, took in enumerate(line.usual_s) if took is not None and (i or not own))
    return min((took * STEP ** (own - i + 1) if i < own else took for i, took in seen), default=None)


def doubt(line: Baseline, tokens: Tokens) -> Ratio:
    """Return how wrong that may be, as a share of it: the fewer answers it rests on, the more."""
    own = bisect_left(BOUNDS, tokens)
    count = float(line.count[own])
    if own and line.slope is not None:
        count += min(_weight(line), line.answers)
    return line.noise / math.sqrt(min(max(1.0, count), MANY))


def learned(line: Baseline, ttft_s: Seconds, tokens: Tokens, *, waited: bool) -> Baseline:
    """Return the base line after one good answer; ``waited``: it may have, for all that is known."""
    i = bisect_left(BOUNDS, tokens)
    usual, count, noise = line.usual_s[i], line.count[i], line.noise
    if usual is None:
        bound = expected(line, tokens) if waited else None
        usual = ttft_s if bound is None else min(ttft_s, bound)
    elif count <= 1 and ttft_s < usual / 2:  # the first one met somebody else's queue
        usual, count = ttft_s, 0
    elif not waited:
        taken = min(ttft_s, max(OUTLIER * usual, OUTLIER_S))
        noise = _noise(line, expected(line, tokens) or usual, taken)
        usual += max(RATE, 1.0 / (1 + count)) * (taken - usual)
    elif count or ttft_s >= usual:
        return line
    else:
        usual = ttft_s
    line = replace(line, usual_s=_with(line.usual_s, i, usual), count=_with(line.count, i, count + (not waited)))
    return replace(line, noise=noise, slope=_slope(line), answers=sum(min(count, MANY) for count in line.count[1:]))


def least(line: Baseline) -> Seconds | None:
    """Return the shortest that is known: a short prompt's."""
    return min((usual for usual in line.usual_s if usual is not None), default=None)


def _weight(line: Baseline) -> float:
    """Return how many answers of a bucket's own say as much of it as the line does."""
    return (max(QUIET, line.noise) / MISFIT) ** 2


def _noise(line: Baseline, usual: Seconds, taken: Seconds) -> Ratio:
    """Return the noise after one more answer: its distance as a share of the middle, which one far off cannot spoil."""
    off = 2 * NORMAL * abs(taken - usual) / max(taken + usual, 1e-9)
    return line.noise + max(RATE, 1.0 / (NOISE_KNOWN + line.answers)) * (off - line.noise)


def _slope(line: Baseline) -> tuple[Seconds, Seconds] | None:
    """Return the line through the buckets, by least squares: a bucket counts by its answers and against its noise.

    That is in proportion to what the line before told of it: what it showed itself would favour the low ones.
    """
    points = [
        (x, y, float(n)) for x, y, n in zip(MIDDLES[1:], line.usual_s[1:], line.count[1:], strict=True) if n and y
    ]
    if len(points) < 2:
        return None
    if (before := line.slope) is not None:
        points = [(x, y, n / max(before[0] + before[1] * x, 1e-3) ** 2) for x, y, n in points]
    whole = sum(n for _, _, n in points)
    x_mean, y_mean = sum(n * x for x, _, n in points) / whole, sum(n * y for _, y, n in points) / whole
    spread = sum(n * (x - x_mean) ** 2 for x, _, n in points)
    each = max(0.0, sum(n * (x - x_mean) * (y - y_mean) for x, y, n in points) / spread)
    if y_mean >= each * x_mean:
        return y_mean - each * x_mean, each
    return 0.0, sum(n * x * y for x, y, n in points) / sum(n * x * x for x, _, n in points)


def _with(values: tuple[T, ...], i: int, value: T) -> tuple[T, ...]:
    return (*values[:i], value, *values[i + 1 :])
