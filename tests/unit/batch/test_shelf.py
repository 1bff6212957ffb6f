"""Files and batches are found again; bounds are kept; a store that fails takes nothing in and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

import pytest
from msgspec.structs import replace

from lbd.batch import shelf as shelves
from lbd.batch.shelf import BATCHES, FILES, Shelf, Strays
from lbd.model.batch import Batch, Status, StoredFile
from lbd.model.failure import FailureKind, LbdError
from lbd.ports import StoreError
from lbd.state import batch as states
from tests.fakes.env import FakeEnv
from tests.fakes.shelves import MoodyBlobs, MoodyStore, shelf
from tests.fakes.virtual import VirtualEnv, run

DAY = 86400


def batch(made: Shelf, client: str = "c", file: str = "file-x") -> Batch:
    now = made.now()
    return Batch(made.new_id("batch_"), client, "/v1/embeddings", file, "24h", now, now + DAY)


async def test_everything_is_there_after_a_restart() -> None:
    """Files, contents and batches, in their order; damaged rows are left out."""
    env, store, blobs = FakeEnv(), MoodyStore(), MoodyBlobs()
    first = await shelf(env, store, blobs)
    file = await first.add("c", "in.jsonl", b"123", keep_s=DAY)
    assert (file.bytes, file.purpose, file.expires_at) == (3, "batch", first.now() + DAY)
    made = []
    for _ in range(3):
        env.advance(0.001)
        made.append(batch(first))
        await first.begin(made[-1])
    cancelled = states.cancel(made[0], 5)
    await first.keep(cancelled)
    await store.save(FILES, {"file-bad": b"\xc1"})
    await store.save(BATCHES, {"batch_bad": b"\xc1"})
    again = await shelf(env, store, blobs)
    assert again.files == {file.id: file}
    assert list(again.batches.values()) == [cancelled, *made[1:]]
    assert await again.blobs.read(file.id) == b"123"


async def test_ids_sort_by_their_time() -> None:
    """And never meet."""
    env = FakeEnv()
    made = await shelf(env)
    ids = []
    for _ in range(50):
        ids.append(made.new_id("file-"))
        env.advance(0.01)
    assert ids == sorted(set(ids))


async def test_nothing_is_taken_in_before_it_is_known_what_there_is() -> None:
    """A store that cannot be read at start: ask again."""
    env, store = FakeEnv(), MoodyStore()
    made = Shelf(env, store, MoodyBlobs())
    for take in (made.add("c", "f", b"", keep_s=None), made.begin(batch(made))):
        with pytest.raises(LbdError) as e:
            await take
        assert e.value.failure.row.status == 503 and e.value.failure.retry_after_s


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes, results that are being gathered among them; the answer says what helps, and deleting does."""
    blobs = MoodyBlobs()
    monkeypatch.setattr(blobs, "most", 100, raising=False)
    made = await shelf(FakeEnv(), blobs=blobs)
    file = await made.add("c", "f", bytes(60), keep_s=None)
    made.growing["batch_x"] = 20
    with pytest.raises(LbdError, match="DELETE /v1/files") as e:
        await made.add("c", "f", bytes(21), keep_s=None)
    assert (e.value.failure.row.status, e.value.failure.code) == (413, "storage_full")
    await made.delete(file)
    assert made.held == 20 and await blobs.read(file.id) == b""
    await made.add("c", "f", bytes(80), keep_s=None)
    monkeypatch.setattr(shelves, "MOST_FILES", 1)
    with pytest.raises(LbdError, match="files"):
        await made.add("c", "f", b"", keep_s=None)


async def test_batches_of_a_client_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have not ended; another client's do not count."""
    monkeypatch.setattr(shelves, "MOST_LIVE", 2)
    made = await shelf(FakeEnv())
    one, two = batch(made), batch(made)
    await made.begin(one)
    await made.begin(two)
    with pytest.raises(LbdError) as e:
        await made.begin(batch(made))
    assert e.value.failure.row.status == 429
    await made.begin(batch(made, "other"))
    await made.keep(replace(one, status=Status.FAILED))
    await made.begin(batch(made))


