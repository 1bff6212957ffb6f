"""The state of the table on SQLite: rows of bytes, by table and key."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from lbd.model.units import Seconds
from lbd.store import STORES
from lbd.store.database import Database, damage

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (
    tbl TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (tbl, key)
) WITHOUT ROWID
"""


class SqliteStore:
    """Implements :class:`lbd.ports.Store` on a :class:`lbd.store.database.Database`."""

    def __init__(self, path: Path, *, patience_s: Seconds = 5.0) -> None:
        self._file = Database(path, "store", _set_up, patience_s=patience_s)
        self._run = self._file.run

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
        await self._file.close()


def _set_up(db: sqlite3.Connection) -> None:
    db.execute(_SCHEMA)
    # damage inside a file would come to light at each access from then on; some hundred rows take 1 ms
    (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise damage(found)


@STORES.add("sqlite")
def make(url: str) -> SqliteStore:
    """Make a store from ``sqlite:///path``. Raises ValueError."""
    path = url.removeprefix("sqlite://")
    if not path.startswith("/") or path == url:
        raise ValueError(f"{url!r}: write sqlite:///absolute/path")
    return SqliteStore(Path(path))
