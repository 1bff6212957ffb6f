"""One rate limit of an account, as its headers told it, projected to now.

A reading tells how the limit stood when the request that it answers came in. What lbd sent after that request is taken
off by lbd's own estimate, what came back since is added. From readings that are compared with earlier ones it learns:

- whether the limit fills up steadily (a token bucket: the time to full is in proportion to what is missing, whenever
  it is told) or not at all before its reset (a fixed window: that stands still);
- ``factor``: what the provider counts for each token that lbd estimates;
- ``holds``: whether the longest answer that was asked for is taken off until the answer is complete, when what it had
  counts instead (of limits of output tokens; else it is taken off as it comes);
- ``leak``: what others under the same account take in a second;
- ``bias`` and ``spread``: how far lbd was out when it let the answered request through. A reserve follows them, so that
  an error of the usual size is no 429. In a limit that fills up steadily a reserve costs nothing: what is held back
  once is not lost again and again.

That nothing is left may be no more than a header: some tell it on every answer, and serve all the same. Where lbd did
not expect it, somebody who has nobody else may go and look, the next one after ``LOOKED``. If the answer is good, the
limit is not believed any more while nothing is refused.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from lbd.model.outcome import QuotaReading
from lbd.model.units import Instant, Ratio, Seconds
from lbd.state.need import NONE_OPEN, Open

MINUTE: Seconds = 60.0
UNKNOWN_RESET: Seconds = MINUTE  # most providers count in minutes
SAME_RATE: Ratio = 0.12  # resets are whole seconds at some providers
ROUNDED: Seconds = 1.5  # ends of whole seconds, and the way there and back, differ by no more
FEW: Ratio = 0.03  # of the time to full: what latency makes of it
TELLING: Ratio = 0.25  # what is missing has risen by so much, and the end has not moved: it is a window's
USED_ENOUGH: Ratio = 0.1  # below it resets rounded to whole seconds say nothing
LEARN_AFTER: Seconds = 3.0  # between two readings that are compared: rounding to whole thousands fades
NEARLY_FULL: Ratio = 0.98  # above it what came back may have been lost
STEP: Ratio = 0.25  # of an error that the next estimates take up
LOWEST_FACTOR, HIGHEST_FACTOR = 0.02, 8.0
MOST_LEAK: Ratio = 0.9  # of the refill: the rest lets a request through now and then, whose answer tells better
DOUBT: Ratio = 0.1  # of the limit: what answers under way must have changed by before a bucket is held not to hold
REMEMBERED: Ratio = 0.99  # of the evidence, at each further piece: it is the provider's way and hardly ever changes
ERROR_WEIGHT = 1 / 16
SPREADS = 6.0  # mean deviations kept in reserve: an error beyond them is rarer than one in a thousand
MOST_RESERVE: Ratio = 0.1  # of the limit
LOOKED, REFUSED = 10.0, 60.0  # seconds from a look to the next one, and from a 429
EXPECTED: Ratio = 0.1  # of the limit may have been thought to be left where none is


class Rate(NamedTuple):
    """A reading of what is missing and how long until it is full, for comparison with a later one."""

    at: Instant
    missing: float
    full_in_s: Seconds


class Past(NamedTuple):
    """A reading of what is left, and what lbd had sent by its estimate up to then."""

    at: Instant
    remaining: float
    sent: float
    open: Open


class Evidence(NamedTuple):
    """Of how the level follows the answers under way: a regression through the origin, its slope 1 or 0."""

    xx: float
    xy: float


class Bucket(msgspec.Struct, frozen=True):
    """One limit: ``requests``, ``tokens``, ``input_tokens`` or ``output_tokens``.

    ``remaining`` is as of ``at``, less what lbd sent up to now will usually have taken when it is complete. Below zero,
    as much must come back before anything is free.
    ``refill`` is what comes back in a second, 0 for a fixed window and until it is known.
    """

    limit: int | None
    remaining: float
    reset_at: Instant
    at: Instant = 0.0
    refill: float = 0.0
    factor: float = 1.0
    holds: bool = True
    evidence: Evidence | None = None
    leak: float = 0.0
    bias: float = 0.0
    spread: float = 0.0
    rate: Rate | None = None
    past: Past | None = None
    doubted: Instant = math.inf  # from then on it is not believed
    looks_at: Instant = math.inf  # from then on somebody may go and look
    looked_at: Instant = math.inf


class Told(NamedTuple):
    """Where a reading stands.

    The request that it answers was sent ``at``, the head came ``age_s`` later. ``sent`` was the estimate of all that
    lbd had sent up to it, ``since`` of what it sent after it; ``open`` were the answers under way, its own among them;
    ``believed`` is what lbd held the provider to see as left behind it. ``served``: the answer was good.
    """

    at: Instant
    age_s: Seconds
    sent: float
    since: float
    open: Open
    believed: float | None
    served: bool = False


def read(old: Bucket | None, r: QuotaReading, told: Told, *, exact: bool) -> Bucket:
    """Return the limit after a reading. ``exact``: lbd's estimate of a request is what the provider counts."""
    reset_s = UNKNOWN_RESET if r.reset_s is None else r.reset_s
    reset_at, before = told.at + told.age_s + reset_s, old
    if old is None or old.limit != r.limit:
        old = Bucket(r.limit, r.remaining, reset_at)
    full_in_s = None if r.reset_s is None else r.reset_s + (told.age_s if r.fixed else 0.0)
    b = _errors(_flows(_rates(old, r, told.at, full_in_s), r, told, exact=exact), r, told)
    remaining = r.remaining - shown(b, told.open) - told.since * b.factor
    return _doubtful(replace(b, remaining=remaining, reset_at=reset_at, at=told.at), before, r, told)


