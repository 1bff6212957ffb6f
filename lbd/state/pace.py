"""How fast an account is asked that has answered 429.

What a limit lets through is known of its headers (:mod:`lbd.state.bucket`) or, where there are none, of its refusals.
When the wait that a 429 asked for is over, one request goes first. What follows is told by ``level``, the requests that
may be sent at once:

- while it is *finding* out, each request that is let through lets two more follow, so that a limit that has gone is
  used to the full within a few round trips, and one that has not refuses few;
- at two 429s the limit was empty, so what it let through between them is what comes back in that time: from then on
  ``level`` fills up at that ``rate``, and whoever waits knows when its turn is.

A request was let through once it is answered, or not refused for ``patience_s``: refusals come fast, answers do not.

Now and then, once for ``EARLY`` requests that want the account, one goes ahead of its time. If it is let through, more
was there than is known, and it is found out again.

Where it refuses much of what comes at its rate, it is no rate that it goes by (:mod:`lbd.state.freely`): then it is
asked for much more as soon as the waits that it names are over.

After ``MISTRUSTED`` 429s with nothing let through between, the ends of waits are not believed: one request goes first
only for ``FIRST`` that want the account, or after a time that doubles. So requests cause few refusals, however few they
are and however short the waits, and where many want it the end of its limit is found at once.
"""

from __future__ import annotations

import math

import msgspec
from msgspec.structs import replace

from lbd.model.units import Instant, Ratio, Seconds
from lbd.state import freely
from lbd.state.freely import NAMED, Free

RATE_WAIT: Seconds = 1.0
LONGEST_RATE_WAIT: Seconds = 16.0  # soon enough to find out that a limit has gone that few want
MISTRUSTED = 3
FIRST = 8
LOOK: Seconds = 0.25  # until the next of those who wait looks whether so many do
EARLY = 20
EARLY_GAP: Seconds = 0.7  # between two that go ahead of their time, and beside it
EARLY_WAITS = 2.0  # so many times the wait that one may cost
FADES: Ratio = 0.8  # of what was seen, at each further 429; that of few is not exact to the request
MORE = 1.03  # times what was let through: what is a little too much is refused once, what is too little never shows
SURE = 10.0  # let through: from then on the rate is what they say, and until then it is made smaller
SLOWER = 0.8  # after each 429
FEW = 3.0  # let through: of so few each one counts
LONG: Seconds = 1.0  # a time that is long beside the way of a request
LEAST_PATIENCE: Seconds = 0.1
MOST_PATIENCE: Seconds = 1.0
AT_ONCE: Seconds = 1.0  # what comes back within it may be sent at once
FULL = 64.0  # that may be sent at once: nothing limits it any more
FORGOTTEN: Seconds = 60.0  # after so long without a 429
_HAIR = 1e-9


class Ahead(msgspec.Struct, frozen=True):
    """The last that went ahead of its time: how many had wanted the account, when, and if how it ended is ``known``."""

    asked: int
    at: Instant
    known: bool = True


class Pace(msgspec.Struct, frozen=True):
    """See the module. ``level`` is as of ``at``, which is when the last wait is over at the soonest.

    ``rate`` is what comes back in a second, 0 until it is known; it is ``finding`` out since ``out_at``. ``sent`` are
    those of which is not known yet whether they are let through. ``since`` is the last 429: what was sent before it
    says nothing new. ``count`` were let through since then, and ``seen`` between earlier ones, in how long.
    ``refusals`` came with nothing let through between. ``asked`` requests had wanted the account at the last of them,
    and ``first_at`` one may go first, however few want it. ``slowest_s`` is how long 429s take, ``wait_s`` what the
    last one cost. The first is let go ``by_word`` where the wait that was named ends before the rate says so; once
    that was wrong it is ``doubted``.
    """

    at: Instant
    since: Instant
    early: Ahead
    level: float = 1.0
    rate: float = 0.0
    finding: bool = True
    out_at: Instant = 0.0
    sent: tuple[Instant, ...] = ()
    count: int = 0
    seen: tuple[float, Seconds] = (0.0, 0.0)
    refusals: int = 1
    asked: int = 0
    first_at: Instant = 0.0
    slowest_s: Seconds = 0.0
    wait_s: Seconds = 0.0
    by_word: bool = False
    doubted: bool = False
    free: Free = Free()

    @property
    def patience_s(self) -> Seconds:
        """After how long a request that was not refused was let through."""
        return min(MOST_PATIENCE, max(LEAST_PATIENCE, 2 * self.slowest_s))


class Refusal(msgspec.Struct, frozen=True):
    """A 429 to a request that was sent then, until when nothing is sent for it, and how many have wanted the account.

    ``named``: it asks for that time. ``measured``: nothing but what is let through tells the rate. ``draw`` is for the
    time after which the ends of waits are believed again.
    """

    sent_at: Instant
    until: Instant
    asked: int = 0
    draw: Ratio = 1.0
    named: bool = True
    measured: bool = True


