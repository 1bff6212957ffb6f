"""Contents of files: in a folder beside the state, or in memory where the state is.

A folder's work is done in one thread of its own, so that appended lines keep their order and the event loop never
waits for a disk. What was appended survives the end of the process at once; that of the machine once it is on disk.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from lbd.ports import Blobs, StoreError

T = TypeVar("T")
MOST_ON_DISK = 4 * 1024**3
MOST_IN_MEMORY = 256 * 1024**2
_UNFINISHED = ".part"


class MemoryBlobs:
    """Implements :class:`lbd.ports.Blobs`."""

    most = MOST_IN_MEMORY

    def __init__(self) -> None:
        self._kept: dict[str, bytearray] = {}

    async def put(self, name: str, data: bytes) -> None:
        """Keep a content as a whole."""
        self._kept[name] = bytearray(data)

    async def append(self, name: str, data: bytes) -> None:
        """Add to a content, or begin it."""
        self._kept.setdefault(name, bytearray()).extend(data)

    async def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        """Return a piece of a content; nothing where there is none."""
        kept = self._kept.get(name, bytearray())
        return bytes(kept[offset:] if size is None else kept[offset : offset + size])

    async def cut(self, name: str, size: int) -> None:
        """Forget what stands behind ``size`` bytes."""
        if name in self._kept:
            del self._kept[name][size:]

    async def drop(self, names: Sequence[str]) -> None:
        """Forget these contents."""
        for name in names:
            self._kept.pop(name, None)

    async def sizes(self) -> dict[str, int]:
        """Return the bytes of every content."""
        return {name: len(data) for name, data in self._kept.items()}

    async def close(self) -> None:
        """Let go."""


class FolderBlobs:
    """Implements :class:`lbd.ports.Blobs`: one file a content. Names come from lbd itself, never from a client."""

    most = MOST_ON_DISK

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = False
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lbd-files")

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreError(f"{self._folder}: the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as e:
            raise StoreError(f"{self._folder}: {e}") from e

    def _path(self, name: str) -> Path:
        if not self._made:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._folder.glob(f"*{_UNFINISHED}"):
                left.unlink(missing_ok=True)
            self._made = True
        return self._folder / name

    async def put(self, name: str, data: bytes) -> None:
        """Keep a content as a whole: after a crash it is there or it is not."""

        def write() -> None:
            path = self._path(name)
            part = path.with_name(name + _UNFINISHED)
            with part.open("wb") as file:
                part.chmod(0o600)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)

        await self._run(write)

    async def append(self, name: str, data: bytes) -> None:
        """Add to a content, or begin it. Where that fails nothing is added."""

        def write() -> None:
            fd = os.open(self._path(name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                before = os.fstat(fd).st_size
                try:
                    rest = memoryview(data)
                    while rest:
                        rest = rest[os.write(fd, rest) :]
                except OSError:
                    os.ftruncate(fd, before)
                    raise
            finally:
                os.close(fd)

        await self._run(write)

    async def read(self, name: str, offset: int = 0, size: int | None = None) -> bytes:
        """Return a piece of a content; nothing where there is none."""

        def read() -> bytes:
            try:
                with self._path(name).open("rb") as file:
                    file.seek(offset)
                    return file.read(-1 if size is None else size)
            except FileNotFoundError:
                return b""

        return await self._run(read)

    async def cut(self, name: str, size: int) -> None:
        """Forget what stands behind ``size`` bytes."""

        def cut() -> None:
            path = self._path(name)
            if path.exists() and path.stat().st_size > size:
                os.truncate(path, size)

        await self._run(cut)

    async def drop(self, names: Sequence[str]) -> None:
        """Forget these contents."""

        def drop() -> None:
            for name in names:
                self._path(name).unlink(missing_ok=True)

        await self._run(drop)

    async def sizes(self) -> dict[str, int]:
        """Return the bytes of every content; a folder that is not there holds none, and is not made."""

        def sizes() -> dict[str, int]:
            try:
                with os.scandir(self._folder) as found:
                    files = [x for x in found if x.is_file(follow_symlinks=False)]
                    return {x.name: x.stat().st_size for x in files if not x.name.endswith(_UNFINISHED)}
            except FileNotFoundError:
                return {}

        return await self._run(sizes)

    async def close(self) -> None:
        """Finish what was begun."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, lambda: None)
            self._thread.shutdown(wait=False)


def make(url: str) -> Blobs:
    """Return where contents are kept beside the state that ``url`` names: for ``/x/state.db``, ``/x/state.files``."""
    kind, _, rest = url.partition("://")
    return FolderBlobs(Path(rest).with_suffix(".files")) if kind == "sqlite" else MemoryBlobs()
