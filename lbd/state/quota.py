"""The rate limits of one account together (:mod:`lbd.state.bucket` is one of them), and a wait that a 429 asked for.

Readings come from the limit headers of every answer. An older view never replaces a younger one. Every request is taken
off all of them when it is sent; one that does not fit is not sent before it does, so that it is lbd that waits and not
the provider that refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from lbd.model.outcome import QuotaReading
from lbd.model.units import Instant, Ratio, Seconds
from lbd.state import bucket
from lbd.state.bucket import UNKNOWN_RESET, Bucket, Request, Told
from lbd.state.need import NOBODY, NOTHING, Ahead, Need, amount, answers

EACH_WEIGHT = 0.1
SOON: Seconds = 1.0  # whoever comes in time for what fills up within it is not turned away but waits its turn
LEAST: Ratio = 0.001  # told to be left where there is none at this moment, but soon
RATE_WAIT: Seconds = 1.0  # after a 429 that names no wait
LEAST_WAIT: Seconds = 0.1  # after one that names none at all, or a time that is past: else every request would try it
# After so many 429s with no answer between, what is left of a limit is nothing, and not a little of which others had
# their part: when the wait is over one request goes first, and waits that nobody named double up to the longest, which
# is soon enough to find out that the limit has gone.
MISTRUSTED = 3
LONGEST_RATE_WAIT: Seconds = 16.0


class Quota(msgspec.Struct, frozen=True):
    """All limits of one account. ``as_of`` is the ordinal of the request whose answer was read last.

    ``each`` is what a request usually takes. ``refusals`` are the 429s with no answer between, those that one moment
    brought counted once; ``opened`` is when the wait before the last of them was over. ``trial``: a request went first.
    """

    buckets: dict[str, Bucket] = {}
    blocked_until: Instant = 0.0
    as_of: float = 0
    each: Need = Need()
    refusals: int = 0
    opened: Instant = 0.0
    trial: bool = False


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


def read(quota: Quota, readings: Iterable[QuotaReading], answered: Answered, now: Instant) -> Quota:
    """Return the quota after the limit headers of an answer."""
    mark, sent, at, age_s, limits, under_way = answered
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
        told = Told(at, age_s, amount(r.what, mark), amount(r.what, since), told_open, believed)
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


def refused(quota: Quota, wait_s: Seconds | None, now: Instant) -> Quota:
    """Return the quota after a 429: closed for as long as it asks; where it names no wait, for longer and longer.

    What was under way when it closed says the same once more, and counts for nothing.
    """
    news = quota.trial or now >= quota.blocked_until
    opened = min(now, quota.blocked_until - RATE_WAIT if quota.trial else quota.blocked_until)
    if wait_s is not None:
        quota = blocked(quota, max(LEAST_WAIT, wait_s), now)
    else:
        doublings = min(10, max(0, quota.refusals + 1 - MISTRUSTED)) if news else 0
        quota = blocked(quota, min(LONGEST_RATE_WAIT, RATE_WAIT * 2.0**doublings), now)
    return replace(quota, refusals=quota.refusals + 1, opened=opened, trial=False) if news else quota


def answered(quota: Quota, sent_at: Instant) -> Quota:
    """Return the quota after a good answer to a request sent then: one that was sent before it closed shows nothing."""
    if not quota.refusals or sent_at < quota.opened:
        return quota
    # what only the trial has closed is open again
    return replace(quota, refusals=0, trial=False, blocked_until=0.0 if quota.trial else quota.blocked_until)


def used(quota: Quota, need: Need, now: Instant) -> Quota:
    """Return the quota after lbd sent one more request."""
    if quota.refusals >= MISTRUSTED and not quota.trial:
        # all who wait would come at once, to be refused together: one goes first, and what is refused is so at once
        quota = replace(blocked(quota, RATE_WAIT, now), trial=True)
    if not quota.buckets:
        return quota
    buckets = {what: bucket.used(b, amount(what, need), now) for what, b in quota.buckets.items()}
    each = quota.each
    known = each.input or each.output
    usual = Need(*(e + EACH_WEIGHT * (n - e) for e, n in zip(each, need, strict=True))) if known else need
    rest = quota.refusals, quota.opened, quota.trial
    return Quota(buckets, quota.blocked_until, quota.as_of, usual, *rest)


def held(b: Bucket, now: Instant) -> float:
    """Return how much of a limit is left now, for people."""
    return max(0.0, bucket.level(b, now))


def when(quota: Quota, need: Need, now: Instant, *, ahead: Ahead = NOBODY, under_way: Need = NOTHING) -> Instant:
    """Return when a request may be sent, behind others that take so much: now, or the soonest time after it."""
    at = max(now, quota.blocked_until)
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
    return least


def next_timer(quota: Quota, now: Instant) -> Instant | None:
    """Return when it opens again; None while it is open.

    It is shut while a 429 asks for it, and while the usual request has no room: where a limit fills up steadily, none
    for another ``SOON``.
    """
    at = quota.blocked_until
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
