"""Contents of files: the same laws on disk and in memory, and what only a disk can do wrong."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.ports import Blobs, StoreError
from lbd.store.blobs import MOST_IN_MEMORY, MOST_ON_DISK, FolderBlobs, MemoryBlobs, make


@pytest.fixture(params=["memory", "folder"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    made = make("memory:" if request.param == "memory" else f"sqlite://{tmp_path}/state.db")
    yield made
    await made.close()


async def test_what_is_put_is_read(blobs: Blobs) -> None:
    """Whole or in pieces; beyond its end and where nothing is, nothing."""
    data = bytes(range(256)) * 1000
    await blobs.put("a", data)
    assert await blobs.read("a") == data
    assert await blobs.read("a", 100, 50) == data[100:150]
    assert await blobs.read("a", len(data) - 3, 50) == data[-3:]
    assert await blobs.read("a", len(data)) == b"" == await blobs.read("none", 5, 5)
    await blobs.put("a", b"new")
    assert await blobs.read("a") == b"new"


async def test_lines_are_appended_in_order(blobs: Blobs) -> None:
    """However many come at once; nothing begins a content but its first line."""
    await asyncio.gather(*(blobs.append("a", b"%d\n" % i) for i in range(200)))
    assert await blobs.read("a") == b"".join(b"%d\n" % i for i in range(200))
    await blobs.cut("a", 4)
    await blobs.cut("a", 1000)
    await blobs.cut("none", 0)
    assert await blobs.read("a") == b"0\n1\n"
    await blobs.drop(["a", "none"])
    assert await blobs.read("a") == b""


_steps = st.lists(
    st.tuples(st.sampled_from(["put", "append", "cut", "drop"]), st.sampled_from("ab"), st.binary(max_size=6)),
    max_size=10,
)


@pytest.mark.parametrize("kind", ["memory:", "sqlite://"])
@given(steps=_steps)
async def test_any_history_ends_as_a_dictionary_would(
    kind: str, steps: list[tuple[str, str, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The model: a dictionary of bytes."""
    blobs = make(f"{kind}{tmp_path_factory.mktemp('blobs')}/state.db")
    model: dict[str, bytes] = {}
    try:
        for what, name, data in steps:
            if what == "put":
                await blobs.put(name, data)
                model[name] = data
            elif what == "append":
                await blobs.append(name, data)
                model[name] = model.get(name, b"") + data
            elif what == "cut":
                await blobs.cut(name, len(data))
                model[name] = model.get(name, b"")[: len(data)]
            else:
                await blobs.drop([name])
                model.pop(name, None)
        assert [await blobs.read(n) for n in "ab"] == [model.get(n, b"") for n in "ab"]
    finally:
        await blobs.close()


async def test_the_event_loop_never_waits_for_a_disk(blobs: Blobs) -> None:
    """No call into a file system is made in the loop's thread."""
    here = threading.get_ident()
    blocking: list[str] = []

    def watch(_frame: Any, event: str, arg: Any) -> None:
        if event == "c_call" and threading.get_ident() == here:
            where = getattr(arg, "__module__", None) or type(getattr(arg, "__self__", None)).__module__
            if where in ("posix", "io", "_io"):
                blocking.append(f"{where}.{arg.__name__}")

    sys.setprofile(watch)
    try:
        await blobs.put("a", b"1")
        await blobs.append("a", b"2")
        await blobs.read("a")
        await blobs.cut("a", 1)
        await blobs.drop(["a"])
        await blobs.close()
    finally:
        sys.setprofile(None)
    assert blocking == []


async def test_a_folder_is_found_again_and_is_nobody_else_s(tmp_path: Path) -> None:
    """Beside the database; what a crash left half written goes."""
    first = FolderBlobs(tmp_path / "x.files")
    await first.put("a", b"1")
    await first.append("b", b"2")
    await first.close()
    await first.close()
    folder = tmp_path / "x.files"
    (folder / "c.part").write_bytes(b"half")
    again = make(f"sqlite://{tmp_path}/x.db")
    assert (await again.read("a"), await again.read("b"), again.most) == (b"1", b"2", MOST_ON_DISK)
    assert sorted(p.name for p in folder.iterdir()) == ["a", "b"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == {0o600}
    await again.close()
    with pytest.raises(StoreError, match="closed"):
        await again.read("a")


async def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    """Who never uses files has no folder for them."""
    await FolderBlobs(tmp_path / "x.files").close()
    assert not list(tmp_path.iterdir())


async def test_what_cannot_be_appended_is_not_there_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of a line: the next line begins where this one would have."""
    blobs = FolderBlobs(tmp_path / "x.files")
    await blobs.append("a", b"first\n")
    real = os.write
    sizes = iter([3])

    def full(fd: int, data: Any) -> int:
        size = next(sizes, None)
        if size is None:
            raise OSError(28, "No space left on device")
        return real(fd, bytes(data)[:size])

    with monkeypatch.context() as patch, pytest.raises(StoreError, match="No space"):
        patch.setattr(os, "write", full)
        await blobs.append("a", b"second\n")
    await blobs.append("a", b"third\n")
    assert await blobs.read("a") == b"first\nthird\n"
    await blobs.close()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """As the store's trouble."""
    (tmp_path / "x.files").write_bytes(b"")
    blobs = FolderBlobs(tmp_path / "x.files")
    with pytest.raises(StoreError):
        await blobs.put("a", b"1")
    await blobs.close()


def test_memory_is_kept_small() -> None:
    """It is the daemon's own."""
    assert isinstance(make("memory:"), MemoryBlobs) and make("memory:").most == MOST_IN_MEMORY < MOST_ON_DISK


async def test_what_there_is_is_told(blobs: Blobs) -> None:
    """Every content with its bytes; none where nothing was kept."""
    assert await blobs.sizes() == {}
    await blobs.put("a", b"123")
    await blobs.append("b", b"1")
    await blobs.append("b", b"2")
    await blobs.put("c", b"")
    await blobs.drop(["c"])
    assert await blobs.sizes() == {"a": 3, "b": 2}


async def test_only_whole_contents_are_told(tmp_path: Path) -> None:
    """No folder, no link, nothing half written; and who only looks makes no folder."""
    blobs = FolderBlobs(tmp_path / "x.files")
    assert await blobs.sizes() == {} and not list(tmp_path.iterdir())
    await blobs.put("a", b"1")
    folder = tmp_path / "x.files"
    (folder / "b.part").write_bytes(b"half")
    (folder / "c").mkdir()
    (folder / "d").symlink_to(folder / "a")
    assert await blobs.sizes() == {"a": 1}
    await blobs.close()


async def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """As the store's trouble."""
    (tmp_path / "x.files").write_bytes(b"")
    blobs = FolderBlobs(tmp_path / "x.files")
    with pytest.raises(StoreError, match=r"x\.files"):
        await blobs.sizes()
    await blobs.close()
