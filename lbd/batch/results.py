"""What has come of a batch: its answers in two files, good ones and failed ones, and what they add up to.

The files are the journal. Every number here is of the lines that stand in them: it is counted when a line is written,
and counted anew from the files after a restart, however that came; so each line counts once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from lbd.model.batch import Batch, StoredFile
from lbd.model.outcome import Usage
from lbd.ports import Blobs, Offload
from lbd.shapes import jsonl
from lbd.state import batch as states

PIECE = 1024 * 1024  # bytes that are read at once after a restart


class Results:
    """The results of one batch. ``names``: of the file of good answers, and of that of failed ones."""

    def __init__(self, blobs: Blobs, offload: Offload, names: tuple[str, str]) -> None:
        self._blobs = blobs
        self._offload = offload
        self._names = names
        self._sizes = [0, 0]  # bytes
        self.completed = 0
        self.failed = 0
        self.expired = 0  # of those that failed
        self.usage: Usage | None = None  # of the answers that say what they used

    @property
    def held(self) -> int:
        """Return the bytes of both files."""
        return sum(self._sizes)

    async def find(self) -> set[str]:
        """Count what was written before; return whose results those are, by custom_id. Raises StoreError."""
        good, bad = [await self._scan(name) for name in self._names]
        self._sizes = [good.size, bad.size]
        self.completed, self.failed, self.expired = len(good.ids), len(bad.ids), bad.expired
        self.usage = jsonl.together(good.usage, bad.usage)
        return good.ids | bad.ids

    async def _scan(self, name: str) -> jsonl.Scan:
        scan, at = jsonl.Scan(), 0
        while piece := await self._blobs.read(name, at, PIECE):
            await self._offload(partial(scan.feed, piece))
            at += len(piece)
        await self._blobs.cut(name, scan.size)
        return scan

    async def add(self, line: bytes, *, good: bool) -> None:
        """Write the result of a line that has an answer. Raises StoreError."""
        usage = await self._offload(partial(jsonl.used, line))  # as it will be read again, not as it came
        await self._append(line, good=good)
        self.usage = jsonl.together(self.usage, usage)
        self.completed += good
        self.failed += not good

    async def write_off(self, lines: Sequence[jsonl.Line], error: tuple[str, str], new_id: Callable[[], str]) -> None:
        """Say of lines why they have no answer: ``error`` is code and message. Raises StoreError."""
        text = await self._offload(
            lambda: b"".join(jsonl.unanswered(new_id(), line.custom_id, error) for line in lines)
        )
        await self._append(text, good=False)
        self.failed += len(lines)
        self.expired += len(lines) if error is jsonl.EXPIRED else 0

    async def _append(self, text: bytes, *, good: bool) -> None:
        await self._blobs.append(self._names[not good], text)
        self._sizes[not good] += len(text)

    def files(self, batch: Batch, now: int) -> tuple[StoredFile | None, StoredFile | None]:
        """Return the two as files of the batch that ended at ``now``, None for one that holds nothing."""
        expires = None if batch.output_keep_s is None else now + batch.output_keep_s
        good, bad = (
            StoredFile(
                name,
                batch.client,
                f"{batch.id}_{what}.jsonl",
                states.SINGLE if batch.single else "batch_output",
                size,
                now,
                expires,
            )
            if size
            else None
            for name, what, size in zip(self._names, ("output", "error"), self._sizes, strict=True)
        )
        return good, bad
