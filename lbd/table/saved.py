"""A row's state as bytes, to be kept across restarts, and back: aged by the time that has passed, and not
trusted blindly.

Instants are saved as ages, since the monotonic clock of another run means nothing. What cannot be read (an
older version's, a damaged one) is dropped as a whole: a row then starts unknown, which is safe.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from lbd.model.failure import FailureKind
from lbd.model.table import SIZES, AdminState
from lbd.model.units import Instant, Seconds, WallTime
from lbd.state import quantile, warmup
from lbd.state.breaker import TRIALS, Breaker, Phase
from lbd.state.limit import HIGHEST, LOWEST, Limit
from lbd.state.outlier import Ejection
from lbd.state.presence import Presence
from lbd.state.quantile import Sketch
from lbd.state.quota import Bucket, Quota, held
from lbd.state.row import Lock, Row
from lbd.state.volume import Volume
from lbd.state.window import Counts, Rolling
from lbd.table import saved_pace
from lbd.table.saved_pace import SavedPace

VERSION = 1
TOO_OLD: Seconds = 86400.0  # older state describes another day's provider

_KINDS: dict[str, FailureKind | None] = {"": None, **{kind.value: kind for kind in FailureKind}}

# What a damaged file may hold in place of a number must not get into the table: NaN, infinity, below nothing.
_FAR = 1e10
_Age = Annotated[float, Meta(ge=0, le=_FAR)]
_Left = Annotated[float, Meta(ge=-_FAR, le=_FAR)]
_Number = Annotated[float, Meta(ge=0, le=_FAR)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Count = Annotated[int, Meta(ge=0)]
_EACH_SIZE = Meta(min_length=SIZES, max_length=SIZES)


class _Slot(msgspec.Struct, array_like=True):
    age: _Age
    counts: bytes | dict[int, int]  # packed; by bucket, where an earlier version wrote it
    total: _Number


class _CountSlot(msgspec.Struct, array_like=True):
    age: _Age
    kinds: dict[str, _Count]


class _PresenceSlot(msgspec.Struct, array_like=True):
    age: _Age
    known_s: _Number
    out_s: _Number


class _VolumeSlot(msgspec.Struct, array_like=True):
    age: _Age
    prompt: _Count
    completion: _Count
    cached: _Count


class _Lock(msgspec.Struct):
    kind: FailureKind
    age: _Age
    message: str
    left: _Left | None


class Saved(msgspec.Struct):
    """What is kept of one row."""

    version: int
    wall: _Number
    identity: tuple[str, ...]
    breaker: Breaker
    breaker_age: _Age
    retry_in: _Age
    limit: Annotated[float, Meta(ge=LOWEST, le=HIGHEST)]
    output: _Number
    standing: Annotated[list[_Share], _EACH_SIZE]
    sample_ages: Annotated[list[_Age | None], _EACH_SIZE]
    ttft: Annotated[list[list[list[_Slot]]], _EACH_SIZE]
    total: list[list[_Slot]]
    tpot: list[list[_Slot]]
    outcomes: list[list[_CountSlot]]
    lock: _Lock | None = None
    admin: AdminState = AdminState.READY
    admin_weight: _Number | None = None
    admin_by: str | None = None
    ejection: Ejection = Ejection()
    ejected_for: _Age = 0.0
    used_age: _Age | None = None
    fingerprints: tuple[str, ...] = ()
    presence: list[list[_PresenceSlot]] = []
    volume: list[list[_VolumeSlot]] = []
    checked: list[list[_CountSlot]] = []
    admin_left: _Left | None = None  # seconds until the ordered state, and the ordered weight, end by themselves
    weight_left: _Left | None = None
    limit_found: bool = False


def _age(at: Instant, now: Instant) -> Seconds | None:
    return None if at == -math.inf else now - at


def _left(until: Instant | None, now: Instant) -> Seconds | None:
    return None if until is None else until - now


def _until(left: Seconds | None, now: Instant) -> Instant | None:
    return None if left is None else now + left


def _slots(rolling: Rolling[Sketch], now: Instant) -> list[list[_Slot]]:
    return [[_Slot(age, quantile.pack(s), s.total) for age, s in level if s.n] for level in rolling.slots(now)]


def _count_slots(rolling: Rolling[Counts], now: Instant) -> list[list[_CountSlot]]:
    return [
        [_CountSlot(age, {str(k or ""): n for k, n in c.by_kind.items()}) for age, c in level if c.by_kind]
        for level in rolling.slots(now)
    ]


def dump(row: Row, now: Instant, wall: WallTime) -> bytes:
    """Return what is kept of ``row``."""
    lock = row.lock
    return msgspec.msgpack.encode(
        Saved(
            version=VERSION,
            wall=wall,
            identity=row.spec.identity(row.provider),
            breaker=row.breaker,
            breaker_age=now - row.breaker.since,
            retry_in=max(0.0, row.breaker.retry_at - now),
            limit=row.limit.value,
            limit_found=row.limit.found,
            output=row.length.usual if row.length.known else 0.0,
            standing=list(row.standing),
            sample_ages=[_age(at, now) for at in row.last_sample],
            ttft=[_slots(r, now) for r in row.ttft],
            total=_slots(row.total, now),
            tpot=_slots(row.tpot, now),
            outcomes=_count_slots(row.outcomes, now),
            checked=_count_slots(row.checked, now),
            lock=None
            if lock is None
            else _Lock(lock.kind, now - lock.since, lock.message, None if lock.until is None else lock.until - now),
            admin=row.admin,
            admin_weight=row.admin_weight,
            admin_by=row.admin_by,
            admin_left=_left(row.admin_until, now),
            weight_left=_left(row.weight_until, now),
            ejection=row.ejection,
            ejected_for=max(0.0, row.ejection.until - now),
            used_age=_age(row.last_used, now),
            fingerprints=row.fingerprints,
            presence=[
                [_PresenceSlot(age, p.known_s, p.out_s) for age, p in level if p.known_s]
                for level in row.presence.slots(now)
            ],
            volume=[
                [_VolumeSlot(age, v.prompt, v.completion, v.cached) for age, v in level if v.prompt or v.completion]
                for level in row.volume.slots(now)
            ],
        )
    )


def restore(row: Row, data: bytes, now: Instant, wall: WallTime) -> bool:
    """Put saved state into a fresh row; False (and nothing changed) where it does not fit or is too old.

    What a person ordered does not grow too old: it ends when its time is over, or when a person says so.
    """
    try:
        saved = msgspec.msgpack.decode(data, type=Saved)
        _check(saved.breaker)
        latencies = [
            [[(s.age, _sketch(s)) for s in level] for level in r] for r in (*saved.ttft, saved.total, saved.tpot)
        ]
    except (msgspec.MsgspecError, ValueError):
        return False
    gap = max(0.0, wall - saved.wall)
    fits = saved.version == VERSION and tuple(saved.identity) == row.spec.identity(row.provider)
    if fits:
        _restore_orders(row, saved, now, gap)
    if not fits or gap > TOO_OLD:
        return False
    # nothing fails from here on: a row takes all of it, or is left as it was
    _restore_breaker(row, saved, now, gap)
    row.lately = None
    row.limit = Limit(saved.limit, found=saved.limit_found)
    row.length.restore(saved.output, now, gap)
    row.standing = list(saved.standing)
    row.last_sample = [-math.inf if a is None else now - a - gap for a in saved.sample_ages]
    for rolling, levels in zip((*row.ttft, row.total, row.tpot), latencies, strict=True):
        rolling.restore([[(age + gap, sketch) for age, sketch in level] for level in levels], now)
    row.outcomes.restore([[(s.age + gap, _counts(s)) for s in level] for level in saved.outcomes], now)
    row.checked.restore([[(s.age + gap, _counts(s)) for s in level] for level in saved.checked], now)
    if saved.lock is not None:
        left = saved.lock.left
        until = None if left is None else now + left - gap
        row.lock = Lock(saved.lock.kind, now - saved.lock.age - gap, saved.lock.message, until)
    row.ejection = replace(saved.ejection, until=now + saved.ejected_for - gap)
    row.last_used = -math.inf if saved.used_age is None else now - saved.used_age - gap
    row.fingerprints = saved.fingerprints
    row.presence.restore(
        [[(s.age + gap, Presence(s.known_s, min(s.out_s, s.known_s))) for s in level] for level in saved.presence], now
    )
    row.volume.restore(
        [[(s.age + gap, Volume(s.prompt, s.completion, s.cached)) for s in level] for level in saved.volume], now
    )
    return True


def _restore_orders(row: Row, saved: Saved, now: Instant, gap: Seconds) -> None:
    row.admin, row.admin_weight, row.admin_by = saved.admin, saved.admin_weight, saved.admin_by
    row.admin_until, row.weight_until = _until(saved.admin_left, now - gap), _until(saved.weight_left, now - gap)


def _check(b: Breaker) -> None:
    if not 0 <= b.trials_ok < TRIALS or b.openings < 0 or b.opened_total < 0:
        raise ValueError("not a breaker")


def _restore_breaker(row: Row, saved: Saved, now: Instant, gap: Seconds) -> None:
    b = saved.breaker
    # trials under way died with the process that had sent them
    row.breaker = replace(
        b,
        since=now - saved.breaker_age - gap,
        fails_since=now,
        fails=0,
        retry_at=now + saved.retry_in - gap,
        trials_out=0,
    )
    if b.phase is Phase.CLOSED and b.opened_total and saved.breaker_age < warmup.SPAN:
        row.warm_since = now - saved.breaker_age - gap


def _sketch(slot: _Slot) -> Sketch:
    counts = slot.counts
    if isinstance(counts, bytes):
        return quantile.unpack(counts, slot.total)
    return quantile.load(counts, slot.total)


def _counts(slot: _CountSlot) -> Counts:
    return Counts({_KINDS[k]: n for k, n in slot.kinds.items() if k in _KINDS})


class SavedQuota(msgspec.Struct):
    """What is kept of one quota group."""

    wall: _Number
    blocked_for: _Age
    buckets: dict[str, tuple[_Count | None, _Number, _Left]]
    refills: dict[str, _Age] = {}  # of those that fill up steadily: what comes back in a second
    pace: SavedPace | None = None


def dump_quota(quota: Quota, now: Instant, wall: WallTime) -> bytes:
    """Return what is kept of a quota."""
    believed = {what: b for what, b in quota.buckets.items() if b.doubted == b.looks_at == math.inf}
    buckets = {what: (b.limit, held(b, now), b.reset_at - now) for what, b in believed.items()}
    refills = {what: b.refill for what, b in believed.items() if b.refill}
    shut_s, pace = max(0.0, quota.blocked_until - now), saved_pace.dump(quota.pace, now)
    return msgspec.msgpack.encode(SavedQuota(wall, shut_s, buckets, refills, pace))


def restore_quota(data: bytes, now: Instant, wall: WallTime) -> Quota | None:
    """Return the quota that was kept, aged; None where it cannot be read."""
    try:
        saved = msgspec.msgpack.decode(data, type=SavedQuota)
    except msgspec.MsgspecError:
        return None
    gap = max(0.0, wall - saved.wall)
    buckets = {
        what: Bucket(limit, remaining, now + reset - gap, now - gap, saved.refills.get(what, 0.0))
        for what, (limit, remaining, reset) in saved.buckets.items()
        if reset > gap
    }
    until = now + saved.blocked_for - gap if saved.blocked_for > gap else 0.0
    return Quota(buckets, until, pace=saved_pace.restore(saved.pace, now, gap))
