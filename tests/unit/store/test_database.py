"""A file of SQLite that may be damaged, taken away or replaced under a daemon that goes on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from lbd.ports import StoreError
from lbd.store.database import Database, damage


def tables(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, text TEXT)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "some.db"


@pytest.fixture
async def file(path: Path) -> AsyncIterator[Database]:
    made = Database(path, "thing", tables, patience_s=0.1)
    yield made
    await made.close()


async def add(file: Database, text: str) -> None:
    await file.run(lambda db: db.execute("INSERT INTO rows (text) VALUES (?)", (text,)))


async def count(file: Database) -> int:
    return await file.run(lambda db: int(db.execute("SELECT count(length(text)) FROM rows").fetchone()[0]))


async def test_without_a_path_it_is_in_memory() -> None:
    """And gone at the end."""
    file = Database(None, "thing", tables, patience_s=0.1)
    await add(file, "a")
    assert await count(file) == 1
    await file.close()
    with pytest.raises(StoreError, match="the thing is closed"):
        await count(file)


async def test_damage_that_comes_while_it_is_open_is_told_once_and_set_aside(path: Path, file: Database) -> None:
    """Else nothing could be written until the next start, and nothing spent of any budget."""
    for _ in range(1000):  # more than is kept in memory
        await add(file, "x" * 5000)
    await file.run(lambda db: db.execute("PRAGMA wal_checkpoint(TRUNCATE)"))
    await file.run(lambda db: db.execute("PRAGMA shrink_memory"))
    with path.open("r+b") as f:
        f.seek(4096)
        f.write(b"\xa5" * (path.stat().st_size - 4096))
    with pytest.raises(StoreError, match=r"damaged .*: set aside as some\.damaged, and a new one begun"):
        await count(file)
    assert await count(file) == 0
    await add(file, "a")
    assert await count(file) == 1 and path.with_suffix(".damaged").stat().st_size > 5_000_000


def _all(path: Path) -> None:
    shutil.rmtree(path.parent)


def _files(path: Path) -> None:
    for one in path.parent.iterdir():
        one.unlink()


def _another(path: Path) -> None:
    _files(path)
    db = sqlite3.connect(path)
    tables(db)
    db.execute("INSERT INTO rows (text) VALUES ('theirs')")
    db.commit()
    db.close()


@pytest.mark.parametrize(("act", "there"), [(_files, 0), (_all, 0), (_another, 1)])
async def test_what_is_written_to_a_file_that_is_gone_is_not_lost_in_silence(
    path: Path, file: Database, act: Callable[[Path], None], there: int
) -> None:
    """It is told once; whoever tries again writes where the next start looks."""
    await add(file, "before")
    act(path)
    with pytest.raises(StoreError, match="taken away"):
        await add(file, "lost")
    await add(file, "after")
    assert await count(file) == there + 1
    await file.close()
    again = Database(path, "thing", tables, patience_s=0.1)
    assert await count(again) == there + 1
    await again.close()


async def test_a_mistake_is_no_damage(path: Path, file: Database) -> None:
    """The file stays where it is."""
    await add(file, "a")
    with pytest.raises(StoreError):
        await file.run(lambda db: db.execute("SELECT nothing FROM nowhere"))
    with pytest.raises(StoreError):
        await file.run(lambda db: db.execute("INSERT INTO rows (text) VALUES (?)", (object(),)))
    assert await count(file) == 1 and not path.with_suffix(".damaged").exists()


async def test_what_a_check_finds_is_damage(path: Path) -> None:
    """It is set aside like what SQLite itself comes upon."""
    path.parent.mkdir()
    sqlite3.connect(path).close()

    def set_up(db: sqlite3.Connection) -> None:
        if not path.with_suffix(".damaged").exists():
            raise damage("row 7 is missing from index x")

    file = Database(path, "thing", set_up, patience_s=0.1)
    with pytest.raises(StoreError, match=r"damaged \(row 7 is missing from index x\): set aside"):
        await file.run(tables)
    await file.run(tables)
    assert await count(file) == 0
    await file.close()
