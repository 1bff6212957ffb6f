"""The rate limits of one account together (:mod:`lbd.state.bucket` is one of them), and what its 429s ask for.

Readings come from the limit headers of every answer. An older view never replaces a younger one. Every request is taken
off all of them when it is sent; one that does not fit is not sent before it does, so that it is lbd that waits and not
the provider that refuses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from lbd.model.outcome import QuotaReading
from lbd.model.units import Instant, Ratio, Seconds
from lbd.state import bucket
from lbd.state import pace as paces
from lbd.state.bucket import UNKNOWN_RESET, Bucket, Request, Told
from lbd.state.need import NOBODY, NOTHING, Ahead, Need, amount, answers
from lbd.state.pace import RATE_WAIT, Pace, Refusal

EACH_WEIGHT = 0.1
SOON: Seconds = 1.0  # whoever comes in time for what fills up within it is not turned away but waits its turn
LEAST: Ratio = 0.001  # told to be left where there is none at this moment, but soon
# A wait that is longer is honoured, but who has nobody else may look now and then: a day may be no more than a default.
LONG_WAIT: Seconds = 600.0
FIRST_LOOK: Seconds = 300.0  # from the last 429; doubled after each
MOST_DOUBLINGS = 4
LEAST_WAIT: Seconds = 0.1  # after a 429 that names no wait, or a time that is past: it is drawn, up to RATE_WAIT


class Quota(msgspec.Struct, frozen=True):
    """All limits of one account. ``as_of`` is the ordinal of the request whose answer was read last.

    ``each`` is what a request usually takes. ``pace`` is how fast it may be asked since it has answered 429, None where
    it has not for long.
    """

    buckets: dict[str, Bucket] = {}
    blocked_until: Instant = 0.0
    as_of: float = 0
    each: Need = Need()
    pace: Pace | None = None
    look: bool = False  # one request may go and look whether it is shut still
    looked_at: Instant = math.inf  # when one did


class Answered(NamedTuple):
    """Which request an answer belongs to: all that the account had sent with it, by estimate; and where lbd stood.

    It was sent ``at``, its head came ``age_s`` later; ``limits`` were those of the account just behind it, ``open``
    the requests under way then. ``sent`` is all that the account has sent until now.
    """

    mark: Need
    sent: Need
    at: Instant
    age_s: Seconds = 0.0
    limits: Quota | None = None
    open: Need = NOTHING
    served: bool = False  # the answer was good


def read(quota: Quota, readings: Iterable[QuotaReading], answered: Answered, now: Instant) -> Quota:
    """Return the quota after the limit headers of an answer."""
    mark, sent, at, age_s, limits, under_way, served = answered
    if mark.requests < quota.as_of:
        return quota
    buckets = dict(quota.buckets)
    since = sent.minus(mark)
    for r in readings:
        old = buckets.get(r.what)
        if _window_gone(old, r, at + age_s, now):
            continue
        then = None if limits is None else limits.buckets.get(r.what)
        told_open = answers(r.what, under_way)
        believed = None
        if then is not None and then.limit == r.limit:
            believed = bucket.level(then, at) + bucket.shown(then, told_open)
        told = Told(at, age_s, amount(r.what, mark), amount(r.what, since), told_open, believed, served)
        buckets[r.what] = bucket.read(old, r, told, exact=r.what.startswith("requests"))
    return replace(quota, buckets=buckets, as_of=mark.requests)


def _window_gone(old: Bucket | None, r: QuotaReading, head_at: Instant, now: Instant) -> bool:
    """Tell whether a reading is of a window that has ended since, and lbd counts in the next one already."""
    if old is None or old.refill or r.reset_s is None:
        return False
    ends = head_at + r.reset_s
    return now >= ends and old.at >= ends


def blocked(quota: Quota, wait_s: Seconds, now: Instant) -> Quota:
    """Return the quota after a 429: closed for ``wait_s``, or longer where it was already."""
    return replace(quota, blocked_until=max(quota.blocked_until, now + wait_s))


def refused(
    quota: Quota, wait_s: Seconds | None, now: Instant, *, sent_at: Instant, draw: Ratio = 0.5, asked: int = 0
) -> Quota:
    """Return the quota after a 429 to a request that was sent then: closed for as long as it asks.

    Where it names none, for a time that is drawn. ``asked`` requests have wanted the account until now.
    """
    named = wait_s is not None and wait_s > 0
    if wait_s is None or wait_s <= 0:
        # what was under way when it closed says the same once more
        wait_s = _backoff(quota.pace, now, draw) if paces.is_news(quota.pace, sent_at, now) else 0.0
    quota = blocked(quota, wait_s, now)
    told = any(not bucket.over(b, now) for b in quota.buckets.values())
    refusal = Refusal(sent_at, quota.blocked_until, asked, draw, named=named, measured=not told)
    buckets = {what: bucket.refused(b, now) for what, b in quota.buckets.items()}
    pace = paces.refused(quota.pace, refusal, now)
    return replace(quota, buckets=buckets, pace=pace, look=False, looked_at=math.inf)


def _backoff(pace: Pace | None, now: Instant, draw: Ratio) -> Seconds:
    if pace is not None and now < pace.free.until:
        return draw * LEAST_WAIT
    return LEAST_WAIT + draw * (RATE_WAIT - LEAST_WAIT)


def answered(quota: Quota, sent_at: Instant, now: Instant) -> Quota:
    """Return the quota after a good answer to a request that was sent then."""
    if quota.pace is None:
        return quota
    if sent_at >= quota.looked_at and now < quota.blocked_until:  # it has not been shut for so long
        return replace(quota, blocked_until=now, pace=None, look=False, looked_at=math.inf)
    return replace(quota, pace=paces.answered(quota.pace, sent_at, now))


def look(quota: Quota, now: Instant) -> Quota:
    """Return the quota open for one request that has nobody else, where what shuts it may be no more than a word."""
    if now < quota.blocked_until:
        return replace(quota, look=True) if _may_look(quota, now) else quota
    buckets = {what: bucket.look(b, now) for what, b in quota.buckets.items()}
    changed = any(b is not quota.buckets[what] for what, b in buckets.items())
    return replace(quota, buckets=buckets) if changed else quota


def looked_into(quota: Quota, now: Instant) -> bool:
    """Tell whether somebody has gone and looks if a limit is more than a header, and is not back."""
    return any(b.looked_at <= now < b.looks_at and b.doubted == math.inf for b in quota.buckets.values())


def _may_look(quota: Quota, now: Instant) -> bool:
    pace = quota.pace
    if pace is None or quota.look or quota.blocked_until - pace.since <= LONG_WAIT:
        return False
    since = pace.since if quota.looked_at == math.inf else quota.looked_at
    return now - since >= FIRST_LOOK * 2.0 ** min(pace.refusals - 1, MOST_DOUBLINGS)


def used(quota: Quota, need: Need, now: Instant, asked: int = 0) -> Quota:
    """Return the quota after lbd sent one more request; ``asked`` have wanted the account until now."""
    if quota.look:
        quota = replace(quota, look=False, looked_at=now)
    pace = quota.pace if quota.pace is None else paces.used(quota.pace, now, asked)
    if not quota.buckets:
        return quota if pace is quota.pace else replace(quota, pace=pace)
    buckets = {what: bucket.used(b, amount(what, need), now) for what, b in quota.buckets.items()}
    each = quota.each
    known = each.input or each.output
    usual = Need(*(e + EACH_WEIGHT * (n - e) for e, n in zip(each, need, strict=True))) if known else need
    return Quota(buckets, quota.blocked_until, quota.as_of, usual, pace, quota.look, quota.looked_at)


def held(b: Bucket, now: Instant) -> float:
    """Return how much of a limit is left now, for people."""
    return max(0.0, bucket.level(b, now))


def when(
    quota: Quota, need: Need, now: Instant, *, ahead: Ahead = NOBODY, under_way: Need = NOTHING, asked: int = 0
) -> Instant:
    """Return when a request may be sent, behind others that take so much: now, or the soonest time after it."""
    at = now if quota.look else max(now, quota.blocked_until)
    if quota.pace is not None and not quota.look:
        at = max(at, paces.when(quota.pace, now, ahead=ahead.total.requests, asked=asked))
    for what, b in quota.buckets.items():
        if b.limit is None and now >= b.reset_at:
            continue
        before = amount(what, ahead.total), amount(what, ahead.one)
        request = Request(amount(what, need), *before, answers(what, need).most, answers(what, under_way))
        at = max(at, bucket.when(b, request, now))
    return at


def left(quota: Quota, now: Instant) -> Ratio:
    """Return the share of the scarcest limit that is left: 1 where nothing is known, 0 while it is shut."""
    if next_timer(quota, now) is not None:
        return 0.0
    least = 1.0
    for b in quota.buckets.values():
        if b.limit and not bucket.over(b, now):
            least = min(least, max(LEAST, (bucket.level(b, now) - bucket.reserve(b)) / b.limit))
    if quota.pace is not None and paces.opens(quota.pace, now) > now:
        return LEAST
    return least


def next_timer(quota: Quota, now: Instant) -> Instant | None:
    """Return when it opens again; None while it is open.

    It is shut while a 429 asks for it, and while the usual request has no room: where a limit fills up steadily, none
    for another ``SOON``.
    """
    at = now if quota.look else quota.blocked_until
    if quota.pace is not None and not quota.look:
        at = max(at, paces.opens(quota.pace, now) - SOON)
    for what, b in quota.buckets.items():
        if bucket.over(b, now):
            continue
        free = bucket.when(b, Request(max(1.0, amount(what, quota.each))), now)
        if free > now:
            at = max(at, free - SOON if b.refill else free)
    return at if at > now else None


__all__ = [
    "LEAST_WAIT",
    "RATE_WAIT",
    "UNKNOWN_RESET",
    "Answered",
    "Bucket",
    "Quota",
    "answered",
    "blocked",
    "held",
    "left",
    "next_timer",
    "read",
    "refused",
    "used",
    "when",
]