async def test_a_file_in_use_stays() -> None:
    """Until its batch has ended."""
    made = await shelf(FakeEnv())
    file = await made.add("c", "f", b"x", keep_s=None)
    user = batch(made, file=file.id)
    await made.begin(user)
    with pytest.raises(LbdError, match=user.id) as e:
        await made.delete(file)
    assert e.value.failure.status == 409
    await made.keep(replace(user, status=Status.FAILED))
    await made.delete(file)
    assert not made.files


async def test_a_store_that_fails_takes_nothing_in() -> None:
    """Who was told of a file or a batch finds it again: so nobody is told."""
    store, blobs = MoodyStore(), MoodyBlobs()
    made = await shelf(FakeEnv(), store, blobs)
    file = await made.add("c", "f", b"x", keep_s=None)
    store.error = "disk gone"
    for ask in (
        lambda: made.add("c", "f", b"x", keep_s=None),
        lambda: made.begin(batch(made)),
        lambda: made.delete(file),
    ):
        with pytest.raises(LbdError, match="disk gone") as e:
            await ask()
        assert e.value.failure.kind is FailureKind.INTERNAL
    store.error, blobs.error = None, "disk full"
    with pytest.raises(LbdError, match="disk full"):
        await made.add("c", "f", b"x", keep_s=None)
    assert list(made.files) == [file.id] and not made.batches and made.held == 1


async def test_a_change_that_the_store_did_not_take_is_written_later() -> None:
    """It counts at once, and is not forgotten."""
    env, store = FakeEnv(), MoodyStore()
    made = await shelf(env, store)
    one = batch(made)
    await made.begin(one)
    store.error = "away"
    await made.keep(states.cancel(one, 5))
    assert made.batches[one.id].status is Status.CANCELLING
    with pytest.raises(Exception, match="away"):
        await made.flush()
    store.error = None
    await made.flush()
    assert (await shelf(env, store)).batches[one.id].status is Status.CANCELLING
    before = store.saves
    await made.flush()
    assert store.saves == before


async def test_results_become_files_and_old_things_go() -> None:
    """By their ids."""
    env, store = FakeEnv(), MoodyStore()
    made = await shelf(env, store)
    one = batch(made)
    await made.begin(one)
    await made.results([StoredFile("file-out", "c", "out", "batch_output", 3, 1)])
    made.note(states.count(one, 1, 0))
    assert made.batches[one.id].counts.completed == 1 and "file-out" in made.files
    await made.forget(["file-out"], [one.id])
    await made.forget([], [])
    again = await shelf(env, store)
    assert not again.files and not again.batches


async def test_a_content_that_nobody_knows_of_is_not_kept() -> None:
    """The store failed behind it, or the client left: it would never go."""
    store, blobs = MoodyStore(), MoodyBlobs()
    made = await shelf(FakeEnv(), store, blobs)
    store.error = "full"
    with pytest.raises(LbdError):
        await made.add("c", "f", b"123", keep_s=None)
    assert not made.files and made.held == 0
    assert not blobs._kept


class BusyStore(MoodyStore):
    """Somebody else comes while it saves."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def save(self, table: str, rows: Mapping[str, bytes], *, gone: Sequence[str] = ()) -> None:
        comes, self.meanwhile = self.meanwhile, None
        if comes is not None:
            await comes()
        await super().save(table, rows, gone=gone)


async def test_a_batch_that_is_about_to_be_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is in use, and a client has no more of them than it may."""
    store = BusyStore()
    made = await shelf(FakeEnv(), store)
    file = await made.add("c", "f", b"1", keep_s=None)
    monkeypatch.setattr(shelves, "MOST_LIVE", 1)
    codes = []

    async def meanwhile() -> None:
        for ask in (made.delete(file), made.begin(batch(made, file=file.id))):
            with pytest.raises(LbdError) as caught:
                await ask
            codes.append(caught.value.failure.code)

    store.meanwhile = meanwhile
    await made.begin(batch(made, file=file.id))
    assert codes == ["file_in_use", "too_many_batches"] and len(made.live()) == 1


