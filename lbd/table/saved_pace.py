"""What an account taught of its 429s as a value to be kept across restarts, and back: aged, and not trusted blindly.

A daemon that came back without it would ask as fast as it can once the wait is over, and be refused anew. What is kept
holds as long as it would have held without a restart; what was on its way when the process ended says nothing any more;
no more than one request goes at once at first; and whether more is there than is known is tried at the first occasion.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from lbd.model.units import Instant, Seconds
from lbd.state import pace as paces
from lbd.state.freely import ODD, Free
from lbd.state.pace import EARLY, FULL, MOST_PATIENCE, Ahead, Pace

# What a damaged file may hold in place of a number must not get into the table: NaN, infinity, below nothing.
_FAR = 1e10
_Age = Annotated[float, Meta(ge=0, le=_FAR)]
_Left = Annotated[float, Meta(ge=-_FAR, le=_FAR)]
_Number = Annotated[float, Meta(ge=0, le=_FAR)]
_Count = Annotated[int, Meta(ge=0, le=1 << 31)]


class SavedPace(msgspec.Struct):
    """A pace with ages, and times that are left, in place of instants."""

    left: _Left
    since_age: _Age
    early_age: _Age
    level: Annotated[float, Meta(ge=0, le=FULL)]
    rate: _Number
    finding: bool
    count: _Count
    seen: tuple[_Number, _Number]
    refusals: _Count
    first_left: _Left
    slowest_s: _Age
    wait_s: _Age
    by_word: bool
    doubted: bool
    odd: Annotated[float, Meta(ge=0, le=ODD)]
    freely_left: _Left
    lost: _Number
    gained: _Number = 0.0
    rate_before: _Number = 0.0


def dump(pace: Pace | None, now: Instant) -> SavedPace | None:
    """Return what is kept of a pace; None where it says nothing any more."""
    if pace is None or paces.over(pace, now):
        return None
    return SavedPace(
        left=pace.at - now,
        since_age=max(0.0, now - pace.since),
        early_age=max(0.0, now - pace.early.at),
        level=pace.level,
        rate=pace.rate,
        finding=pace.finding,
        count=pace.count,
        seen=pace.seen,
        refusals=pace.refusals,
        first_left=pace.first_at - now,
        slowest_s=pace.slowest_s,
        wait_s=pace.wait_s,
        by_word=pace.by_word,
        doubted=pace.doubted,
        odd=pace.free.odd,
        freely_left=pace.free.until - now,
        lost=pace.free.lost,
        gained=pace.free.gained,
        rate_before=pace.free.rate,
    )


def restore(saved: SavedPace | None, now: Instant, gap: Seconds) -> Pace | None:
    """Return the pace ``gap`` after it was kept; None where it says nothing any more.

    ``asked`` of it counts from nothing, as the account's does in a new process.
    """
    if saved is None:
        return None
    then = now - gap
    at = then + saved.left
    finding = saved.finding or not saved.rate
    pace = Pace(
        at=at,
        since=then - saved.since_age,
        # so that the next that wants it goes ahead of a rate that is known, if the last is long enough ago
        early=Ahead(0 if finding else -EARLY, then - saved.early_age),
        level=min(1.0, saved.level + saved.rate * max(0.0, now - at)),
        rate=saved.rate,
        finding=finding,
        out_at=then,
        count=saved.count,
        seen=saved.seen,
        refusals=saved.refusals,
        first_at=then + saved.first_left,
        slowest_s=min(MOST_PATIENCE, saved.slowest_s),
        wait_s=saved.wait_s,
        by_word=saved.by_word,
        doubted=saved.doubted,
        free=Free(saved.odd, then + saved.freely_left, saved.lost, saved.gained, saved.rate_before),
    )
    return None if paces.over(pace, now) else replace(pace, at=max(now, at))
