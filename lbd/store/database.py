"""A SQLite file in WAL mode, in one thread of its own: the event loop never waits for a disk.

A damaged file is set aside, not deleted, and a new one begun: at opening, or when the damage inside it comes to light.
So it is where the file was taken away or another put in its place, since what is written to it then is lost. Whoever
came upon it is told by a StoreError; the next one finds the new file.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lbd.model.units import Seconds
from lbd.ports import StoreError

T = TypeVar("T")
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Database:
    """See the module. ``path`` None: in memory, gone at the end. ``what`` it is called; ``set_up`` makes its tables.

    ``patience_s`` is how long a file that another process holds is waited for.
    """

    def __init__(
        self, path: Path | None, what: str, set_up: Callable[[sqlite3.Connection], None], *, patience_s: Seconds
    ) -> None:
        self.path = path
        self._what = what
        self._set_up = set_up
        self._patience_s = patience_s
        self._thread = None if path is None else ThreadPoolExecutor(1, thread_name_prefix=f"lbd-{what}")
        self._db: sqlite3.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._closed = False

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the file. Raises StoreError."""
        if self._closed:
            raise StoreError(f"{self.path}: the {self._what} is closed")
        try:
            if self._thread is None:  # no disk to wait for
                return work(self._open())
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._do, work)
        except (sqlite3.Error, OSError) as e:
            raise StoreError(f"{self.path or self._what}: {e}") from e

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._open())
        except sqlite3.DatabaseError as e:
            if not _damaged(e):
                raise
            self._let_go()
            raise self._set_aside(e) from e

    def _open(self) -> sqlite3.Connection:
        if self._db is not None and self.path is not None and _inode(self.path) != self._inode:
            self._let_go()
            raise OSError("the file was taken away, and what was in it: a new one is begun")
        if self._db is None:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._connect()
            self._inode = None if self.path is None else _inode(self.path)
        return self._db

    def _set_aside(self, error: sqlite3.Error) -> sqlite3.Error:
        """Keep the file and its journal for a person to read; what is left beside it would spoil the next one.

        Returns what is to be told: whoever comes next finds a new file.
        """
        if self.path is None:
            return error
        aside = self.path.with_suffix(".damaged")
        for rest in ("-wal", ""):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{rest}").replace(f"{aside}{rest}")
        Path(f"{self.path}-shm").unlink(missing_ok=True)
        return sqlite3.DatabaseError(f"damaged ({error}): set aside as {aside.name}, and a new one begun")

    def _connect(self) -> sqlite3.Connection:
        path = self.path or ":memory:"
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=self._patience_s)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            self._set_up(db)
        except sqlite3.Error:
            db.close()
            raise
        return db

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
            raise StoreError(f"{self.path}: {e}") from e
        finally:
            self._thread.shutdown(wait=False)

    def _let_go(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()


def damage(text: str) -> sqlite3.DatabaseError:
    """Return the error that says the file is damaged."""
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _damaged(error: sqlite3.DatabaseError) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE  # the rest of the code says where


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