# --- single requests --------------------------------------------------------------------------------------


async def single(made: Shelf, client: str = "c", *, ended_at: int | None = None) -> Batch:
    file = await made.add(client, "r", b"123", keep_s=None, purpose=states.SINGLE)
    one = replace(batch(made, client, file.id), id=made.new_id("resp_"), single=True)
    await made.begin(one)
    if ended_at is not None:
        one = replace(one, status=Status.COMPLETED, stamps={Status.COMPLETED: ended_at})
        await made.keep(one)
    return one


async def test_those_that_ended_make_room_for_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever there is too little of; the oldest go with their contents, those under way stay."""
    monkeypatch.setattr(shelves, "GO_AT_ONCE", 1)
    store, blobs = MoodyStore(), MoodyBlobs()
    made = await shelf(FakeEnv(), store, blobs)
    live = await single(made)
    old, older, young = [await single(made, ended_at=at) for at in (20, 10, 30)]
    with monkeypatch.context() as patch:
        patch.setattr(shelves, "MOST_BATCHES", 4)
        await made.begin(batch(made, "other"))
    assert older.id not in made.batches and old.id in made.batches
    with monkeypatch.context() as patch:
        patch.setattr(shelves, "MOST_FILES", 3)
        await made.add("other", "f", b"", keep_s=None)
    assert old.id not in made.batches and young.id in made.batches
    monkeypatch.setattr(blobs, "most", 7, raising=False)
    await made.add("other", "f", b"1234", keep_s=None)
    assert young.id not in made.batches and live.id in made.batches
    assert made.held == 7 and len(await blobs.sizes()) == 3
    assert (await shelf(FakeEnv(), store, blobs)).files == made.files


async def test_none_goes_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they would not be enough, or the store cannot forget them: nothing is taken in, and all stay."""
    store, blobs = MoodyStore(), MoodyBlobs()
    made = await shelf(FakeEnv(), store, blobs)
    await single(made)
    done = await single(made, ended_at=10)
    monkeypatch.setattr(blobs, "most", 7, raising=False)
    with pytest.raises(LbdError, match="DELETE /v1/files"):
        await made.add("c", "f", bytes(5), keep_s=None)
    store.error = "away"
    with pytest.raises(LbdError, match="away"):
        await made.add("c", "f", bytes(4), keep_s=None)
    assert done.id in made.batches and len(made.files) == 2


async def test_each_client_has_so_many_and_the_refusal_says_whose_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of those that ended its oldest go; of those under way it is told; where all are too many, that."""
    monkeypatch.setattr(shelves, "GO_AT_ONCE", 1)
    monkeypatch.setattr(shelves, "MOST_SINGLE", 2)
    made = await shelf(FakeEnv())
    kept = [await single(made, ended_at=at) for at in (1, 2, 3)]
    await single(made, "other", ended_at=1)
    await single(made)
    assert [b.id in made.batches for b in kept] == [False, False, True] and len(made.batches) == 3
    await single(made)
    with pytest.raises(LbdError, match="2 background responses of yours are under way"):
        await single(made)
    monkeypatch.setattr(shelves, "MOST_BATCHES", 2)
    with pytest.raises(LbdError, match="of all its clients, and at most 2") as e:
        await made.begin(batch(made, "third"))
    assert "of yours" not in e.value.failure.message and e.value.failure.code == "too_many_batches"


async def test_ten_thousand_that_ended_shut_out_nobody() -> None:
    """Of many clients: the next request is taken in, and so is another's batch."""
    made = await shelf(FakeEnv())
    for i in range(shelves.MOST_BATCHES):
        name, client = f"resp_{i}", f"c{i % 7}"
        stamps = {Status.COMPLETED: i}
        made.batches[name] = replace(
            batch(made, client, f"file-{i}"), id=name, single=True, status=Status.COMPLETED, stamps=stamps,
            output_file_id=f"file-o{i}",
        )  # fmt: skip
        for file in (f"file-{i}", f"file-o{i}"):
            made.files[file] = StoredFile(file, client, "r", states.SINGLE, 1, 1)
    mine = await single(made)
    await made.begin(batch(made, "other"))
    assert mine.id in made.batches and len(made.batches) <= shelves.MOST_BATCHES


