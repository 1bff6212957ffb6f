"""Forgets at the end: for tests and for hosts that must not keep anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lbd.store import STORES


class MemoryStore:
    """Implements :class:`lbd.ports.Store`."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[str, bytes]] = {}

    async def load(self, table: str) -> dict[str, bytes]:
        """Return everything kept in ``table``."""
        return dict(self._tables.get(table, {}))

    async def save(self, table: str, rows: Mapping[str, bytes], *, gone: Sequence[str] = ()) -> None:
        """Keep these rows and forget those."""
        kept = self._tables.setdefault(table, {})
        kept.update(rows)
        for key in gone:
            kept.pop(key, None)

    async def close(self) -> None:
        """Let go."""


@STORES.add("memory")
def make(_url: str) -> MemoryStore:
    """Make a store from ``memory:``."""
    return MemoryStore()
