"""The adaptive limit, from how long whole answers took; also of streams, of which more is known.

How likely each number of slots is follows from them (:mod:`lbd.state.serving`). The limit is set to the likeliest where
more were sent than that, and it is surely likelier than the limit; also to a higher one, where what was sent under a
limit before shows that a cut went too far. Where answers that were sent at the limit show that so many were worked on
at once, the next is tried. While that is known, nothing needs to be drained.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from lbd.model.units import Instant, Seconds
from lbd.state import limit as limits
from lbd.state import serving
from lbd.state.limit import HEADROOM, Evidence, Limit, slots
from lbd.state.stays import Stays

SURELY = 3.0  # so much likelier, as a logarithm: then it is believed
HALVED = 6.0  # and so much where half of what was shown lately would be left: of many looks one is out by chance
MEMORY, ROUNDS = 8.0, 2.0  # answers that count, or so many times the limit
FEWEST = 4  # answers before anything is believed
AT_LIMIT, SHARE = 3, 4  # of them sent at the limit before it rises, or such a part of the limit
GAP: Seconds = 0.25  # between two looks at a small limit, each of which costs a millisecond
LONGEST_GAP: Seconds = 1.0
MANY = 64.0  # requests there, for which a look costs ten
LONG = 8.0  # answers that are looked at in vain are worth one of which nothing is known
KNOWN: Seconds = 60.0  # what was shown is known for so long


def learned(limit: Limit, stays: Stays, now: Instant) -> Limit:
    """Return the limit after what answers showed since the last look."""
    at, answers = slots(limit), stays.answered
    if not stays.fresh or len(answers) < FEWEST:
        return limit
    most = max(answer.before for answer in answers) + 1
    if now < stays.looked_at + max(GAP, LONGEST_GAP * min(1.0, most / MANY)):
        return limit
    fresh, since = stays.look(now)
    tried = max(answers[-i].before for i in range(1, fresh + 1)) + 1
    if tried < min(at, max(2, most) if limit.found else 2):
        return limit  # nothing that could be otherwise
    likely = serving.likelihood(answers, max(MEMORY, ROUNDS * at))
    best = max(likely, key=lambda number: (likely[number], number))
    if best < most and likely[best] >= likely[most] + SURELY:
        shown = limit.proved if now < limit.proved_until else 0
        surely = SURELY if 2 * best > min(at, shown) else HALVED
        if best != at and likely[best] >= _near(likely, at) + surely and (best < at or at < limit.too_high):
            limit, shown = _set(limit, best, now), 0
        return replace(limit, proved=max(best, shown), proved_until=now + KNOWN, sure=max(limit.sure, float(best)))
    return _calm(limit, stays, likely, most, since, now)


def _calm(limit: Limit, stays: Stays, likely: dict[int, float], most: int, since: int, now: Instant) -> Limit:
    """Return the limit where it does not show that anybody waited."""
    at = slots(limit)
    served = min(at, most)
    fewer = max((value for number, value in likely.items() if number < served), default=-math.inf)
    if max(value for number, value in likely.items() if number >= served) < fewer + SURELY:
        return unjudged(limit, since / LONG)
    if not limit.found:
        return limits.sought(limit, served, since if 2 * most > at else 0)
    if most < at:
        return limit
    limit = replace(limit, proved=at, proved_until=now + KNOWN, sure=max(limit.sure, float(at)))
    shown = sum(answer.before + 1 >= at for answer in stays.answered)
    if shown >= max(AT_LIMIT, at // SHARE) and now >= limit.rests_until:
        stays.forget(at)
        return limits.raised(limit)
    return limit


def unjudged(limit: Limit, answers: float) -> Limit:
    """Return the limit after answers of which nothing is learned: a search has to go on all the same."""
    return limit if limit.found else replace(limit, sure=limit.sure + answers)


def _near(likely: dict[int, float], at: int) -> float:
    """Return how likely the number is that is told apart and nearest to ``at``."""
    return likely[min(likely, key=lambda number: abs(number - at))]


def _set(limit: Limit, number: int, now: Instant) -> Limit:
    """Return the limit set to ``number``."""
    if number > slots(limit):
        return replace(limit, value=min(limit.too_high, number + HEADROOM), evidence=Evidence())
    return limits.lowered(limit, number + HEADROOM, now)
