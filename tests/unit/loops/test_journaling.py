"""Writing the journal: beside requests, and whatever the disk does, in order."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from lbd import __version__
from lbd.loops import journaling
from lbd.loops.journaling import Journaling, Place
from lbd.model.table import Snapshot
from lbd.observe.archive import Opened, Reader
from lbd.replay.again import execute
from tests.fakes import tables
from tests.fakes.env import FakeEnv
from tests.fakes.house import House
from tests.fakes.records import record
from tests.fakes.stage import answer

OK = answer(
    b'{"id":"x","object":"chat.completion","model":"up-m","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":20,"completion_tokens":5}}'
)


class Writing:
    """A journal under test, with what was told of its disk."""

    def __init__(self, folder: Path) -> None:
        self.told: list[tuple[bool, str]] = []
        self.env = FakeEnv()
        self.folder = folder
        self.journal = Journaling(self.env, "run", lambda up, why: self.told.append((up, why)))
        self.to(folder)

    def to(self, folder: Path | None, config: str = "one") -> None:
        head = Opened("1.0", "", 0.0, (), config)
        self.journal.configure(None if folder is None else Place(folder, 7, 64 * 1024**2, head))

    def read(self) -> list[str]:
        return [kept.record.id for kept in Reader(self.folder)]


def table(generation: int) -> Snapshot:
    return replace(tables.snapshot([tables.view("p/a")]), generation=generation)


async def test_what_was_noted_is_written_each_table_once(tmp_path: Path) -> None:
    it = Writing(tmp_path)
    it.journal.keep(table(1))
    it.journal.keep(table(1))
    for n in range(3 * journaling.TOGETHER):
        it.journal.note(record(id=f"req_{n}"))
    await it.journal.write()
    it.journal.keep(table(2))
    it.journal.note(record(id="last"))
    await it.journal.close()
    kept = list(Reader(tmp_path))
    assert [k.record.id for k in kept] == [*(f"req_{n}" for n in range(3 * journaling.TOGETHER)), "last"]
    assert set(kept[-1].tables) == {1, 2}
    assert len(list(tmp_path.iterdir())) == 1


async def test_what_a_disk_does_not_take_waits_and_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    it = Writing(tmp_path / "file" / "journal")
    it.journal.note(record(id="early"))
    await it.journal.write()
    it.journal.note(record(id="late"))
    await it.journal.write()
    assert [up for up, _ in it.told] == [False] and "file" in it.told[0][1]
    (tmp_path / "file").unlink()
    await it.journal.write()
    assert [up for up, _ in it.told] == [False, True]
    await it.journal.close()
    assert it.read() == ["early", "late"]


async def test_what_is_too_much_is_counted_as_lost_the_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    it = Writing(tmp_path / "file" / "journal")
    for n in range(journaling.MOST + 5):
        it.journal.note(record(id=f"req_{n}"))
    await it.journal.write()
    assert it.journal.lost == 5
    (tmp_path / "file").unlink()
    await it.journal.close()
    assert it.read()[0] == "req_5"


async def test_another_configuration_is_told_of_in_the_segment_that_there_is(tmp_path: Path) -> None:
    """A thousand reloads are no thousand files; another place is another file. What is read by both are the tables."""
    it = Writing(tmp_path)
    it.journal.keep(table(1))
    it.journal.note(record(id="a"))
    await it.journal.write()
    it.to(tmp_path, "two")
    it.journal.note(record(id="b"))
    await it.journal.write()
    it.journal.note(record(id="c"))
    await it.journal.write()
    assert len(list(tmp_path.iterdir())) == 1
    it.to(tmp_path / "other", "two")
    it.journal.note(record(id="d"))
    await it.journal.close()
    kept = list(Reader(tmp_path))
    assert [(k.record.id, k.opened.config) for k in kept] == [("a", "one"), ("b", "two"), ("c", "two")]
    assert set(kept[-1].tables) == {1}
    assert [(k.record.id, k.opened.config) for k in Reader(tmp_path / "other")] == [("d", "two")]


async def test_switched_off_it_notes_and_writes_nothing(tmp_path: Path) -> None:
    it = Writing(tmp_path)
    it.to(None)
    it.journal.keep(table(1))
    it.journal.note(record())
    await it.journal.write()
    await it.journal.close()
    assert not list(tmp_path.iterdir())


async def test_old_segments_go_when_nothing_is_written_too(tmp_path: Path) -> None:
    it = Writing(tmp_path)
    it.journal.note(record())
    await it.journal.write()
    old = tmp_path / "1000-old.lbdj"
    old.write_bytes(b"")
    import os

    os.utime(old, (1000, 1000))
    it.env.advance(journaling.FORGET_EVERY + 1)
    await it.journal.write()
    assert not old.exists()
    await it.journal.close()


async def test_what_the_daemon_decides_comes_out_the_same_from_its_disk(tmp_path: Path) -> None:
    """Over a reload, with moves, and with the journal switched on and off by the configuration."""
    folder = tmp_path / "journal"
    async with House(tmp_path, journal={"path": str(folder)}) as house:
        for host in "ab":
            house.stage.always(0, *OK, host=host)
        house.stage.refuse(host="a")
        for _ in range(20):
            await house.ask()
        house.write(scorer={"weights": {"cost": 2.0}})
        await house.app.reload(by="test")
        for _ in range(20):
            await house.ask(stream=False)
        house.write(journal={"max_bytes": 0})
        await house.app.reload(by="test")
        await house.ask()
        assert not house.app.journaling.on
    told = execute(Reader(folder), house.app.plugins.terms, __version__)
    assert told.requests == 40 and told.same == told.decisions >= 40
    assert len({kept.opened.config for kept in Reader(folder)}) == 2
