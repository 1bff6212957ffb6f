"""Files and batches before a store that fails when it is told to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from lbd.batch.shelf import Shelf
from lbd.ports import Env, StoreError
from lbd.store.blobs import MemoryBlobs
from lbd.store.memory import MemoryStore


class MoodyStore(MemoryStore):
    """Fails while ``error`` says so."""

    def __init__(self) -> None:
        super().__init__()
        self.error: str | None = None
        self.saves = 0

    async def load(self, table: str) -> dict[str, bytes]:
        if self.error is not None:
            raise StoreError(self.error)
        return await super().load(table)

    async def save(self, table: str, rows: Mapping[str, bytes], *, gone: Sequence[str] = ()) -> None:
        self.saves += 1
        if self.error is not None:
            raise StoreError(self.error)
        await super().save(table, rows, gone=gone)


class MoodyBlobs(MemoryBlobs):
    """Fails while ``error`` says so; ``pause`` is what reads and appends wait for first."""

    def __init__(self) -> None:
        super().__init__()
        self.error: str | None = None
        self.pause: Callable[[], Awaitable[object]] | None = None

    async def put(self, name: str, data: bytes) -> None:
        if self.error is not None:
            raise StoreError(self.error)
        await super().put(name, data)

    async def append(self, name: str, data: bytes) -> None:
        if self.pause is not None:
            await self.pause()
        if self.error is not None:
            raise StoreError(self.error)
        await super().append(name, data)

    async def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        if self.pause is not None:
            await self.pause()
        if self.error is not None:
            raise StoreError(self.error)
        return await super().read(name, offset, size)

    async def drop(self, names: Sequence[str]) -> None:
        if self.error is not None:
            raise StoreError(self.error)
        await super().drop(names)

    async def sizes(self) -> dict[str, int]:
        if self.error is not None:
            raise StoreError(self.error)
        return await super().sizes()


async def shelf(env: Env, store: MemoryStore | None = None, blobs: MemoryBlobs | None = None) -> Shelf:
    """Return a shelf that knows what is kept there."""
    made = Shelf(env, store or MoodyStore(), blobs or MoodyBlobs())
    await made.restore()
    return made
