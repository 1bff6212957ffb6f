"""Adaptive concurrency limit of a self-hosted deployment, from the time to the first token.

A server with k slots starts the first token at once while fewer than k requests run, and makes the rest
wait. So for each prompt-size bucket the smallest recent TTFT is the base line, and a TTFT far above it
means that the request had queued inside the server: the limit is too high. AIMD on that signal, as in
Netflix's concurrency-limits, but on TTFT instead of total time, since the length of an answer says nothing
about queueing.

The base line rises slowly (``FORGET`` a second), so that a server that became slower for good is not
throttled for ever.
"""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from lbd.model.table import SIZES
from lbd.model.units import Instant, Ratio, Seconds

LOWEST, HIGHEST = 1.0, 512.0
START = 8.0
TOLERANCE = 2.5  # a TTFT above this multiple of the base line had to wait
SLACK: Seconds = 0.05  # and by at least this much: below it is noise of the network and the scheduler
DECREASE = 0.85
HOLD: Seconds = 1.0  # at most one decrease in this time: answers that queued together count once
FORGET: Ratio = 0.005  # growth of the base line, a second


class Limit(msgspec.Struct, frozen=True):
    """The limit and what it learned from. ``base`` is per prompt-size bucket, None where nothing was seen."""

    value: float = START
    base: tuple[Seconds | None, ...] = (None,) * SIZES
    base_at: Instant = 0.0
    decreased_at: Instant = -math.inf


def sample(limit: Limit, ttft_s: Seconds, size: int, inflight: int, now: Instant) -> Limit:
    """Return the limit after one good answer.

    ``inflight`` is how many requests ran there when this one was sent, itself included: an answer that came
    while the limit was far away says nothing about whether it could be higher.
    """
    growth = 1.0 + FORGET * max(0.0, now - limit.base_at) if limit.base_at else 1.0
    grown = [None if b is None else b * growth for b in limit.base]
    old = grown[size]
    grown[size] = ttft_s if old is None else min(old, ttft_s)
    base = tuple(grown)
    queued = old is not None and ttft_s > old * TOLERANCE and ttft_s - old > SLACK
    if queued:
        # sent under a higher limit than today's: what it met is answered for already
        stale = inflight > limit.value
        if stale or now - limit.decreased_at < HOLD or inflight <= LOWEST:
            return replace(limit, base=base, base_at=now)
        value = max(LOWEST, min(limit.value * DECREASE, float(inflight)))
        return replace(limit, value=value, base=base, base_at=now, decreased_at=now)
    step = _growth(limit, inflight)
    return replace(limit, value=min(HIGHEST, limit.value + step), base=base, base_at=now)


def _growth(limit: Limit, inflight: int) -> float:
    """Return how much one answer that did not wait may raise the limit."""
    if limit.decreased_at == -math.inf:  # nothing has queued yet: double with each generation of answers
        return 1.0 if 2 * inflight > limit.value else 0.0
    return 1.0 / limit.value if inflight >= math.floor(limit.value) else 0.0


def slots_known(limit: Limit, slots: int) -> Limit:
    """Return the limit set to what the server itself says it can run at once."""
    value = min(HIGHEST, max(LOWEST, float(slots)))
    return limit if limit.value == value else replace(limit, value=value)


def admits(limit: Limit, inflight: int) -> bool:
    """Tell whether one more request fits."""
    return inflight < math.floor(limit.value)