def over(pace: Pace, now: Instant) -> bool:
    """Tell whether it says nothing any more."""
    plenty = pace.finding and pace.level >= FULL and now >= pace.free.until
    return plenty or now - max(pace.since, pace.at) > FORGOTTEN


def is_news(pace: Pace | None, sent_at: Instant, now: Instant) -> bool:
    """Tell whether a 429 is more than the last one said: what was under way then says the same once more."""
    return pace is None or over(pace, now) or sent_at > pace.since


def refused(pace: Pace | None, refusal: Refusal, now: Instant) -> Pace:
    """Return the pace after a 429."""
    took = now - refusal.sent_at
    if pace is None or over(pace, now):
        asked = refusal.asked
        return Pace(refusal.until, now, Ahead(asked, now), asked=asked, first_at=now, out_at=now, slowest_s=took)
    pace = _to(pace, now)
    early = not pace.early.known and refusal.sent_at == pace.early.at
    pace = _without(pace, refusal.sent_at, now)
    if not is_news(pace, refusal.sent_at, now):
        return replace(pace, at=max(pace.at, refusal.until))
    seen, refusals = _seen(pace, now), pace.refusals + 1
    too_soon = pace.by_word and pace.refusals > 0  # it was the provider's word that said when
    odd = not pace.finding and not early and not too_soon
    free = freely.refused(pace.free, now, odd * (NAMED if refusal.named else 1.0), pace.rate)
    rate = MORE * seen[0] / seen[1] if refusal.measured and seen[1] else 0.0
    if now < free.until:
        rate = freely.pace(free, now)
    elif odd and seen[0] < SURE:
        rate = min(rate, SLOWER * pace.rate)
    # of one that went ahead of its time that was to be expected: all is as it was
    level = (pace.level if early and rate else 0.0) + rate * (refusal.until - now)
    doubted = pace.doubted or too_soon
    by_word = refusal.named and not doubted and level < 1 and rate > 0
    held = min(LONGEST_RATE_WAIT, RATE_WAIT * 2.0 ** min(10, refusals - MISTRUSTED))
    return replace(
        pace,
        at=max(pace.at, refusal.until),
        since=now,
        level=1.0 if by_word or not rate else min(max(1.0, rate * AT_ONCE), level),
        rate=rate,
        finding=not rate,
        out_at=now,
        count=0,
        seen=seen,
        refusals=refusals,
        asked=refusal.asked,
        first_at=now + refusal.draw * held,
        slowest_s=max(took, FADES * pace.slowest_s),
        wait_s=refusal.until - now,
        by_word=by_word,
        doubted=doubted,
        free=free,
    )


def _seen(pace: Pace, now: Instant) -> tuple[float, Seconds]:
    """Return what was let through between 429s, and in how long, up to one that comes now."""
    n, of = pace.seen
    if not pace.refusals:
        return FADES * n + pace.count, FADES * of + now - pace.since
    if pace.refusals + 1 >= MISTRUSTED:
        return 0.0, 0.0  # it is shut, whatever its rate was
    return (n, of + now - pace.since) if n else pace.seen


def _without(pace: Pace, sent_at: Instant, now: Instant) -> Pace:
    """Return it without one that was refused."""
    early, free = pace.early, freely.lost(pace.free, now)
    if sent_at == early.at:
        early = replace(early, known=True)
    if sent_at not in pace.sent:  # it had been held to be let through
        return replace(pace, count=max(0, pace.count - 1), early=early, free=free)
    return replace(pace, sent=_but(pace.sent, sent_at), early=early, free=free)


def _but(sent: tuple[Instant, ...], one: Instant) -> tuple[Instant, ...]:
    i = sent.index(one)
    return sent[:i] + sent[i + 1 :]


def answered(pace: Pace, sent_at: Instant, now: Instant) -> Pace:
    """Return it after an answer to a request that was sent then."""
    pace = _to(pace, now)
    if sent_at not in pace.sent:
        return pace
    return _through(pace, (sent_at,), _but(pace.sent, sent_at), now)


def used(pace: Pace, now: Instant, asked: int) -> Pace | None:
    """Return it after a request was sent; None where it says nothing any more. ``asked`` wanted it until now."""
    if over(pace, now):
        return None
    pace = _to(pace, now)
    sent = (*pace.sent, now)
    if pace.level < 1 - _HAIR:
        return replace(pace, sent=sent, early=Ahead(asked, now, known=False))
    return replace(pace, sent=sent, level=pace.level - 1)