def _doubtful(b: Bucket, before: Bucket | None, r: QuotaReading, told: Told) -> Bucket:
    """Return the limit after a reading as far as it is to be believed."""
    if before is not None and (before.doubted < 0 or (told.served and told.at >= before.looked_at)):
        return replace(b, doubted=-math.inf)
    if r.remaining > 0:
        return b if b.looks_at == math.inf else replace(b, doubted=math.inf, looks_at=math.inf, looked_at=math.inf)
    surprise = before is None or (told.believed is not None and told.believed > EXPECTED * (r.limit or 0))
    doubtful = told.served and surprise and b.looks_at == math.inf
    return replace(b, looks_at=told.at + told.age_s) if doubtful else b


def look(b: Bucket, now: Instant) -> Bucket:
    """Return the limit open for one request, where somebody may go and look."""
    return replace(b, doubted=now) if b.looks_at <= now and b.doubted == math.inf else b


def refused(b: Bucket, now: Instant) -> Bucket:
    """Return the limit after a 429: what was told may be so, after all."""
    if b.looks_at == math.inf:
        return b
    return replace(b, doubted=math.inf, looks_at=now + REFUSED, looked_at=math.inf)


def shown(b: Bucket, under_way: Open) -> float:
    """Return how much more the provider sees as left than will be when the answers under way are complete."""
    return b.factor * under_way.usual - (under_way.most if b.holds else 0.0)


def _rates(b: Bucket, r: QuotaReading, at: Instant, full_in_s: Seconds | None) -> Bucket:
    """Tell a token bucket from a fixed window, and learn by how much it fills up.

    The end of a window stands still, that of a bucket's filling moves with use and time, and always at one rate.
    """
    if not r.limit or not full_in_s or r.limit - r.remaining < USED_ENOUGH * r.limit:
        return b
    seen, before = Rate(at, r.limit - r.remaining, full_in_s), b.rate
    if b.refill and _agree(seen, b.refill, b.refill):
        b = replace(b, refill=_refill(seen, r.limit, b.refill))
    if before is None or at >= before.at + before.full_in_s:
        return replace(b, rate=seen)
    ends, ended = at + full_in_s, before.at + before.full_in_s
    if abs(ends - ended) > ROUNDED + FEW * full_in_s:
        steady = _agree(seen, (before.missing - 1) / before.full_in_s, before.missing / before.full_in_s)
        return replace(b, refill=(b.refill or _refill(seen, r.limit, 0.0)) if steady else 0.0, rate=seen)
    risen = seen.missing / full_in_s > (1 + TELLING) * before.missing / before.full_in_s
    return replace(b, refill=0.0, rate=seen) if risen else b


def _agree(seen: Rate, low: float, high: float) -> bool:
    """Tell whether a rate between these bounds may be what a reading shows; what is left is told in whole numbers."""
    return (seen.missing - 1) / seen.full_in_s <= high * (1 + SAME_RATE) and low <= seen.missing / seen.full_in_s * (
        1 + SAME_RATE
    )


def _refill(seen: Rate, limit: int, known: float) -> float:
    """Return the rate that a reading shows: that of a limit for a minute, an hour or a day, where it may be one."""
    for period in (MINUTE, 60 * MINUTE, 1440 * MINUTE):
        if _agree(seen, limit / period, limit / period):
            return limit / period
    rate = (seen.missing - 0.5) / seen.full_in_s
    # the longer the time to full, the less its rounding matters
    return known + min(1.0, seen.full_in_s / MINUTE) * STEP * (rate - known) if known else rate


