"""The scores of a row as bytes, to be kept across restarts, and back, aged by the time that has passed.

They are kept apart from the rest of a row's state: what was learned of a model's answers is of use for weeks.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from lbd.model.units import Instant, WallTime
from lbd.state.quality import GOAL, HORIZON, Bet, Level, Phase, Standing
from lbd.state.row import Row

_FAR = 1e10  # what a damaged file may hold in place of a number must not get into the table
_Number = Annotated[float, Meta(ge=0, le=_FAR)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Count = Annotated[int, Meta(ge=0)]
MOST_FAMILIES = 1000


class _Bet(msgspec.Struct, array_like=True):
    stake: Annotated[float, Meta(gt=0, le=GOAL)]
    cash: _Share
    n: Annotated[int, Meta(ge=0, le=HORIZON)]
    deviations: _Number


class _Kept(msgspec.Struct):
    prior: _Share | None
    reference: Annotated[float, Meta(gt=0, lt=1)] | None
    n: _Number
    total: _Number
    squares: _Number
    age: _Number
    count: _Count
    bet: _Bet
    phase: Phase
    scale: Annotated[str, Meta(max_length=10_000)] = ""


class Saved(msgspec.Struct):
    """What is kept of one row."""

    wall: _Number
    identity: tuple[str, ...]
    families: Annotated[dict[str, _Kept], Meta(max_length=MOST_FAMILIES)]


def dump(row: Row, now: Instant, wall: WallTime) -> bytes:
    """Return what is kept of the scores of ``row``."""
    families = {}
    for family, s in row.scores.items():
        level, bet = s.level, s.bet
        families[family] = _Kept(
            s.prior,
            s.reference,
            level.n,
            level.total,
            level.squares,
            max(0.0, now - level.at),
            level.count,
            _Bet(bet.stake, bet.cash, bet.n, bet.deviations),
            s.phase,
            s.scale,
        )
    return msgspec.msgpack.encode(Saved(wall, row.spec.identity(row.provider), families))


def restore(row: Row, data: bytes, now: Instant, wall: WallTime) -> bool:
    """Put scores that were kept into a row; False (and nothing changed) where they are damaged or not its own."""
    try:
        saved = msgspec.msgpack.decode(data, type=Saved)
    except (msgspec.MsgspecError, ValueError):
        return False
    if saved.identity != row.spec.identity(row.provider) or any(k.total > k.n for k in saved.families.values()):
        return False
    gap = max(0.0, wall - saved.wall)
    row.scores = {family: _standing(kept, now - kept.age - gap) for family, kept in saved.families.items()}
    return True


def _standing(kept: _Kept, at: Instant) -> Standing:
    level = Level(kept.n, kept.total, kept.squares, at, kept.count)
    bet = Bet(kept.bet.stake, kept.bet.cash, kept.bet.n, kept.bet.deviations)
    return Standing(kept.prior, kept.reference, level, bet, kept.phase, kept.scale)
