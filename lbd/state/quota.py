"""What a provider said of its rate limits, projected to now.

Readings come from the limit headers of every answer and from 429s. Between readings the remaining count is
lowered by lbd's own requests; at ``reset_at`` it is full again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from lbd.model.outcome import QuotaReading
from lbd.model.units import Instant, Ratio, Seconds

UNKNOWN_RESET: Seconds = 60.0  # most providers count in minutes


class Bucket(msgspec.Struct, frozen=True):
    """One limit: ``requests``, ``tokens``, ``input_tokens`` or ``output_tokens``."""

    limit: int | None
    remaining: int
    reset_at: Instant


class Quota(msgspec.Struct, frozen=True):
    """All limits of one provider, and a wait it asked for."""

    buckets: dict[str, Bucket] = {}
    blocked_until: Instant = 0.0


def read(quota: Quota, readings: Iterable[QuotaReading], now: Instant) -> Quota:
    """Return the quota after an answer's limit headers."""
    buckets = dict(quota.buckets)
    for r in readings:
        reset = now + (UNKNOWN_RESET if r.reset_s is None else r.reset_s)
        buckets[r.what] = Bucket(r.limit, r.remaining, reset)
    return replace(quota, buckets=buckets) if buckets != quota.buckets else quota


def blocked(quota: Quota, wait_s: Seconds, now: Instant) -> Quota:
    """Return the quota after a 429: closed for ``wait_s``, or longer where it was already."""
    return replace(quota, blocked_until=max(quota.blocked_until, now + wait_s))


def used(quota: Quota, tokens: int) -> Quota:
    """Return the quota after lbd sent one request of ``tokens`` input tokens of its own."""
    if not quota.buckets:
        return quota
    buckets = {
        what: replace(b, remaining=max(0, b.remaining - (1 if what == "requests" else tokens)))
        for what, b in quota.buckets.items()
    }
    return replace(quota, buckets=buckets)


def left(quota: Quota, now: Instant) -> Ratio:
    """Return the share of the scarcest limit that is left, 1 where nothing is known, 0 while blocked."""
    if now < quota.blocked_until:
        return 0.0
    if not quota.buckets:
        return 1.0
    shares = [
        b.remaining / b.limit if b.limit else float(b.remaining > 0) for b in quota.buckets.values() if now < b.reset_at
    ]
    return min(1.0, *shares) if shares else 1.0


def next_timer(quota: Quota, now: Instant) -> Instant | None:
    """Return when it may be used again, None when it may be used now."""
    waits = [b.reset_at for b in quota.buckets.values() if now < b.reset_at and b.remaining <= 0]
    if now < quota.blocked_until:
        waits.append(quota.blocked_until)
    return max(waits) if waits else None
