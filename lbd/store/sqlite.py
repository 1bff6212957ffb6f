"""SQLite in WAL mode, in one thread of its own: the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lbd.model.units import Seconds
from lbd.ports import StoreError
from lbd.store import STORES

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (
    tbl TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key)
) WITHOUT ROWID
"""


class SqliteStore:
    """Implements :class:`lbd.ports.Store`. A damaged file is set aside, not deleted, and a new one begun.

    Whoever came upon it is told by a StoreError, since what was kept in it is gone; the next one finds the new file.
    ``patience_s`` is how long a file that another process holds is waited for.
    """

    def __init__(self, path: Path, *, patience_s: Seconds = 5.0) -> None:
        self._path = path
        self._patience_s = patience_s
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lbd-store")
        self._db: sqlite3.Connection | None = None

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise StoreError(f"{self._path}: the store is closed")
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
                aside = self._path.with_suffix(".damaged")
                self._path.replace(aside)
                for rest in ("-wal", "-shm"):
                    Path(f"{self._path}{rest}").unlink(missing_ok=True)
                raise sqlite3.DatabaseError(f"damaged ({e}): set aside as {aside.name}, and a new one begun") from e
        return self._db

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=self._patience_s)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.execute(_SCHEMA)
            # damage inside a file would come to light at each access from then on; some hundred rows take 1 ms
            found = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != ("ok",):
                raise sqlite3.DatabaseError(found)
        except sqlite3.Error:
            db.close()
            raise
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
                db.execute("COMMIT")
            except BaseException:  # whatever it was: an open transaction would refuse every later one
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

        await self._run(write)

    async def close(self) -> None:
        """Close the file."""
        if self._closed:
            return
        self._closed = True
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        except sqlite3.Error as e:
            raise StoreError(f"{self._path}: {e}") from e
        finally:
            self._thread.shutdown(wait=False)

    def _let_go(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


@STORES.add("sqlite")
def make(url: str) -> SqliteStore:
    """Make a store from ``sqlite:///path``. Raises ValueError."""
    path = url.removeprefix("sqlite://")
    if not path.startswith("/") or path == url:
        raise ValueError(f"{url!r}: write sqlite:///absolute/path")
    return SqliteStore(Path(path))
