"""The ledger on SQLite: entries for some months, their sums by the hour for ever, written in one transaction.

A file of its own beside the state's, which it outgrows by far. Its thread is its own too: a report over months keeps
no state from being saved. What was committed survives the end of the process; that of the machine once it is on disk.
A file of another version is written on: what it lacks is added, what it has more is left.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from msgspec.structs import astuple, fields

from lbd.model.ledger import GROUPS, HOUR, SUMS, Entry, Kind, Total
from lbd.model.units import NANO_PER_USD, Seconds, WallTime
from lbd.store.database import Database

_FIELDS = Entry.__struct_fields__
_INTEGERS = frozenset(name for name in SUMS if name != "saved_square")
_COLUMNS = ", ".join(f"{name}{' PRIMARY KEY' if name == 'id' else ''}" for name in _FIELDS)
_NAMES = ", ".join(_FIELDS)
_GROUPED = ", ".join(f"{name} TEXT NOT NULL" for name in GROUPS)
_SUM = {name: f"{'INTEGER' if name in _INTEGERS else 'REAL'} NOT NULL" for name in SUMS}
_SUMMED = ", ".join(f"{name} {kind}" for name, kind in _SUM.items())
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS entries ({_COLUMNS});
CREATE INDEX IF NOT EXISTS entries_time ON entries (time);
CREATE TABLE IF NOT EXISTS hours (
    hour INTEGER NOT NULL, {_GROUPED}, {_SUMMED}, PRIMARY KEY (hour, {", ".join(GROUPS)})
) WITHOUT ROWID;
"""
_ROW = f"({', '.join('?' * len(_FIELDS))})"
# Rows that are written by one statement. Between two statements the thread has to wait for the interpreter, which the
# event loop holds: with one row a statement that took as much processor time as the rest of a request.
_TOGETHER = (128, 16, 1)
_INSERT = {n: f"INSERT OR IGNORE INTO entries ({_NAMES}) VALUES {', '.join([_ROW] * n)}" for n in _TOGETHER}  # noqa: S608
_FAILED = "(kind = 'client' AND NOT served)"
# What an entry adds to each of ``SUMS``; what it is called after is added as it stands.
_ADDS = {
    "requests": "served",
    "attempts": "1",
    "failed": _FAILED,
    "failed_cost": f"CASE WHEN {_FAILED} THEN cost ELSE 0 END",
    "compared": "saved IS NOT NULL",
    "compared_cost": "CASE WHEN compared THEN cost ELSE 0 END",
    "premium": "ifnull(premium, 0)",
    "cheapest": "ifnull(cheapest, 0)",
    "saved": "ifnull(saved, 0)",
    "saved_square": f"(ifnull(saved, 0) / {NANO_PER_USD}.0) * (ifnull(saved, 0) / {NANO_PER_USD}.0)",
}
# Entries that were written last are added up where they lie: a handful of groups for hundreds of them.
_ADD = (
    f"INSERT INTO hours (hour, {', '.join(GROUPS)}, {', '.join(SUMS)})"  # noqa: S608
    f" SELECT CAST(time AS INTEGER) / {HOUR} * {HOUR} AS hour, {', '.join(GROUPS)},"
    f" {', '.join(f'sum({_ADDS.get(name, name)})' for name in SUMS)}"
    f" FROM entries WHERE rowid > ? GROUP BY hour, {', '.join(GROUPS)}"
    f" ON CONFLICT DO UPDATE SET {', '.join(f'{name} = {name} + excluded.{name}' for name in SUMS)}"
)
_LAST = "SELECT ifnull(max(rowid), 0) FROM entries"
# What rows may be asked for by; none of these words comes from a client.
WHERE = frozenset({*GROUPS, "request", "outcome"})


class SqliteBooks:
    """Implements :class:`lbd.ports.Books`. ``path`` None: in memory, gone at the end.

    ``patience_s`` is how long a file that another process holds is waited for.
    """

    def __init__(self, path: Path | None, *, patience_s: Seconds = 5.0) -> None:
        self._file = Database(path, "ledger", _set_up, patience_s=patience_s)
        self._run = self._file.run

    async def append(self, entries: Sequence[Entry]) -> int:
        """Write entries that are not there yet, and add them up; return how many were new."""

        def write(db: sqlite3.Connection) -> int:
            db.execute("BEGIN IMMEDIATE")
            try:
                (last,) = db.execute(_LAST).fetchone()
                new = _insert(db, entries)
                db.execute(_ADD, (last,))
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
        text = f"SELECT {_NAMES} FROM entries WHERE time >= ? AND time < ?{some} ORDER BY time DESC, id DESC LIMIT ?"  # noqa: S608
        given = (since, until, *(where or {}).values(), limit)
        return [_entry(row) for row in await self._run(lambda db: db.execute(text, given).fetchall())]

    async def forget(self, before: WallTime) -> int:
        """Delete entries from before a time; their sums stay. Return how many went."""
        return await self._run(lambda db: db.execute("DELETE FROM entries WHERE time < ?", (before,)).rowcount)

    async def close(self) -> None:
        """Close the file."""
        await self._file.close()


def _set_up(db: sqlite3.Connection) -> None:
    db.executescript(_SCHEMA)
    _complete(db)


def _complete(db: sqlite3.Connection) -> None:
    """Add the columns that the file of an older version lacks, as they are where nothing is known."""
    usual = {f.name: f.default for f in fields(Entry)}
    for table, kinds in (("entries", {name: _default(usual[name]) for name in _FIELDS}), ("hours", _SUM)):
        there = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for name, kind in kinds.items():
            if name not in there:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {name} {kind}{' DEFAULT 0' if table == 'hours' else ''}")


def _default(value: object) -> str:
    """Return the clause for a column of entries: numbers are 0, names empty, and what may be unknown is."""
    return "" if value is None else f"DEFAULT {int(value)}" if isinstance(value, int) else "DEFAULT ''"


_FLAGS = ("estimated", "unpriced", "served", "compared")
_KIND, _FLAG = _FIELDS.index("kind"), _FIELDS.index(_FLAGS[0])
_REST = _FLAG + len(_FLAGS)


def _insert(db: sqlite3.Connection, entries: Sequence[Entry]) -> int:
    """Write entries that are not there yet; return how many that were."""
    new = at = 0
    most = db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(_FIELDS)  # 999 values in older versions
    for n in (n for n in _TOGETHER if n <= most):
        while len(entries) - at >= n:
            values = tuple(chain.from_iterable(map(_row, entries[at : at + n])))
            new += db.execute(_INSERT[n], values).rowcount
            at += n
    return new


def _row(entry: Entry) -> tuple[object, ...]:
    """Return what is written of an entry: plain values, since sqlite3 looks for an adapter of every other type."""
    told = astuple(entry)
    return (*told[:_KIND], told[_KIND].value, *told[_KIND + 1 : _FLAG], *map(int, told[_FLAG:_REST]), *told[_REST:])


def _entry(row: Sequence[object]) -> Entry:
    told = dict(zip(_FIELDS, row, strict=True))
    told |= {name: bool(told[name]) for name in _FLAGS}
    return Entry(**{**told, "kind": Kind(str(told["kind"]))})  # type: ignore[arg-type]


def make(url: str) -> SqliteBooks:
    """Make the ledger that belongs to a store's URL."""
    path = url.removeprefix("sqlite://")
    return SqliteBooks(Path(path).with_suffix(".ledger.db") if path != url and path.startswith("/") else None)
