"""The ledger on SQLite: entries for some months, their sums by the hour for ever, written in one transaction.

A file of its own beside the state's, which it outgrows by far. Its thread is its own too: a report over months keeps
no state from being saved. What was committed survives the end of the process; that of the machine once it is on disk.
A damaged file is set aside, not deleted, and a new one begun: at opening, or when the damage inside it comes to light.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lbd.model.ledger import GROUPS, HOUR, SUMS, Entry, Kind, Total
from lbd.model.units import NANO_PER_USD, Seconds, WallTime
from lbd.ports import StoreError

T = TypeVar("T")
_FIELDS = Entry.__struct_fields__
_INTEGERS = frozenset(name for name in SUMS if name != "saved_square")
_COLUMNS = ", ".join(f"{name}{' PRIMARY KEY' if name == 'id' else ''}" for name in _FIELDS)
_GROUPED = ", ".join(f"{name} TEXT NOT NULL" for name in GROUPS)
_SUMMED = ", ".join(f"{name} {'INTEGER' if name in _INTEGERS else 'REAL'} NOT NULL" for name in SUMS)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS entries ({_COLUMNS});
CREATE INDEX IF NOT EXISTS entries_time ON entries (time);
CREATE INDEX IF NOT EXISTS entries_request ON entries (request);
CREATE TABLE IF NOT EXISTS hours (
    hour INTEGER NOT NULL, {_GROUPED}, {_SUMMED}, PRIMARY KEY (hour, {", ".join(GROUPS)})
) WITHOUT ROWID;
"""
_INSERT = f"INSERT OR IGNORE INTO entries VALUES ({', '.join('?' * len(_FIELDS))})"  # noqa: S608
_ADD = (
    f"INSERT INTO hours VALUES ({', '.join('?' * (1 + len(GROUPS) + len(SUMS)))})"  # noqa: S608
    f" ON CONFLICT DO UPDATE SET {', '.join(f'{name} = {name} + excluded.{name}' for name in SUMS)}"
)
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# What rows may be asked for by; none of these words comes from a client.
WHERE = frozenset({*GROUPS, "request", "outcome"})


def sums(entry: Entry) -> tuple[float, ...]:
    """Return what an entry adds to a total, in the order of ``SUMS``."""
    failed = entry.kind is Kind.CLIENT and not entry.served
    saved = entry.saved or 0
    return (
        int(entry.served),
        1,
        int(failed),
        entry.input,
        entry.cached,
        entry.written,
        entry.output,
        entry.reasoning,
        entry.cost,
        entry.cost if failed else 0,
        int(entry.estimated),
        int(entry.unpriced),
        int(entry.saved is not None),
        entry.cost if entry.compared else 0,
        entry.premium or 0,
        entry.cheapest or 0,
        saved,
        (saved / NANO_PER_USD) ** 2,
    )