def _flows(b: Bucket, r: QuotaReading, told: Told, *, exact: bool) -> Bucket:
    """Learn what the provider counts for lbd's own requests, and what others take."""
    seen = Past(told.at, r.remaining, told.sent, told.open)
    past = b.past
    if past is None or not r.limit or not b.refill or max(past.remaining, r.remaining) > NEARLY_FULL * r.limit:
        return replace(b, past=seen)
    passed = told.at - past.at
    if passed < LEARN_AFTER:
        return b
    own, back = told.sent - past.sent - told.open.usual + past.open.usual, b.refill * passed
    held = told.open.most - past.open.most
    rest = past.remaining - r.remaining + back - b.factor * own - b.leak * passed
    off = rest - (held if b.holds else 0.0)
    scale = STEP * off / ((0.0 if exact else own * own) + back * back)
    factor = b.factor if exact else min(HIGHEST_FACTOR, max(LOWEST_FACTOR, b.factor + scale * own))
    leak = min(MOST_LEAK * b.refill, max(0.0, b.leak + scale * back * b.refill))
    b = replace(b, factor=factor, leak=leak, past=seen)
    return _weighed(b, held, rest) if held else b


def _weighed(b: Bucket, held: float, rest: float) -> Bucket:
    """Weigh whether the level followed the answers under way: it had ``rest`` to explain, they changed by ``held``."""
    first = (DOUBT * (b.limit or 0)) ** 2
    xx, xy = b.evidence or (first, first)
    xx, xy = REMEMBERED * xx + held * held, REMEMBERED * xy + held * rest
    return replace(b, evidence=Evidence(xx, xy), holds=2 * xy >= xx)


def _errors(b: Bucket, r: QuotaReading, told: Told) -> Bucket:
    """Learn how far lbd was out when it let the answered request through."""
    if told.believed is None or not r.limit:
        return b
    # more left than was believed is no danger: a window that began anew must not look like an error
    off = max(told.believed - r.remaining, b.bias - SPREADS * b.spread - 0.01 * r.limit)
    spread = b.spread + ERROR_WEIGHT * (abs(off - b.bias) - b.spread)
    return replace(b, bias=b.bias + ERROR_WEIGHT * (off - b.bias), spread=spread)


def reserve(b: Bucket) -> float:
    """Return how much is not given away, against errors of the usual size."""
    return 0.0 if b.limit is None else min(MOST_RESERVE * b.limit, max(0.0, b.bias) + SPREADS * b.spread)


def level(b: Bucket, now: Instant) -> float:
    """Return how much is left now, below zero where more is owed than came back."""
    if b.limit is None:
        return b.remaining
    if not b.refill and now >= b.reset_at:
        return float(b.limit)
    return min(float(b.limit), b.remaining + max(0.0, now - b.at) * (b.refill - b.leak))


def used(b: Bucket, estimate: float, now: Instant) -> Bucket:
    """Return the limit after lbd sent a request that takes so much by its estimate."""
    if b.limit is not None and level(b, now) >= b.limit:
        begun = not b.refill and now >= b.reset_at  # a new window
        b = replace(b, remaining=float(b.limit), at=now, reset_at=now + UNKNOWN_RESET if begun else b.reset_at)
    if 0 <= b.doubted <= now:  # the one that goes and looks
        b = replace(b, doubted=math.inf, looks_at=now + LOOKED, looked_at=min(b.looked_at, now))
    return replace(b, remaining=b.remaining - estimate * b.factor)


def over(b: Bucket, now: Instant) -> bool:
    """Tell whether nothing is known of it any more: a window has ended, or it is not believed."""
    return now >= b.doubted or (now >= b.reset_at and (b.limit is None or not b.refill))


class Request(NamedTuple):
    """A request as a limit sees it: what it usually takes, and answers under way with its own.

    ``ahead`` is what those take who wait before it, ``one`` the most that one of them must have at once.
    """

    takes: float
    ahead: float = 0.0
    one: float = 0.0
    most: float = 0.0  # its own answer may have
    open: Open = NONE_OPEN


def when(b: Bucket, request: Request, now: Instant) -> Instant:
    """Return when there is room for a request, behind others that wait.

    A request that is larger than the whole limit has room when that is full: what it is then told is the provider's.
    """
    takes, ahead, one, most, under_way = request
    # the usual request is no rule for a large one: of its own it must have all
    whole = max(1.0, b.factor)
    want = takes * whole
    if b.limit is None or most <= b.limit:  # no provider that holds more back would ever take it
        want = max(want, (most if b.holds else 0.0) - shown(b, under_way))
    want += reserve(b)
    want = (want if b.limit is None else min(want, float(b.limit))) + max(ahead * b.factor, one * whole)
    missing = want - level(b, now)
    if missing <= 1e-9 * want:
        return now
    if b.refill:
        # a hair later, so that rounding does not leave it a hair short
        at = now + missing / (b.refill - b.leak) * (1 + 1e-9) + 1e-6
    else:
        windows = 0.0 if not b.limit else max(0.0, -(-want // b.limit) - 1)
        at = max(now, b.reset_at) + windows * UNKNOWN_RESET
    return max(now, min(at, b.doubted))
