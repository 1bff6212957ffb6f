"""Keeping experiments: written down soon where one began or ended, every minute where there is more to count."""

from __future__ import annotations

from collections.abc import Callable

from lbd.model.units import Seconds
from lbd.ports import Env, Store, StoreError
from lbd.table import saved_trials
from lbd.table.trials import Trials

EVERY: Seconds = 1.0
TURNS = 60  # of them between two writes of what is only counts, some 450 KB an experiment
EXPERIMENTS = "experiments"


class Keeping:
    """Writes down and reads back. ``changed`` is told when the store stops or begins to take it, and why not."""

    def __init__(self, env: Env, trials: Trials, store: Store, changed: Callable[[bool, str], None]) -> None:
        self._env = env
        self._trials = trials
        self._store = store
        self._changed = changed
        self._written: set[str] = set()
        self._read = False
        self.up = True

    async def restore(self) -> None:
        """Put back what was kept; where the store does not say, that is tried again."""
        try:
            rows = await self._store.load(EXPERIMENTS)
        except StoreError as e:
            self._told(e)
            return
        self._read, self._written = True, set(rows)
        found = {key: kept for key, data in rows.items() if (kept := saved_trials.restore(key, data)) is not None}
        self._trials.restored(found)
        self._told(None)

    async def run(self) -> None:
        """Write for ever."""
        turn = 0
        while True:
            await self._env.sleep(EVERY)
            turn = (turn + 1) % TURNS
            await self.save(whole=turn == 0)

    async def save(self, *, whole: bool = True) -> None:
        """Write everything that has changed, or only what began or ended."""
        if not self._read:
            await self.restore()
        if not self._read:
            return
        every = self._trials.every()
        due = {key: e for key, e in every.items() if e.moved or (whole and e.dirty)}
        gone = sorted(self._written - every.keys())
        if not due and not gone:
            return
        rows = {key: saved_trials.dump(e) for key, e in due.items()}
        for e in due.values():
            e.moved = e.dirty = False
        try:
            await self._store.save(EXPERIMENTS, rows, gone=gone)
        except StoreError as e:
            for kept in due.values():
                kept.moved = kept.dirty = True
            self._told(e)
            return
        self._written = (self._written | rows.keys()) - set(gone)
        self._told(None)

    def _told(self, error: StoreError | None) -> None:
        if self.up is not (error is None):
            self.up = error is None
            self._changed(self.up, "" if error is None else str(error))
