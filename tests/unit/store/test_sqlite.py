from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lbd.ports import StoreError
from lbd.store.sqlite import SqliteStore, make

ROWS = {f"p/r{i}": bytes([i % 256]) * 300 for i in range(400)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "state.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path)
    yield store
    await store.close()


async def written(path: Path, rows: dict[str, bytes] = ROWS) -> None:
    store = SqliteStore(path)
    await store.save("rows", rows)
    await store.close()


async def read(path: Path) -> dict[str, bytes]:
    store = SqliteStore(path)
    try:
        return await store.load("rows")
    finally:
        await store.close()


async def test_state_survives_reopening(path: Path) -> None:
    """That is what it is for."""
    await written(path)
    assert await read(path) == ROWS


async def test_the_folder_is_made(path: Path, store: SqliteStore) -> None:
    """A first start needs no preparation."""
    assert not path.parent.exists()
    await store.save("rows", {"a": b"1"})
    assert path.exists()


async def test_nothing_is_opened_before_it_is_needed(path: Path) -> None:
    """Making a store touches no disk; closing an unused one neither."""
    store = SqliteStore(path)
    await store.close()
    assert not path.exists()


@pytest.mark.parametrize("junk", [b"this is no database", b"SQLite format 3\x00" + b"\xff" * 500, b"\x00" * 4096])
async def test_a_file_that_is_no_database_is_set_aside(path: Path, junk: bytes) -> None:
    """Not deleted: somebody may want to know. It is told, once, and a new one is begun."""
    path.parent.mkdir()
    path.write_bytes(junk)
    with pytest.raises(StoreError, match=r"damaged .*: set aside as .*\.damaged, and a new one begun"):
        await read(path)
    assert await read(path) == {}
    assert path.with_suffix(".damaged").read_bytes() == junk
    await written(path, {"a": b"1"})
    assert await read(path) == {"a": b"1"}


async def test_a_file_that_is_damaged_inside_is_set_aside(path: Path) -> None:
    """The head of the file is whole, its pages are not: found at opening, not at each access from then on."""
    await written(path)
    data = bytearray(path.read_bytes())
    assert len(data) > 8 * 4096
    data[2 * 4096 :] = b"\xa5" * (len(data) - 2 * 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="set aside"):
        await read(path)
    assert await read(path) == {}
    assert path.with_suffix(".damaged").read_bytes() == bytes(data)
    await written(path, {"a": b"1"})
    assert await read(path) == {"a": b"1"}


async def test_a_damaged_file_s_log_is_not_played_into_the_new_one(path: Path) -> None:
    """The write-ahead log belongs to the file that was set aside."""
    path.parent.mkdir()
    path.write_bytes(b"no database at all")
    for rest in ("-wal", "-shm"):
        Path(f"{path}{rest}").write_bytes(b"junk")
    with pytest.raises(StoreError, match="set aside"):
        await read(path)
    assert await read(path) == {}


async def test_a_transaction_is_whole_or_nothing(path: Path, store: SqliteStore) -> None:
    """A row that cannot be written takes the others with it, and the store goes on."""
    await store.save("rows", {"a": b"1", "b": b"2"})
    with pytest.raises(StoreError):
        await store.save("rows", {"a": b"new", "bad": object()}, gone=["b"])  # type: ignore[dict-item]
    assert await store.load("rows") == {"a": b"1", "b": b"2"}
    await store.save("rows", {"a": b"3"})
    assert await store.load("rows") == {"a": b"3", "b": b"2"}


async def test_a_full_disk_is_a_store_error_and_passes(store: SqliteStore) -> None:
    """What was kept stays; once there is room again, saving works again."""
    await store.save("rows", {"a": b"1"})
    await store._run(lambda db: db.execute("PRAGMA max_page_count = 4"))
    with pytest.raises(StoreError, match="full"):
        await store.save("rows", {"big": b"x" * 100_000}, gone=["a"])
    assert await store.load("rows") == {"a": b"1"}
    await store._run(lambda db: db.execute("PRAGMA max_page_count = 1000"))
    await store.save("rows", {"big": b"x" * 100_000})
    assert set(await store.load("rows")) == {"a", "big"}


async def test_a_key_that_is_no_text_spoils_nothing(store: SqliteStore) -> None:
    """An error of any kind leaves no transaction open behind it."""
    with pytest.raises(UnicodeEncodeError):
        await store.save("rows", {"\ud800": b"1"})
    await store.save("rows", {"a": b"1"})
    assert await store.load("rows") == {"a": b"1"}


async def test_a_file_that_another_process_holds_is_an_error_and_is_left_alone(path: Path) -> None:
    """Busy is not damaged."""
    await written(path, {"a": b"1"})
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        store = SqliteStore(path, patience_s=0.01)
        with pytest.raises(StoreError, match="locked"):
            await store.save("rows", {"a": b"2"})
        await store.close()
    finally:
        holder.close()
    assert not path.with_suffix(".damaged").exists()
    assert await read(path) == {"a": b"1"}


async def test_a_place_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    """The error names the file; it does not bring the daemon down."""
    (tmp_path / "file").write_text("not a folder")
    store = SqliteStore(tmp_path / "file" / "state.db")
    with pytest.raises(StoreError, match=r"state\.db"):
        await store.load("rows")
    await store.close()
    folder = SqliteStore(tmp_path)
    with pytest.raises(StoreError):
        await folder.load("rows")
    await folder.close()


async def test_a_store_that_failed_works_once_it_can(tmp_path: Path) -> None:
    """A disk that comes back is used again."""
    blocked = tmp_path / "kept"
    blocked.write_text("in the way")
    store = SqliteStore(blocked / "state.db")
    with pytest.raises(StoreError):
        await store.save("rows", {"a": b"1"})
    blocked.unlink()
    await store.save("rows", {"a": b"1"})
    assert await store.load("rows") == {"a": b"1"}
    await store.close()


async def test_after_the_end_every_call_is_a_store_error(path: Path) -> None:
    """A save that comes late is told so, in the one way that callers know."""
    store = SqliteStore(path)
    await store.save("rows", {"a": b"1"})
    await store.close()
    with pytest.raises(StoreError):
        await store.load("rows")
    await store.close()


async def test_all_work_is_done_in_one_thread_of_its_own(path: Path, store: SqliteStore) -> None:
    """Calls at once are queued there, in order."""
    await asyncio.gather(*(store.save("rows", {"n": bytes([n])}) for n in range(20)))
    assert await store.load("rows") == {"n": bytes([19])}
    assert len([t for t in threading.enumerate() if t.name.startswith("lbd-store")]) == 1


def test_the_url_holds_an_absolute_path(tmp_path: Path) -> None:
    """sqlite:///absolute/path, and nothing else."""
    assert make("sqlite:///var/lib/lbd/state.db")._file.path == Path("/var/lib/lbd/state.db")
    for url in ("sqlite://relative.db", "sqlite:/x.db", "/x.db", "sqlite:"):
        with pytest.raises(ValueError, match="sqlite:///absolute/path"):
            make(url)
