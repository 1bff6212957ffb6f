"""Adaptive concurrency limit of a self-hosted deployment, from the time to the first token.

A server with k slots begins at once while fewer than k requests run, and makes the rest wait inside, without a word. So
for each prompt-size bucket the smallest recent TTFT is the base line, and what a TTFT has beyond it was waiting. How
many wait there follows from Little's law: of n requests in flight, each of which spent W of its time T waiting, n W / T
are waiting at any moment, and the others fill the slots. Where more wait than ``WAITING`` on the average, the limit is
cut to what was served; where an answer at the limit did not wait, it rises a little. Judged is the share of an answer's
whole time, not the TTFT by itself: a prompt that took longer to read than its base line says is a small part of it, a
turn in a queue a large one. Cutting by a factor whenever a TTFT is a multiple of the base line, as in Netflix's
concurrency-limits, was tried: it needs a minute from 64 to 2, and takes 32 slots for 10.

Prompts are told apart by the tokens that had to be read, so that neither a long one looks like overload nor one from
the cache makes all others look like it. What a bucket has not shown by itself follows from the others: a longer prompt
takes no less, and a shorter one less at most in proportion.

The base line rises slowly (``FORGET`` a second), and by what a request met that was alone, so that a server that became
slower for good is not throttled for ever.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import msgspec
from msgspec.structs import replace

from lbd.model.units import Instant, Ratio, Seconds, Tokens

LOWEST, HIGHEST = 1.0, 512.0
START = 8.0
# Upper bounds of the buckets, in tokens that were read: steps of 2, since what differs inside one looks like waiting.
BOUNDS: tuple[Tokens, ...] = tuple(2**i for i in range(7, 17))
SPREAD = 1.5  # prompts of one bucket, and turns of a batch, differ by so much without any waiting
SLACK: Seconds = 0.05  # and by at least this: below it is noise of the network and the scheduler
WAITING = 0.55  # requests that may wait inside on the average: one too many makes it 1
WAITING_SHARE: Ratio = 0.1  # and of those in flight, since noise grows with their number
HEADROOM = 0.5  # a cut leaves so much over what was served: half the way to the next whole number
SOON = 3  # a cut rests on so many answers at least
RISE = 0.5  # growth for a round of answers at the limit
FORGET: Ratio = 0.005  # growth of the base line, a second
ALONE: Ratio = 0.1  # of the way from the base line to what a request met that was alone


class Limit(msgspec.Struct, frozen=True):
    """The limit and what it learned from.

    ``base`` is per bucket, None where nothing was seen. ``inside`` and ``waiting`` are how many requests were in
    flight, and how many of these waited, on the average of the last answers; ``answers`` counts those since the last
    cut.
    """

    value: float = START
    base: tuple[Seconds | None, ...] = (None,) * (len(BOUNDS) + 1)
    base_at: Instant = 0.0
    inside: float = 0.0
    waiting: float = 0.0
    answers: int = 0
    cut: bool = False  # at least once: the search from afar is over


def sample(limit: Limit, ttft_s: Seconds, total_s: Seconds, tokens: Tokens, inflight: int, now: Instant) -> Limit:
    """Return the limit after one good answer, which took ``total_s`` and for which ``tokens`` of its prompt were read.

    ``inflight`` is how many requests ran there when this one was sent, itself included: an answer that came
    while the limit was far away says nothing about whether it could be higher.
    """
    growth = 1.0 + FORGET * max(0.0, now - limit.base_at) if limit.base_at else 1.0
    base = [None if b is None else b * growth for b in limit.base]
    bucket = bisect_left(BOUNDS, tokens)
    expected = _expected(base, bucket)
    base[bucket] = _moved(base[bucket], ttft_s, inflight)
    limit = replace(limit, base=tuple(base), base_at=now)
    if expected is None or (limit.cut and 2 * inflight <= limit.value):
        return limit
    waited = max(0.0, ttft_s - max(expected * SPREAD, expected + SLACK)) if inflight > 1 else 0.0
    return _judged(limit, inflight * waited / max(total_s, ttft_s, 1e-9), inflight)


def _expected(base: list[Seconds | None], bucket: int) -> Seconds | None:
    """Return the TTFT without waiting, None where nothing is known yet."""
    bounds = [b * 2.0 ** (bucket - i + 1) if i < bucket else b for i, b in enumerate(base) if b is not None]
    return min(bounds, default=None)


def _moved(base: Seconds | None, ttft_s: Seconds, inflight: int) -> Seconds:
    if base is None or ttft_s <= base:
        return ttft_s
    return base + ALONE * (ttft_s - base) if inflight == 1 else base


def _judged(limit: Limit, waiting: float, inflight: int) -> Limit:
    """Return the limit after an answer that saw so many waiting inside, out of so many in flight."""
    answers = limit.answers + 1
    weight = max(1.0 / answers, 1.0 / (2.0 + 2.0 * limit.value))
    inside = limit.inside + weight * (inflight - limit.inside)
    mean = limit.waiting + weight * (waiting - limit.waiting)
    allowed = max(WAITING, WAITING_SHARE * inside)
    if mean > allowed and answers >= (max(SOON, limit.value) if limit.cut else SOON):
        value = min(limit.value, max(LOWEST, inside - mean + HEADROOM))
        return replace(limit, value=value, inside=0.0, waiting=0.0, answers=0, cut=True)
    value = limit.value
    # what was sent under a higher limit says how many are served, but not that more could be
    if max(waiting, 2 * mean) < allowed and inflight < limit.value + 1:
        value = min(HIGHEST, value + _growth(limit, inflight))
    return replace(limit, value=value, inside=inside, waiting=mean, answers=answers)


def _growth(limit: Limit, inflight: int) -> float:
    """Return how much one answer that did not wait may raise the limit."""
    if not limit.cut:  # nothing has queued yet: double with each generation of answers
        return 1.0 if 2 * inflight > limit.value else 0.0
    return RISE / limit.value if inflight >= math.floor(limit.value) else 0.0


def slots_known(limit: Limit, slots: int) -> Limit:
    """Return the limit set to what the server itself says it can run at once."""
    value = min(HIGHEST, max(LOWEST, float(slots)))
    return limit if limit.value == value else replace(limit, value=value)


def admits(limit: Limit, inflight: int) -> bool:
    """Tell whether one more request fits."""
    return inflight < math.floor(limit.value)