class SqliteBooks:
    """Implements :class:`lbd.ports.Books`. ``path`` None: in memory, gone at the end.

    ``patience_s`` is how long a file that another process holds is waited for.
    """

    def __init__(self, path: Path | None, *, patience_s: Seconds = 5.0) -> None:
        self._path = path
        self._patience_s = patience_s
        self._thread = None if path is None else ThreadPoolExecutor(1, thread_name_prefix="lbd-books")
        self._db: sqlite3.Connection | None = None
        self._closed = False

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise StoreError(f"{self._path}: the ledger is closed")
        try:
            if self._thread is None:  # no disk to wait for
                return work(self._open())
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)
        except (sqlite3.Error, OSError) as e:
            raise StoreError(f"{self._path or 'ledger'}: {e}") from e

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._open())
        except sqlite3.DatabaseError as e:
            if _damaged(e):  # it is told; whoever comes next finds a new file
                self._let_go()
                self._set_aside()
            raise

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._db = self._connect()
            except sqlite3.DatabaseError as e:
                if not _damaged(e) or self._path is None:
                    raise
                self._set_aside()
                self._db = self._connect()
        return self._db

    def _set_aside(self) -> None:
        """Keep the file and its journal for a person to read; what is left beside it would spoil the next one."""
        if self._path is not None:
            for rest in ("-wal", ""):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self._path}{rest}").replace(f"{self._path.with_suffix('.damaged')}{rest}")
            Path(f"{self._path}-shm").unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        path = self._path or ":memory:"
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=self._patience_s)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    async def append(self, entries: Sequence[Entry]) -> int:
        """Write entries that are not there yet, and add them up; return how many were new."""

        def write(db: sqlite3.Connection) -> int:
            new = 0
            db.execute("BEGIN IMMEDIATE")
            try:
                for e in entries:
                    if db.execute(_INSERT, tuple(getattr(e, name) for name in _FIELDS)).rowcount > 0:
                        new += 1
                        db.execute(_ADD, (e.hour, *(getattr(e, name) for name in GROUPS), *sums(e)))
                db.execute("COMMIT")
            except BaseException:  # an open transaction would refuse every later one
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return new

        return await self._run(write)

    async def totals(
        self, since: WallTime, until: WallTime, by: Sequence[str] = (), where: Mapping[str, str] | None = None
    ) -> list[Total]:
        """Return the sums of whole hours between two times, by some of ``GROUPS`` or the ``hour``.

        Raises ValueError for anything else.
        """
        unknown = sorted({*by, *(where or {})} - {*GROUPS, "hour"})
        if unknown:
            raise ValueError(f"the ledger is not grouped by {unknown[0]!r}")
        group = ", ".join(by)
        named = ", ".join(f"coalesce(sum({name}), 0)" for name in SUMS)
        some = "".join(f" AND {name} = ?" for name in where or {})
        text = (
            f"SELECT {f'{group}, ' if by else ''}{named} FROM hours WHERE hour >= ? AND hour < ?{some}"  # noqa: S608
            f"{f' GROUP BY {group} ORDER BY {group}' if by else ''}"
        )
        first = since // HOUR * HOUR
        rows = await self._run(lambda db: db.execute(text, (first, until, *(where or {}).values())).fetchall())
        return [Total(tuple(row[: len(by)]), *row[len(by) :]) for row in rows]

    async def entries(
        self, since: WallTime, until: WallTime, *, limit: int = 1000, where: Mapping[str, str] | None = None
    ) -> list[Entry]:
        """Return entries between two times, the youngest first. Raises ValueError for an unknown name in ``where``."""
        unknown = sorted(set(where or {}) - WHERE)
        if unknown:
            raise ValueError(f"the ledger is not asked by {unknown[0]!r}")
        some = "".join(f" AND {name} = ?" for name in where or {})
        text = f"SELECT * FROM entries WHERE time >= ? AND time < ?{some} ORDER BY time DESC, id DESC LIMIT ?"  # noqa: S608
        given = (since, until, *(where or {}).values(), limit)
        return [_entry(row) for row in await self._run(lambda db: db.execute(text, given).fetchall())]

    async def forget(self, before: WallTime) -> int:
        """Delete entries from before a time; their sums stay. Return how many went."""
        return await self._run(lambda db: db.execute("DELETE FROM entries WHERE time < ?", (before,)).rowcount)

    async def close(self) -> None:
        """Close the file."""
        if self._closed:
            return
        self._closed = True
        if self._thread is None:
            self._let_go()
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        except sqlite3.Error as e:
            raise StoreError(f"{self._path}: {e}") from e
        finally:
            self._thread.shutdown(wait=False)

    def _let_go(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()


def _damaged(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE  # the rest of the code says where


_FLAGS = frozenset({"estimated", "unpriced", "served", "compared"})


def _entry(row: Sequence[object]) -> Entry:
    told = dict(zip(_FIELDS, row, strict=True))
    told |= {name: bool(told[name]) for name in _FLAGS}
    return Entry(**{**told, "kind": Kind(str(told["kind"]))})  # type: ignore[arg-type]


def make(url: str) -> SqliteBooks:
    """Make the ledger that belongs to a store's URL."""
    path = url.removeprefix("sqlite://")
    return SqliteBooks(Path(path).with_suffix(".ledger.db") if path != url and path.startswith("/") else None)
