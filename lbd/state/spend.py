"""The daily budget of lbd's own paid probes, paced over the day, with a reserve for recovery.

Refreshing idle rows may use at most the share of the day that has passed of ``1 - RESERVE``; bringing a row
back may use everything that is left. Free probes always pass.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from lbd.model.units import NanoUsd, Ratio, WallTime

RESERVE: Ratio = 0.5
DAY = 86400.0


class ProbeSpend(msgspec.Struct, frozen=True):
    """What was spent on which day (days since the epoch, UTC)."""

    day: int = 0
    spent: NanoUsd = 0
    total: NanoUsd = 0


def at(spend: ProbeSpend, wall: WallTime) -> ProbeSpend:
    """Return the spend as of ``wall``: a new day starts at nothing."""
    day = int(wall // DAY)
    return spend if day == spend.day else replace(spend, day=day, spent=0)


def allows(spend: ProbeSpend, cost: NanoUsd, budget: NanoUsd, wall: WallTime, *, recovery: bool) -> bool:
    """Tell whether a probe that is expected to cost so much may be sent now."""
    if cost <= 0:
        return True
    today = at(spend, wall)
    if recovery:
        return today.spent + cost <= budget
    share = (1 - RESERVE) * (wall % DAY) / DAY
    return today.spent + cost <= budget * share


def add(spend: ProbeSpend, cost: NanoUsd, wall: WallTime) -> ProbeSpend:
    """Return the spend after a probe that cost so much."""
    today = at(spend, wall)
    return replace(today, spent=today.spent + cost, total=today.total + cost)