class SlowStore(MoodyStore):
    """Saves, and is then a while until it says so."""

    def __init__(self, env: VirtualEnv) -> None:
        super().__init__()
        self.env = env

    async def save(self, table: str, rows: Mapping[str, bytes], *, gone: Sequence[str] = ()) -> None:
        await super().save(table, rows, gone=gone)
        await self.env.sleep(1.0)

    async def left_meanwhile(self, work: Coroutine[object, object, object]) -> None:
        """Have a client leave while it waits."""
        task = asyncio.get_running_loop().create_task(work)
        await self.env.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_a_client_that_leaves_while_it_is_saved_leaves_nothing_half() -> None:
    """A batch is there, now as after a restart; of a file there is neither record nor content."""

    async def main(env: VirtualEnv) -> None:
        store, blobs = SlowStore(env), MoodyBlobs()
        made = await shelf(env, store, blobs)
        one = batch(made)
        await store.left_meanwhile(made.begin(one))
        assert made.batches == {one.id: one}
        cancelled = states.cancel(one, 5)
        await made.keep(cancelled)
        await store.left_meanwhile(made.add("c", "f", b"123", keep_s=None))
        await env.sleep(2.0)
        assert not made.files and not await blobs.sizes() and made.held == 0
        again = await shelf(env, store, blobs)
        assert again.batches == {one.id: cancelled} and not again.files

    run(main)


def test_a_state_whose_writing_was_broken_off_is_written_later() -> None:
    """Who asked for it left."""

    async def main(env: VirtualEnv) -> None:
        store = SlowStore(env)
        made = await shelf(env, store)
        one = batch(made)
        await made.begin(one)
        saves = store.saves
        await store.left_meanwhile(made.keep(states.cancel(one, 5)))
        await made.flush()
        assert store.saves == saves + 2

    run(main)


# --- strays ----------------------------------------------------------------------------------------------


async def start(store: MoodyStore, blobs: MoodyBlobs) -> tuple[Shelf, list[Strays]]:
    """Return what a start finds, and what it tells of strays."""
    told: list[Strays] = []
    made = Shelf(FakeEnv(), store, blobs, told.append)
    await made.restore()
    return made, told


async def crowd(store: MoodyStore, blobs: MoodyBlobs) -> set[str]:
    """Leave files and batches of every kind; return the names of the contents that they need."""
    made = await shelf(FakeEnv(), store, blobs)
    names = [(await made.add("c", "in", b"x", keep_s=None)).id for _ in range(3)]
    waits, runs, done = (batch(made, file=name) for name in names)
    for one in (waits, runs, done):
        await made.begin(one)
    await made.keep(states.begin(runs, 1, total=3, output_id="file-runs-out", error_id="file-runs-err"))
    done = states.begin(done, 1, total=3, output_id="file-done-out", error_id="file-done-err")
    await made.results([StoredFile("file-done-out", "c", "out", "batch_output", 3, 1)])
    await made.keep(states.end(states.finalize(done, 2, unanswered=0), 3, output=True, errors=False))
    for name in ("file-runs-out", "file-runs-err", "file-done-out"):
        await blobs.append(name, b"123")
    return {*names, "file-runs-out", "file-runs-err", "file-done-out"}


async def test_what_a_crash_left_goes_and_what_is_needed_stays() -> None:
    """A start drops contents that no record names, and says how many; the next one finds nothing to say."""
    store, blobs = MoodyStore(), MoodyBlobs()
    needed = await crowd(store, blobs)
    await blobs.put("file-upload", b"1234")
    await blobs.append("file-done-err", b"56")
    await blobs.put("README", b"not lbd's")
    made, told = await start(store, blobs)
    assert set(await blobs.sizes()) == needed | {"README"}
    assert told == [Strays(2, 6, None)] and made.loaded
    assert (await start(store, blobs))[1] == []


