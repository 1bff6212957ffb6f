"""Writing money down: entries of the ledger every 50 ms, grants of budgets before anybody is promised a part of them.

What the disk does not take waits and is written the next time; an entry's id keeps it from being counted twice. Nothing
is granted before it is known what was written in an earlier life. At an end in peace budgets are written as they were
spent; after a crash all that was granted counts as spent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from lbd.model.units import NanoUsd, Seconds
from lbd.observe.ledger import Ledger
from lbd.ports import Books, Env, Store, StoreError
from lbd.table.purses import Purses

EVERY: Seconds = 0.05
AFTER_A_FAULT: Seconds = 1.0
FORGET_EVERY: Seconds = 3600.0
DAY: Seconds = 86400.0
BUDGETS = "budgets"
_DAMAGED = (msgspec.MsgspecError, ValueError)


class Money:
    """See the module. ``changed`` is told when a disk stops or begins to take it, and why it does not."""

    def __init__(
        self,
        env: Env,
        ledger: Ledger,
        books: Books,
        purses: Purses,
        store: Store,
        changed: Callable[[bool, str], None],
    ) -> None:
        self._env = env
        self._ledger = ledger
        self._books = books
        self._purses = purses
        self._store = store
        self._changed = changed
        self._forgot = env.now()
        self._restored = False
        self._keeping = asyncio.Lock()  # a smaller grant written after a larger one would be all that a crash leaves
        self.every_s = EVERY
        self.days = 90
        self.up = True

    async def run(self) -> None:
        """Write for ever."""
        while True:
            await self._env.sleep(self.every_s if self.up else AFTER_A_FAULT)
            await self.keep()

    async def keep(self) -> None:
        """Write what is due; at first, take up what was written of the budgets in an earlier life.

        Where one disk takes nothing, the others are written all the same.
        """
        async with self._keeping:
            faults = [await _tried(work) for work in (self._grant, self._write, self._forget)]
        fault = next((f for f in faults if f is not None), None)
        if self.up is not (fault is None):
            self.up = fault is None
            self._changed(self.up, "" if fault is None else str(fault))

    async def _grant(self) -> None:
        if not self._restored:
            await self._restore()
            self._restored = True
        due = self._purses.due(self._env.wall())
        if due:
            await self._save(due)
            self._purses.granted(due)

    async def _restore(self) -> None:
        """Take up what was spent in an earlier life: as it was written down, else as the ledger knows it."""
        wall = self._env.wall()
        kept = _read(await self._store.load(BUDGETS))
        for key, (window, spec) in self._purses.unwritten(kept.keys(), wall).items():
            sums = await self._books.totals(window, wall + 1, where={spec.scope: spec.name})
            kept[key] = (window, sum(total.cost for total in sums))
        self._purses.restore(kept, wall)

    async def _write(self) -> None:
        entries = self._ledger.take()
        try:
            if entries:
                await self._books.append(entries)
        except BaseException:
            self._ledger.back(entries)
            raise

    async def _forget(self) -> None:
        if self._env.now() - self._forgot >= FORGET_EVERY:
            self._forgot = self._env.now()
            await self._books.forget(self._env.wall() - self.days * DAY)

    async def _save(self, rows: Mapping[str, tuple[int, NanoUsd]]) -> None:
        await self._store.save(BUDGETS, {key: msgspec.msgpack.encode(told) for key, told in rows.items()})

    async def close(self) -> None:
        """Write all there is: nothing is under way any more."""
        await self.keep()
        spent = self._purses.spent()
        if spent and self._restored:
            with contextlib.suppress(StoreError):  # then what was granted counts as spent
                await self._save(spent)


async def _tried(work: Callable[[], Awaitable[None]]) -> StoreError | None:
    try:
        await work()
    except StoreError as e:
        return e
    return None


def _read(kept: Mapping[str, bytes]) -> dict[str, tuple[int, NanoUsd]]:
    found: dict[str, tuple[int, NanoUsd]] = {}
    for key, data in kept.items():
        with contextlib.suppress(*_DAMAGED):
            found[key] = msgspec.msgpack.decode(data, type=tuple[int, int])
    return found