def _to(pace: Pace, now: Instant) -> Pace:
    """Return it as it stands now: who was not refused for long enough was let through, and time has filled it up."""
    n, before = 0, now - pace.patience_s
    while n < len(pace.sent) and pace.sent[n] <= before:
        n += 1
    pace = _through(pace, pace.sent[:n], pace.sent[n:], now)
    gone = pace.finding and not pace.rate and pace.level < 1 - _HAIR and not _followed(pace)
    return replace(pace, level=1.0) if gone else pace  # whoever went first showed nothing


def _through(pace: Pace, through: tuple[Instant, ...], rest: tuple[Instant, ...], now: Instant) -> Pace:
    """Return it with these let through, and the others left."""
    level, at = pace.level, pace.at
    if now > at:
        level, at = min(max(1.0, level, pace.rate * AT_ONCE), level + (now - at) * pace.rate), now
    if not through:
        return pace if at == pace.at else replace(pace, level=level, at=at)
    finding, out_at, early = pace.finding, pace.out_at, pace.early
    late = 0 if finding or now < pace.free.until else _late(pace, through)
    if late:
        more = 1 + late / pace.seen[0]
        pace = replace(pace, rate=more * pace.rate, seen=(more * pace.seen[0], pace.seen[1]), count=pace.count - late)
        level = min(max(1.0, pace.rate * AT_ONCE), more * level)
    if finding:
        level += 2 * sum(1 for sent_at in through if sent_at >= out_at)
    if not early.known and early.at in through:
        early = replace(early, known=True)
        if not finding:
            level, finding, out_at = level + 2, True, now
    return replace(
        pace,
        level=min(FULL, level),
        at=at,
        finding=finding,
        out_at=out_at,
        early=early,
        sent=rest,
        count=pace.count + len(through),
        refusals=0 if through[-1] > pace.since else pace.refusals,
        free=freely.through(pace.free, now, len(through), paced=not pace.finding and now >= pace.free.until),
    )


def _late(pace: Pace, through: tuple[Instant, ...]) -> int:
    """Count those of them that belong to a rate that was read off before they were known to be let through.

    They were under way at the 429 that ended it. Of few a rate is much too low without them, and the time that it
    costs stays in every later one; of many they are as many as the next is without, and of a short time the way of a
    request is too large a part for them to be counted to the right one.
    """
    n, of = pace.seen
    return sum(1 for sent_at in through if sent_at <= pace.since) if pace.rate and 0 < n < FEW and of >= LONG else 0


def when(pace: Pace, now: Instant, *, ahead: float = 0.0, asked: int = 0) -> Instant:
    """Return when a request may be sent behind so many, of ``asked`` that have wanted it: now, or a time after it."""
    begin = max(now, pace.at)
    if over(pace, now):
        return begin
    pace = _to(pace, begin)
    if pace.refusals < MISTRUSTED or now < pace.free.until:
        if not ahead and _may_be_early(pace, begin, asked):
            return begin
    elif asked - pace.asked < FIRST and not _followed(pace):
        begin = max(begin, min(pace.first_at, begin + (RATE_WAIT if ahead else LOOK)))  # by then more may want it
    return _due(pace, begin, ahead)


def opens(pace: Pace, now: Instant) -> Instant:
    """Return when the next request is due: now, or a time after it."""
    begin = max(now, pace.at)
    return begin if over(pace, now) else _due(_to(pace, begin), begin, 0.0)


def _may_be_early(pace: Pace, now: Instant, asked: int) -> bool:
    early = pace.early
    gap = EARLY_GAP + EARLY_WAITS * pace.wait_s
    return early.known and asked - early.asked >= EARLY and now - early.at >= gap


def _followed(pace: Pace) -> tuple[Instant, ...]:
    """Return those after which others follow, if they are let through."""
    return tuple(at for at in pace.sent if at >= pace.out_at)


def _due(pace: Pace, begin: Instant, ahead: float) -> Instant:
    missing = 1.0 + ahead - pace.level
    if missing <= _HAIR:
        return begin
    # a hair later, so that rounding does not leave it a hair short
    filled = begin + missing / pace.rate * (1 + _HAIR) + 1e-6 if pace.rate else math.inf
    return min(filled, _found(pace, begin, missing)) if pace.finding else filled


def _found(pace: Pace, begin: Instant, missing: float) -> Instant:
    """Return when so much is found out to be there beyond ``level``: who is let through lets two follow, those four."""
    sent = _followed(pace)
    if missing <= 2 * len(sent):
        return max(begin, sent[math.ceil(missing / 2) - 1] + pace.patience_s)
    last, of = (sent[-1], 2.0 * len(sent)) if sent else (begin, max(1.0, pace.level))
    return max(begin, last + pace.patience_s * math.ceil(math.log2(1 + missing / of)))
