"""What a provider said of its rate limits, projected to now.

Readings come from the limit headers of every answer and from 429s. An answer tells how things stood when its
request came in; what lbd sent after that request is subtracted, and an older view never replaces a younger one.
At ``reset_at`` a limit is full again. Until then some providers fill up steadily (a token bucket: the time to full
is in proportion to what is missing) and some not at all (a fixed window); readings show which it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from lbd.model.outcome import QuotaReading
from lbd.model.units import Instant, Ratio, Seconds, Tokens

UNKNOWN_RESET: Seconds = 60.0  # most providers count in minutes
EACH_WEIGHT = 0.1
ANCHOR_AGE: Seconds = 5.0  # between two readings that are compared: a fixed window's rate differs by then
SAME_RATE: Ratio = 0.12
USED_ENOUGH: Ratio = 0.1  # below it resets rounded to whole seconds say nothing


class Bucket(msgspec.Struct, frozen=True):
    """One limit: ``requests``, ``tokens``, ``input_tokens`` or ``output_tokens``.

    ``remaining`` is as of ``at``. ``refill`` is what comes back in a second, 0 for a fixed window and until it is
    known; ``anchor`` is (when, rate) of the reading that the next one is compared with.
    """

    limit: int | None
    remaining: float
    reset_at: Instant
    at: Instant = 0.0
    refill: float = 0.0
    anchor: tuple[Instant, float] | None = None


class Quota(msgspec.Struct, frozen=True):
    """All limits of one account, and a wait it asked for.

    ``as_of`` is the ordinal of the request whose answer was read last; ``tokens_each`` what a request usually takes.
    """

    buckets: dict[str, Bucket] = {}
    blocked_until: Instant = 0.0
    as_of: int = 0
    tokens_each: float = 0.0


def read(
    quota: Quota,
    readings: Iterable[QuotaReading],
    at: Instant,
    *,
    ordinal: int = 0,
    sent: int = 0,
    tokens: Tokens | None = None,
) -> Quota:
    """Return the quota after the limit headers of an answer that came ``at``.

    It answered the account's request number ``ordinal`` of ``sent`` so far, and took ``tokens``.
    """
    each = quota.tokens_each
    if tokens:
        each = each + EACH_WEIGHT * (tokens - each) if each else float(tokens)
    quota = quota if each == quota.tokens_each else replace(quota, tokens_each=each)
    if ordinal < quota.as_of:
        return quota
    buckets = dict(quota.buckets)
    for r in readings:
        since = (sent - ordinal) * _each(quota, r.what)
        buckets[r.what] = _bucket(buckets.get(r.what), r, at, max(0.0, r.remaining - since))
    if buckets == quota.buckets and ordinal == quota.as_of:
        return quota
    return replace(quota, buckets=buckets, as_of=ordinal)


def _bucket(old: Bucket | None, r: QuotaReading, at: Instant, remaining: float) -> Bucket:
    reset_s = UNKNOWN_RESET if r.reset_s is None else r.reset_s
    known = old is not None and old.limit == r.limit
    refill = old.refill if old is not None and known else 0.0
    anchor = old.anchor if old is not None and known else None
    if r.limit and r.reset_s and r.limit - r.remaining >= USED_ENOUGH * r.limit:
        rate = (r.limit - r.remaining) / r.reset_s
        if anchor is None:
            anchor = (at, rate)
        elif at - anchor[0] >= ANCHOR_AGE:
            refill = rate if abs(rate - anchor[1]) <= SAME_RATE * anchor[1] else 0.0
            anchor = (at, rate)
    return Bucket(r.limit, remaining, at + reset_s, at, refill, anchor)


def _each(quota: Quota, what: str) -> float:
    return 1.0 if what.startswith("requests") else max(1.0, quota.tokens_each)


def blocked(quota: Quota, wait_s: Seconds, now: Instant) -> Quota:
    """Return the quota after a 429: closed for ``wait_s``, or longer where it was already."""
    return replace(quota, blocked_until=max(quota.blocked_until, now + wait_s))


def used(quota: Quota) -> Quota:
    """Return the quota after lbd sent one more request."""
    if not quota.buckets:
        return quota
    buckets = {
        what: replace(b, remaining=max(0.0, b.remaining - _each(quota, what))) for what, b in quota.buckets.items()
    }
    return replace(quota, buckets=buckets)


def held(bucket: Bucket, now: Instant) -> float:
    """Return how much of a limit is left now, before its reset."""
    value = bucket.remaining + max(0.0, now - bucket.at) * bucket.refill
    return value if bucket.limit is None else min(value, float(bucket.limit))


def left(quota: Quota, now: Instant) -> Ratio:
    """Return the share of the scarcest limit that is left.

    1 where nothing is known; 0 while blocked, and where less is left than a request usually takes.
    """
    if now < quota.blocked_until:
        return 0.0
    least = 1.0
    for what, b in quota.buckets.items():
        if now < b.reset_at:
            value = held(b, now)
            if value < _each(quota, what):
                return 0.0
            least = min(least, value / b.limit if b.limit else 1.0)
    return least


def next_timer(quota: Quota, now: Instant) -> Instant | None:
    """Return when it may be used again, None when it may be used now."""
    waits = [_usable_at(b, _each(quota, what), now) for what, b in quota.buckets.items() if now < b.reset_at]
    if now < quota.blocked_until:
        waits.append(quota.blocked_until)
    at = max(waits, default=now)
    return at if at > now else None


def _usable_at(bucket: Bucket, need: float, now: Instant) -> Instant:
    if held(bucket, now) >= need:
        return now
    if not bucket.refill or (bucket.limit is not None and need > bucket.limit):
        return bucket.reset_at
    # a hair later, so that rounding does not leave it a hair short
    return min(bucket.reset_at, bucket.at + (need - bucket.remaining) / bucket.refill * (1 + 1e-9) + 1e-6)
