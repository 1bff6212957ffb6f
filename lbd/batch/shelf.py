"""Files and batches of all clients: the one place that holds them, keeps them in the store and finds them again.

Ingress puts them here and asks for them, the batch loop moves them on. A change counts at once; where the store
fails it is written with the next ``flush``, but nothing new is taken in then: who was told of a file finds it again.

Single requests that have ended give way where room is needed: their clients had them to be asked for, not to be kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec

from lbd.model.batch import Batch, StoredFile
from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.ports import Blobs, Env, Store, StoreError
from lbd.state import batch as states

FILES, BATCHES = "files", "batches"
MOST_FILES = 20_000  # what is known of them is kept in memory, some hundred bytes each
MOST_BATCHES = 10_000  # single requests among them
MOST_LIVE = 200  # batches of one client that have not ended
MOST_SINGLE = 2000  # requests of one client that wait by themselves, and as many that have ended
GO_AT_ONCE = 16  # single requests that go where room is needed: to find which is some work
_encode = msgspec.msgpack.encode


class Strays(NamedTuple):
    """Contents that belong to no file and no batch: a crash came between their writing and that of their record."""

    contents: int
    bytes: int
    why_kept: str | None  # None where they are gone


class Need(NamedTuple):
    """Room for something."""

    bytes: int = 0
    files: int = 0
    batches: int = 0


class Shelf:
    """Owns what is known of files and batches; ``blobs`` holds the contents. ``swept`` is told of strays."""

    def __init__(
        self, env: Env, store: Store, blobs: Blobs, swept: Callable[[Strays], object] = lambda _strays: None
    ) -> None:
        self.env = env
        self.blobs = blobs
        self._store = store
        self._swept = swept
        self.loaded = False
        self.files: dict[str, StoredFile] = {}
        self.batches: dict[str, Batch] = {}
        self.growing: dict[str, int] = {}  # bytes of results of a batch that is under way
        self._coming = 0  # bytes that are being written
        self._unsaved: set[str] = set()  # batches
        self._beginning: dict[str, Batch] = {}  # that are being saved for the first time

    def now(self) -> int:
        """Return whole seconds since the epoch."""
        return int(self.env.wall())

    def new_id(self, prefix: str) -> str:
        """Return an id; later ones sort behind earlier ones."""
        return f"{prefix}{int(self.env.wall() * 1e6):014x}{self.env.bits():016x}"

    async def restore(self) -> None:
        """Find again what was kept; what cannot be read is left out, and strays go. Raises StoreError."""
        contents = await self._contents()  # before the records are: nothing that comes later is taken for a stray
        files, batches = await self._store.load(FILES), await self._store.load(BATCHES)
        for data in files.values():
            with contextlib.suppress(msgspec.MsgspecError, ValueError):
                file = msgspec.msgpack.decode(data, type=StoredFile)
                self.files[file.id] = file
        for _, data in sorted(batches.items()):
            with contextlib.suppress(msgspec.MsgspecError, ValueError):
                batch = msgspec.msgpack.decode(data, type=Batch)
                self.batches[batch.id] = batch
        await self._sweep(contents, files.keys(), unread=len(batches) - len(self.batches))
        self.loaded = True

    async def _contents(self) -> dict[str, int] | StoreError:
        try:
            return await self.blobs.sizes()
        except StoreError as e:  # files and batches can do without the sweep
            return e

    async def _sweep(self, contents: dict[str, int] | StoreError, files: Collection[str], *, unread: int) -> None:
        """Drop strays. Only at start: later there are contents whose record is about to be written.

        ``files`` are the ids of all records, those that cannot be read among them; ``unread`` batches cannot be.
        """
        if isinstance(contents, StoreError):
            self._swept(Strays(0, 0, str(contents)))
            return
        lost = states.strays(contents, files, self.batches.values())
        if not lost:
            return
        why = None
        if unread:  # of a later version, perhaps, which somebody has gone back from
            why = f"{unread} batches cannot be read, and may need them"
        elif not files and not self.batches:  # the store was lost, and may be brought back from a copy
            why = "the store knows of no file and no batch: once it does, they go with the next start"
        else:
            try:
                await self.blobs.drop(lost)
            except StoreError as e:
                why = str(e)
        self._swept(Strays(len(lost), sum(contents[name] for name in lost), why))

    # --- files ---------------------------------------------------------------------------------------

    @property
    def held(self) -> int:
        """Return how many bytes are kept, or about to be."""
        return sum(f.bytes for f in self.files.values()) + sum(self.growing.values()) + self._coming

    async def add(
        self, client: str, filename: str, data: bytes, *, keep_s: int | None, purpose: str = "batch"
    ) -> StoredFile:
        """Keep a file. Raises LbdError."""
        self.check()
        if not await self._make_room(Need(len(data), files=1)):
            text = (
                f"lbd keeps {self.held} bytes in {len(self.files)} files, and at most {self.blobs.most} in"
                f" {MOST_FILES}: delete files that are not needed any more (DELETE /v1/files/<id>)"
            )
            raise LbdError(Failure(FailureKind.TOO_LARGE, text, code="storage_full", param="file"))
        now = self.now()
        expires = None if keep_s is None else now + keep_s
        file = StoredFile(self.new_id(states.FILE), client, filename, purpose, len(data), now, expires)
        self._coming += len(data)
        try:
            await self.blobs.put(file.id, data)
            await self._store.save(FILES, {file.id: _encode(file)})
        except StoreError as e:
            with contextlib.suppress(StoreError):  # a content that nobody knows of would never go
                await asyncio.shield(self.blobs.drop([file.id]))
            raise _unkept(e) from e
        except BaseException:  # its client left: it may have been saved
            with contextlib.suppress(StoreError):
                await asyncio.shield(self.forget([file.id], []))
            raise
        finally:
            self._coming -= len(data)
        self.files[file.id] = file
        return file

    def _lacking(self, need: Need) -> Need:
        """Return what is missing of it."""
        return Need(
            self.held + need.bytes - self.blobs.most if need.files else 0,
            len(self.files) + need.files - MOST_FILES,
            len(self.batches) + len(self._beginning) + need.batches - MOST_BATCHES,
        )

    async def _make_room(self, need: Need) -> bool:
        """Let single requests that have ended go until there is room; tell whether there is. None goes in vain.

        Whoever comes back from here has the room until it waits for something. Raises LbdError.
        """
        while max(lacking := self._lacking(need)) > 0:
            go: list[Batch] = []
            for batch in states.spare(self.batches.values()):
                files = [self.files[name] for name in states.contents(batch) if name in self.files]
                go.append(batch)
                freed = sum(file.bytes for file in files)
                lacking = Need(lacking.bytes - freed, lacking.files - len(files), lacking.batches - 1)
                if max(lacking) <= 0 and len(go) >= GO_AT_ONCE:
                    break
            if max(lacking) > 0:
                return False
            try:
                await self.drop(go)
            except StoreError as e:
                raise _unkept(e) from e
        return True

    async def results(self, files: Sequence[StoredFile]) -> None:
        """Make the results of a batch files of their own. Raises StoreError."""
        await self._store.save(FILES, {f.id: _encode(f) for f in files})
        self.files.update({f.id: f for f in files})

    async def delete(self, file: StoredFile) -> None:
        """Forget a file. Raises LbdError."""
        user = next((b.id for b in (*self.live(), *self._beginning.values()) if b.input_file_id == file.id), None)
        if user is not None:
            text = f"{user} needs {file.id}: cancel it, or wait for its end"
            raise LbdError(Failure(FailureKind.BAD_REQUEST, text, status=409, code="file_in_use"))
        try:
            await self.forget([file.id], [])
        except StoreError as e:
            raise _unkept(e) from e

    async def forget(self, files: Sequence[str], batches: Sequence[str]) -> None:
        """Forget files and batches: first that they are there, then what they hold. Raises StoreError."""
        if files:
            await self._store.save(FILES, {}, gone=files)
            for name in files:
                self.files.pop(name, None)
            await self.blobs.drop(files)
        if batches:
            await self._store.save(BATCHES, {}, gone=batches)
            for name in batches:
                self.batches.pop(name, None)

    async def drop(self, batches: Sequence[Batch]) -> None:
        """Forget batches that have ended, with all that belongs to them. Raises StoreError."""
        await self.forget([name for batch in batches for name in states.contents(batch)], [b.id for b in batches])

    # --- batches -------------------------------------------------------------------------------------

    def live(self) -> list[Batch]:
        """Return the batches that have not ended, oldest first."""
        return [b for b in self.batches.values() if not b.ended]

    async def begin(self, batch: Batch) -> None:
        """Take a new batch. Raises LbdError."""
        self.check()
        if not await self._make_room(Need(batches=1)):
            text = (
                f"lbd keeps {len(self.batches)} batches and background responses of all its clients, and at most"
                f" {MOST_BATCHES}: there is room once background responses have ended, or batches that ended go after"
                " their 30 days"
            )
            raise _limited(text)
        what, most = ("background responses", MOST_SINGLE) if batch.single else ("batches", MOST_LIVE)
        alike = [b for b in (*self.live(), *self._beginning.values()) if b.single is batch.single]
        live = sum(b.client == batch.client for b in alike)
        if live >= most:
            raise _limited(f"{live} {what} of yours are under way: wait for one to end, or cancel one")
        self._beginning[batch.id] = batch
        try:
            await self._store.save(BATCHES, {batch.id: _encode(batch)})
        except StoreError as e:
            raise _unkept(e) from e
        except BaseException:  # its client left: it may have been saved, and then it would come with the next start
            self.batches[batch.id] = batch
            self._unsaved.add(batch.id)
            raise
        finally:
            del self._beginning[batch.id]
        self.batches[batch.id] = batch
        if batch.single:
            await self._limit(batch.client)

    async def _limit(self, client: str) -> None:
        """Let the oldest single requests of a client go that have ended, where it has too many of them."""
        if sum(b.single and b.ended and b.client == client for b in self.batches.values()) > MOST_SINGLE:
            ended = [b for b in states.spare(self.batches.values()) if b.client == client]
            with contextlib.suppress(StoreError):  # then with its next
                await self.drop(ended[: len(ended) - max(0, MOST_SINGLE - GO_AT_ONCE)])

    def note(self, batch: Batch) -> None:
        """Take how far a batch is: a restart counts that anew."""
        self.batches[batch.id] = batch

    async def keep(self, batch: Batch) -> None:
        """Take the new state of a batch; written later where the store fails."""
        self.batches[batch.id] = batch
        self._unsaved.add(batch.id)
        with contextlib.suppress(StoreError):
            await self.flush()

    async def flush(self) -> None:
        """Write what the store could not take. Raises StoreError."""
        unsaved = {i: _encode(self.batches[i]) for i in self._unsaved if i in self.batches}
        self._unsaved.clear()
        if unsaved:
            try:
                await self._store.save(BATCHES, unsaved)
            except BaseException:
                self._unsaved |= unsaved.keys()
                raise

    def check(self) -> None:
        """Raise LbdError while it is not known what there is."""
        if not self.loaded:
            raise LbdError(Failure(FailureKind.UNAVAILABLE, "files cannot be read yet: ask again", retry_after_s=1.0))


def _limited(text: str) -> LbdError:
    return LbdError(Failure(FailureKind.LIMITED, text, retry_after_s=states.LONGEST_WAIT, code="too_many_batches"))


def _unkept(error: StoreError) -> LbdError:
    return LbdError(Failure(FailureKind.INTERNAL, f"lbd could not keep it: {error}", code="store_failed"))
