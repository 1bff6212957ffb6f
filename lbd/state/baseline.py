"""How long a first token takes where nobody waits for a slot, for each prompt-size bucket.

It is learned from answers of which that is known: they ran alone, or beside few enough others. Their mean is kept, not
their minimum: what an answer at the limit has beyond it then cancels out over many where nobody waits, however much
they differ among themselves. A minimum calls everything waiting that is not the luckiest, and is wrong for good once it
was learned behind somebody else's queue.

Prompts are told apart by the tokens that had to be read, so that neither a long one looks like overload nor one from
the cache makes all others look like it. What a bucket has not shown by itself follows from the others: a longer prompt
takes no less, and a shorter one less at most in proportion.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TypeVar

import msgspec

from lbd.model.units import Ratio, Seconds, Tokens

T = TypeVar("T")

STEP = 2**0.5  # from one bucket to the next, since what differs inside one looks like waiting
BOUNDS: tuple[Tokens, ...] = tuple(round(16 * STEP**i) for i in range(25))  # upper ones, in tokens: 16 to 65,536
KNOWN = 3  # answers that make a bucket stand for itself
RATE: Ratio = 0.05  # of the way to what an answer took, once there are many
MANY = round(2 / RATE) - 1  # older ones have faded
OUTLIER = 8.0  # an answer counts for so many times the usual at most: the odd one stood behind another's request
OUTLIER_S: Seconds = 1.0  # or for so long
NOISE: Ratio = 0.3  # until it is known
NORMAL = 1.25  # a normal distribution's standard deviation is so many times its mean deviation


class Baseline(msgspec.Struct, frozen=True):
    """See the module.

    ``usual_s`` is by bucket, None where nothing was seen; ``count`` is of how many answers that did not wait. ``noise``
    is how far these lay from it, as their standard deviation's share of it.
    """

    usual_s: tuple[Seconds | None, ...] = (None,) * (len(BOUNDS) + 1)
    count: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    noise: Ratio = NOISE


def expected(line: Baseline, tokens: Tokens) -> Seconds | None:
    """Return how long the first token of such a prompt takes without waiting, None where nothing is known yet."""
    own = bisect_left(BOUNDS, tokens)
    if line.count[own] >= KNOWN:
        return line.usual_s[own]
    # the first bucket holds prompts from the cache, which say nothing about those that are read
    seen = ((i, usual) for i, usual in enumerate(line.usual_s) if usual is not None and (i or not own))
    return min((usual * STEP ** (own - i + 1) if i < own else usual for i, usual in seen), default=None)


def doubt(line: Baseline, tokens: Tokens) -> Ratio:
    """Return how wrong that may be, as a share of it: the fewer answers it rests on, the more."""
    count = line.count[bisect_left(BOUNDS, tokens)]
    return line.noise / math.sqrt(min(max(1, count), MANY))


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
        # of a prompt from the cache, a moment's delay is many times the usual: that says nothing of all the others
        noise += RATE * (NORMAL * abs(min(OUTLIER, taken / max(usual, 1e-9)) - 1.0) - noise)
        usual += max(RATE, 1.0 / (1 + count)) * (taken - usual)
    elif count or ttft_s >= usual:
        return line
    else:
        usual = ttft_s
    return Baseline(_with(line.usual_s, i, usual), _with(line.count, i, count + (not waited)), noise)


def least(line: Baseline) -> Seconds | None:
    """Return the shortest that is known: a short prompt's."""
    return min((usual for usual in line.usual_s if usual is not None), default=None)


def _with(values: tuple[T, ...], i: int, value: T) -> tuple[T, ...]:
    return (*values[:i], value, *values[i + 1 :])
