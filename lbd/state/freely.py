"""Whether an account's 429s are explained by how often it is asked (:mod:`lbd.state.pace`).

A limit refuses next to nothing that comes at its rate. Where that happens all the same, others take what there is, or
it refuses by chance. Then holding back gains nothing, and for a while it is asked freely, unless hardly anything is let
through: a limit does that, too.
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
WEIGHT = 1 / 32


class Free(msgspec.Struct, frozen=True):
    """How many 429s were ``odd`` so far; until when it is asked freely, and the share of that which is ``lost``."""

    odd: float = 0.0
    until: Instant = 0.0
    lost: Ratio = 0.5


def refused(free: Free, now: Instant, odd: float) -> Free:
    """Return it after a 429 that is so odd."""
    if now < free.until:
        return free if free.lost < LOST else Free(free.odd)
    if free.odd + odd >= ODD:
        return Free(ODD / 2, now + FREELY)  # less is needed to find the same again
    return Free(free.odd + odd)


def lost(free: Free, now: Instant) -> Free:
    """Return it with one more of all that are sent refused."""
    return replace(free, lost=free.lost + WEIGHT * (1 - free.lost)) if now < free.until else free


def through(free: Free, now: Instant, n: int, *, paced: bool) -> Free:
    """Return it with so many let through; ``paced``: they came at the rate."""
    odd = max(0.0, free.odd - USUAL * n) if paced else free.odd
    return replace(free, odd=odd, lost=free.lost * (1 - WEIGHT) ** n if now < free.until else free.lost)
