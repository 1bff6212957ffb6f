"""SQLite in WAL mode, in one thread of its own: the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lbd.ports import StoreError
from lbd.store import STORES

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (
    tbl TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key)
) WITHOUT ROWID
"""


class SqliteStore:
    """Implements :class:`lbd.ports.Store`. A damaged file is set aside, not deleted, and a new one begun."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lbd-store")
        self._db: sqlite3.Connection | None = None

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(self._open()))
        except (sqlite3.Error, OSError) as e:
            raise StoreError(f"{self._path}: {e}") from e

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._db = self._connect()
            except sqlite3.DatabaseError as e:
                if isinstance(e, sqlite3.OperationalError):
                    raise
                self._path.replace(self._path.with_suffix(".damaged"))
                for rest in ("-wal", "-shm"):
                    Path(f"{self._path}{rest}").unlink(missing_ok=True)
                self._db = self._connect()
        return self._db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=5)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(_SCHEMA)
        return db

    async def load(self, table: str) -> dict[str, bytes]:
        """Return everything kept in ``table``."""
        return await self._run(
            lambda db: dict(db.execute("SELECT key, value FROM kept WHERE tbl = ?", (table,)).fetchall())
        )

    async def save(self, table: str, rows: Mapping[str, bytes], *, gone: Sequence[str] = ()) -> None:
        """Keep these rows and forget those, in one transaction."""

        def write(db: sqlite3.Connection) -> None:
            db.execute("BEGIN")
            try:
                db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", [(table, k, v) for k, v in rows.items()])
                db.executemany("DELETE FROM kept WHERE tbl = ? AND key = ?", [(table, k) for k in gone])
            except sqlite3.Error:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

        await self._run(write)

    async def close(self) -> None:
        """Close the file."""

        def close(db: sqlite3.Connection) -> None:
            db.close()
            self._db = None

        if self._db is not None:
            await self._run(close)
        self._thread.shutdown(wait=False)


@STORES.add("sqlite")
def make(url: str) -> SqliteStore:
    """Make a store from ``sqlite:///path``. Raises ValueError."""
    path = url.removeprefix("sqlite://")
    if not path.startswith("/") or path == url:
        raise ValueError(f"{url!r}: write sqlite:///absolute/path")
    return SqliteStore(Path(path))