async def test_the_crash_between_content_and_record_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it comes: killed after the one was written and before the other was."""
    store, blobs = MoodyStore(), MoodyBlobs()
    made = await shelf(FakeEnv(), store, blobs)
    kept = await made.add("c", "in", b"x", keep_s=None)

    class Killed(BaseException):
        pass

    async def killed(*_args: object, **_more: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(store, "save", killed)
        patch.setattr(blobs, "drop", killed)
        await made.add("c", "in", b"lost", keep_s=None)
    assert len(await blobs.sizes()) == 2
    _, told = await start(store, blobs)
    assert await blobs.sizes() == {kept.id: 1} and told == [Strays(1, 4, None)]


async def test_a_file_whose_record_cannot_be_read_keeps_its_content() -> None:
    """A record that cannot be read is one."""
    store, blobs = MoodyStore(), MoodyBlobs()
    needed = await crowd(store, blobs)
    await store.save(FILES, {"file-odd": b"\xc1"})
    await blobs.put("file-odd", b"1")
    _, told = await start(store, blobs)
    assert set(await blobs.sizes()) == needed | {"file-odd"} and told == []


async def test_while_a_batch_cannot_be_read_nothing_goes() -> None:
    """Nobody knows where its results are. It may be of a later version."""
    store, blobs = MoodyStore(), MoodyBlobs()
    await crowd(store, blobs)
    await store.save(BATCHES, {"batch_odd": b"\xc1"})
    await blobs.put("file-results", b"123")
    made, told = await start(store, blobs)
    assert "file-results" in await blobs.sizes() and made.loaded
    assert [(t.contents, t.bytes) for t in told] == [(1, 3)] and "1 batches cannot be read" in str(told[0].why_kept)


async def test_a_store_that_knows_nothing_may_be_the_wrong_one() -> None:
    """Damaged, set aside, not mounted: what it knew of is not thrown away behind it."""
    blobs = MoodyBlobs()
    await crowd(MoodyStore(), blobs)
    before = await blobs.sizes()
    made, told = await start(MoodyStore(), blobs)
    assert await blobs.sizes() == before and made.loaded
    assert told[0].contents == len(before) and "knows of no file" in str(told[0].why_kept)
    assert (await start(MoodyStore(), MoodyBlobs()))[1] == []


async def test_a_folder_that_cannot_be_read_is_told_and_stops_nothing() -> None:
    """Neither where it cannot be listed, nor where nothing can be dropped; the next start tries again."""
    store, blobs = MoodyStore(), MoodyBlobs()
    needed = await crowd(store, blobs)
    await blobs.put("file-upload", b"1234")
    blobs.error = "Permission denied"
    made, told = await start(store, blobs)
    assert told == [Strays(0, 0, "Permission denied")]
    assert made.loaded and len(made.files) == 4 and len(made.live()) == 2
    blobs.error = None

    async def locked(names: Sequence[str]) -> None:
        raise StoreError("Read-only file system")

    blobs.drop, drop = locked, blobs.drop  # type: ignore[method-assign]
    made, told = await start(store, blobs)
    assert told == [Strays(1, 4, "Read-only file system")] and made.loaded
    blobs.drop = drop  # type: ignore[method-assign]
    assert (await start(store, blobs))[1] == [Strays(1, 4, None)]
    assert set(await blobs.sizes()) == needed


async def test_nothing_is_dropped_before_it_is_known_what_there_is() -> None:
    """A store that cannot be read yet: the sweep waits for it, and strays are told of once."""
    store, blobs = MoodyStore(), MoodyBlobs()
    needed = await crowd(store, blobs)
    await blobs.put("file-upload", b"1234")
    told: list[Strays] = []
    made = Shelf(FakeEnv(), store, blobs, told.append)
    store.error = "away"
    with pytest.raises(StoreError):
        await made.restore()
    assert len(await blobs.sizes()) == len(needed) + 1 and not told
    store.error = None
    await made.restore()
    assert set(await blobs.sizes()) == needed and told == [Strays(1, 4, None)]
