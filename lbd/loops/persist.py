"""Persistence: the table's state to the store every few seconds, and back at start.

A row whose state moved (breaker, lock-out, ejection, order) and a rate limit that blocks are written within ``SOON``,
so that a process that is killed comes back with them; statistics of a row are most of its bytes and are written every
``EVERY`` seconds, in a table of more than ``AT_ONCE`` rows or ``BYTES_AT_ONCE`` another part of it each time, in at
most ``TURNS`` parts.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import msgspec

from lbd.model.units import Instant, Seconds, WallTime
from lbd.ports import Env, Store, StoreError
from lbd.state.breaker import Phase
from lbd.state.quota import Quota
from lbd.state.row import Row, fold
from lbd.state.spend import ProbeSpend
from lbd.table import saved, saved_scores
from lbd.table.owner import Owner

SOON: Seconds = 0.25
EVERY: Seconds = 5.0
TURNS = 6
AT_ONCE = 32  # rows; each is a millisecond of work at most
BYTES_AT_ONCE = 1_000_000  # a row whose last hour was busy has 230 KB: day and night it would add up on the disk
ROWS, QUOTAS, MISC, QUALITY = "rows", "quotas", "misc", "quality"
# What decoding raises for bytes that are no state: text that is no UTF-8 comes out of msgspec as a ValueError.
_DAMAGED = (msgspec.MsgspecError, ValueError)


class Persistence:
    """Saves and restores. A store that fails is told and tried again; nothing waits for it."""

    def __init__(self, env: Env, owner: Owner, store: Store, changed: Callable[[bool, str], None]) -> None:
        self._env = env
        self._owner = owner
        self._store = store
        self._changed = changed
        self._kept: set[str] = set()
        self._marks: dict[str, object] = {}  # by row: what was written last that must not be lost
        self._blocks: dict[str, Instant] = {}  # by quota group: the end of its block that was written last
        self._turn = 0
        self._sizes: dict[str, int] = {}  # by row: bytes, when it was written last
        self._scored: dict[str, float] = {}  # by row: the scores that were written last
        self.up = True
        self.restored = 0
        self.probe_spend = ProbeSpend()

    async def restore(self) -> None:
        """Put back what was kept, aged. Whatever cannot be read is left out."""
        try:
            rows = await self._store.load(ROWS)
            quotas = await self._store.load(QUOTAS)
            misc = await self._store.load(MISC)
            scores = await self._store.load(QUALITY)
        except StoreError as e:
            self._failed(e)
            return
        now, wall = self._env.now(), self._env.wall()
        self._kept = set(rows)
        self._scored = dict.fromkeys(scores, -1)
        for row in self._owner.rows:
            data = rows.get(row.spec.id)
            with contextlib.suppress(*_DAMAGED):
                if data is not None and saved.restore(row, data, now, wall):
                    self.restored += 1
                    self._marks[row.spec.id] = _mark(row)
            if row.spec.id in scores and saved_scores.restore(row, scores[row.spec.id], now, wall):
                self._scored[row.spec.id] = _scores(row)
        found: dict[str, Quota] = {}
        for group, data in quotas.items():
            with contextlib.suppress(*_DAMAGED):
                quota = saved.restore_quota(data, now, wall)
                if quota is not None:
                    found[group] = quota
                    self._blocks[group] = quota.blocked_until
        self._owner.restored(found)
        self._restore_misc(misc)

    def _restore_misc(self, misc: dict[str, bytes]) -> None:
        if "probe_spend" in misc:
            with contextlib.suppress(*_DAMAGED):
                self.probe_spend = msgspec.msgpack.decode(misc["probe_spend"], type=ProbeSpend)
        if "tokens_per_byte" in misc:
            with contextlib.suppress(*_DAMAGED):
                ratio = msgspec.msgpack.decode(misc["tokens_per_byte"], type=float)
                if 0.01 <= ratio <= 1:
                    self._owner.tokens_per_byte = ratio

    async def run(self, spend: Callable[[], ProbeSpend]) -> None:
        """Save for ever."""
        due = self._env.now() + EVERY
        while True:
            await self._env.sleep(SOON)
            if self._env.now() >= due:
                due = self._env.now() + EVERY
                self._turn += 1
                await self.save(spend(), whole=False)
            elif self.up:
                await self.follow()

    async def follow(self) -> None:
        """Save what must not be lost of rows and rate limits that moved since they were saved."""
        now, wall = self._env.now(), self._env.wall()
        rows = {row.spec.id: row for row in self._owner.rows if self._marks.get(row.spec.id) != _mark(row)}
        blocks = {g: q for g, q in self._owner.accounts.quotas.items() if self._blocks.get(g, 0.0) != q.blocked_until}
        if not rows and not blocks:
            return
        marks = {id_: _mark(row) for id_, row in rows.items()}
        for row in rows.values():
            fold(row, now)
        try:
            if rows:
                await self._store.save(ROWS, {id_: saved.dump(row, now, wall) for id_, row in rows.items()})
            if blocks:
                await self._store.save(QUOTAS, {g: saved.dump_quota(q, now, wall) for g, q in blocks.items()})
        except StoreError as e:
            self._failed(e)
            return
        self._kept |= marks.keys()
        self._marks.update(marks)
        self._blocks.update({g: q.blocked_until for g, q in blocks.items()})

    async def save(self, spend: ProbeSpend, *, whole: bool = True) -> None:
        """Save everything once, or what is due; requests get their turn between two rows."""
        rows: dict[str, bytes] = {}
        marks: dict[str, object] = {}
        table = list(self._owner.rows)
        size = sum(self._sizes.get(row.spec.id, 0) for row in table)
        parts = min(TURNS, max(math.ceil(len(table) / AT_ONCE), math.ceil(size / BYTES_AT_ONCE)))
        for i, row in enumerate(table):
            marks[row.spec.id] = mark = _mark(row)
            if not whole and (i - self._turn) % parts and self._marks.get(row.spec.id) == mark:
                continue
            # before the clock is read: nothing in a row may be younger than what its ages count from
            fold(row, self._env.now())
            rows[row.spec.id] = saved.dump(row, self._env.now(), self._env.wall())
            await self._env.sleep(0)
        now, wall = self._env.now(), self._env.wall()
        quotas = {g: saved.dump_quota(q, now, wall) for g, q in self._owner.accounts.quotas.items()}
        blocks = {g: q.blocked_until for g, q in self._owner.accounts.quotas.items()}
        misc = {
            "probe_spend": msgspec.msgpack.encode(spend),
            "tokens_per_byte": msgspec.msgpack.encode(self._owner.tokens_per_byte),
        }
        try:
            await self._store.save(ROWS, rows, gone=sorted(self._kept - marks.keys()))
            await self._store.save(QUOTAS, quotas)
            await self._store.save(MISC, misc)
            await self._save_scores(now, wall)
        except StoreError as e:
            self._failed(e)
            return
        self._kept = set(marks)
        self._sizes = {id_: len(rows[id_]) if id_ in rows else self._sizes.get(id_, 0) for id_ in marks}
        self._marks, self._blocks = marks, blocks
        if not self.up:
            self.up = True
            self._changed(True, "")

    async def _save_scores(self, now: Instant, wall: WallTime) -> None:
        """Write the scores of rows that have new ones."""
        found = {row.spec.id: row for row in self._owner.rows if row.scores}
        due = {id_: row for id_, row in found.items() if self._scored.get(id_) != _scores(row)}
        gone = sorted(self._scored.keys() - {row.spec.id for row in self._owner.rows})
        if due or gone:
            marks = {id_: _scores(row) for id_, row in due.items()}
            rows = {id_: saved_scores.dump(row, now, wall) for id_, row in due.items()}
            await self._store.save(QUALITY, rows, gone=gone)
            self._scored.update(marks)
            for id_ in gone:
                del self._scored[id_]

    def _failed(self, error: StoreError) -> None:
        self._marks = {}
        if self.up:
            self.up = False
            self._changed(False, str(error))


def _scores(row: Row) -> float:
    """Return a number that changes with every score and every rating that is changed."""
    return sum(s.level.count + s.level.total + s.level.squares for s in row.scores.values())


def _mark(row: Row) -> object:
    orders = (row.admin, row.admin_weight, row.admin_by, row.admin_until, row.weight_until)
    b = row.breaker  # single failures come and go, and are not kept
    held = (b.phase, b.since, b.cause, b.openings, b.trials_ok, b.retry_at if b.phase is Phase.OPEN else 0.0)
    return row.spec.identity(row.provider), held, row.lock, row.ejection, orders
