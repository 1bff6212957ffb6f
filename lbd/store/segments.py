"""Files that are only ever added to, cut into segments: the oldest go as a whole, and a crash costs the last frame.

A segment is ``MAGIC``, then frames: length and CRC-32 of a payload, four bytes each, then the payload. A frame goes to
the kernel in one write, so that it survives the end of the process (``kill -9`` as well); that of the machine once it
is on disk, at the latest when its segment is full. What an interrupted write has left at the end of a segment is no
whole frame, and ends the reading of it. Nothing is ever added to a segment of an earlier life.

Names begin with the time at which a segment was begun, in milliseconds since the epoch, so their order is that of time.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from lbd.model.units import Seconds, WallTime

MAGIC = b"lbdj0001"
SUFFIX = ".lbdj"
DAY: Seconds = 86400.0
LARGEST = 16 * 1024**2  # bytes of a segment, or a share of all that may be kept: what is forgotten goes in such steps
STEPS = 16
SMALLEST = 64 * 1024
_FRAME = Struct(">II")


class Segments:
    """Writes one life's segments into a folder, and forgets old ones, whoever wrote them.

    ``own`` is part of the names: no two lives may share it. Every call may raise OSError.
    """

    def __init__(self, folder: Path, own: str, *, keep_days: float, max_bytes: int) -> None:
        self.folder = folder
        self._own = own
        self._keep_s = keep_days * DAY
        self._max_bytes = max_bytes
        self._full = max(SMALLEST, min(LARGEST, max_bytes // STEPS))
        self._file: BinaryIO | None = None
        self._path = folder  # of the segment that is open
        self._size = 0

    @property
    def begun(self) -> bool:
        """Tell whether a segment is open; else the next frame begins one."""
        return self._file is not None

    def write(self, payload: bytes, wall: WallTime) -> None:
        """Add a frame. A segment that is full after it is closed."""
        if self._file is None:
            self._begin(wall)
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        file = self._file
        if file is None or file.write(frame) != len(frame):
            self.close()  # the rest would stand behind half a frame
            raise OSError(f"{self.folder}: the disk took only a part of what was written")
        self._size += len(frame)
        if self._size >= self._full:
            self.close()

    def _begin(self, wall: WallTime) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.forget(wall)
        at = int(wall * 1000)
        while True:
            path = self.folder / f"{at:013d}-{self._own}{SUFFIX}"
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
                break
            except FileExistsError:  # two within a millisecond
                at += 1
        self._path = path
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._file.write(MAGIC)
        self._size = len(MAGIC)

    def close(self) -> None:
        """Close the segment, once it is on disk."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.closing(file):
                os.fsync(file.fileno())

    def forget(self, wall: WallTime) -> int:
        """Delete what is too old, and the oldest of what is too much; return how many segments went.

        A segment is as old as its last frame; the one that is written to stays.
        """
        found = segments(self.folder)
        room = self._max_bytes - 2 * self._full  # for the one that comes next, and what its last frame is too long
        gone = 0
        sizes = [path.stat() for path in found]
        total = sum(told.st_size for told in sizes)
        for path, told in zip(found, sizes, strict=True):
            if (told.st_mtime >= wall - self._keep_s and total <= room) or (self.begun and path == self._path):
                continue
            path.unlink(missing_ok=True)
            total -= told.st_size
            gone += 1
        return gone


def segments(folder: Path) -> list[Path]:
    """Return the segments of a folder, the oldest first; none where there is no such folder."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def begun_at(path: Path) -> WallTime:
    """Return when a segment was begun. Raises ValueError where its name does not tell."""
    return int(path.name.partition("-")[0]) / 1000


def frames(data: bytes) -> Iterator[bytes]:
    """Yield the payloads of a segment's whole frames, up to the first that is not whole."""
    at = len(MAGIC)
    while at + _FRAME.size <= len(data):
        length, check = _FRAME.unpack_from(data, at)
        payload = data[at + _FRAME.size : at + _FRAME.size + length]
        if len(payload) != length or zlib.crc32(payload) != check:
            return
        yield payload
        at += _FRAME.size + length


def rest(data: bytes) -> int:
    """Return how many bytes at the end of a segment are no whole frame."""
    if not data.startswith(MAGIC):
        return len(data)
    return len(data) - len(MAGIC) - sum(_FRAME.size + len(payload) for payload in frames(data))
