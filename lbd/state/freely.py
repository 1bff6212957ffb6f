"""Whether an account's 429s are explained by how often it is asked (:mod:`lbd.state.pace`).

A limit refuses next to nothing that comes at its rate. Where that happens all the same, others take what there is, or
it refuses by chance. Then holding back gains nothing, and for a while it is asked freely: for twice as much as before
or as it lets through, and for more and more while that is most. Unless that gains nothing either: much is refused and
no more let through than at the rate before, or hardly anything is. A limit does that.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from lbd.model.units import Instant, Ratio, Seconds

ODD = 3.0  # 429s that no rate explains
NAMED = 0.5  # what one counts that names a wait: who does knows a limit
USUAL = 1 / 16  # so many are to be expected for each that is let through
FREELY: Seconds = 20.0
LOST: Ratio = 0.85  # of those that are sent freely
MUCH: Ratio = 0.6  # of them, where no more is let through for it
GAIN = 1.5  # times the rate before: is more let through
ENOUGH = 16.0  # that the rate before would have let through: from then on it is compared
SOME = 48.0  # sent freely: of fewer no share is told
LEAST = 32.0  # a second: so much it is asked for, if so much wants it
TWICE = 2.0
GROWS = 1.5  # times in each second, as long as most are let through


class Free(msgspec.Struct, frozen=True):
    """How many 429s were ``odd`` so far; until when it is asked freely.

    Since it is, ``lost`` were refused and ``gained`` let through; ``rate`` a second were before, 0: that is not known.
    """

    odd: float = 0.0
    until: Instant = 0.0
    lost: float = 0.0
    gained: float = 0.0
    rate: float = 0.0


def refused(free: Free, now: Instant, odd: float, rate: float = 0.0) -> Free:
    """Return it after a 429 that is so odd, at an account that was asked at this rate."""
    if now < free.until:
        return Free() if _gains_nothing(free, now) else free  # it was a limit: less of the same shows nothing
    if free.odd + odd >= ODD:
        return Free(ODD / 2, now + FREELY, rate=rate)  # less is needed to find the same again
    return Free(free.odd + odd)


def pace(free: Free, now: Instant) -> float:
    """Return what is asked in a second while it is asked freely."""
    since = now - (free.until - FREELY)
    grown = 1.0 if free.lost > free.gained else GROWS**since
    return max(LEAST, grown * TWICE * free.rate, TWICE * free.gained / max(1.0, since))


def _gains_nothing(free: Free, now: Instant) -> bool:
    sent, usual = free.lost + free.gained, free.rate * (now - (free.until - FREELY))
    if sent < SOME or free.lost < MUCH * sent:
        return False
    return free.lost >= LOST * sent or (usual >= ENOUGH and free.gained <= GAIN * usual)


def lost(free: Free, now: Instant) -> Free:
    """Return it with one more of all that are sent refused."""
    return replace(free, lost=free.lost + 1) if now < free.until else free


def through(free: Free, now: Instant, n: int, *, paced: bool) -> Free:
    """Return it with so many let through; ``paced``: they came at the rate."""
    odd = max(0.0, free.odd - USUAL * n) if paced else free.odd
    return replace(free, odd=odd, gained=free.gained + n if now < free.until else free.gained)
