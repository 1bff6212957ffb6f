"""The journal as bytes: what comes back is what went in, tables included, and no words of a prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lbd.decide import route
from lbd.model.plan import Decision
from lbd.model.provider import PromptSpec
from lbd.model.record import RequestRecord
from lbd.model.table import Snapshot
from lbd.observe.archive import Kept, Opened, Reader, Scribe, discreet
from lbd.store.segments import Segments
from tests.fakes import tables
from tests.fakes.records import attempt, record

OPENED = Opened("1.0", "run", tables.WALL, ("cost",), "hash")


def decided(generation: int, **more: object) -> RequestRecord:
    made = attempt(**more)  # type: ignore[arg-type]
    of: Decision = replace(made.decision, generation=generation)
    return record(id=f"req_{generation}", attempts=(replace(made, decision=of),))


def write(folder: Path, *frames: list[Snapshot | RequestRecord], opened: Opened = OPENED) -> None:
    scribe, out = Scribe(lambda: opened), Segments(folder, opened.run, keep_days=7, max_bytes=1024**2)
    for items in frames:
        out.write(scribe.frame(items, first=not out.begun), tables.WALL)
    out.close()


def moved(table: Snapshot, generation: int, i: int, **fields: object) -> Snapshot:
    """Return the next generation, of which one row differs."""
    return replace(tables.changed(table, i, **fields), generation=generation)


def test_tables_and_records_come_back_equal(tmp_path: Path) -> None:
    """Rows that did not change are told once, and shared afterwards."""
    first = tables.snapshot([tables.view("p/a"), tables.view("p/b"), tables.view("q/c")])
    first = replace(first, generation=5)
    second = moved(first, 6, 1, load=0.75, ttft_p95_s=(0.1,) * 6)
    one, two = decided(5), decided(6)
    write(tmp_path, [first, one], [second, two])
    kept = list(Reader(tmp_path))
    assert [k.record for k in kept] == [one, two]
    tables_ = kept[1].tables
    assert tables_[5] == first and tables_[6] == second
    assert tables_[5].rows[0] is tables_[6].rows[0]
    assert kept[0].opened == OPENED


def test_another_catalogue_is_told_as_a_whole(tmp_path: Path) -> None:
    before = replace(tables.snapshot([tables.view("p/a")]), generation=1)
    after = replace(tables.snapshot([tables.view("p/a"), tables.view("p/new")]), generation=2)
    write(tmp_path, [before, after, decided(2)])
    (kept,) = Reader(tmp_path)
    assert kept.tables[2] == after


def test_every_segment_can_be_read_without_the_one_before(tmp_path: Path) -> None:
    """The last table stands at its head again: what is decided next is decided on it."""
    table = replace(tables.snapshot([tables.view("p/a")]), generation=1)
    scribe, out = Scribe(lambda: OPENED), Segments(tmp_path, "run", keep_days=7, max_bytes=1024**2)
    out.write(scribe.frame([table, decided(1)], first=True), tables.WALL)
    out.close()
    out.write(scribe.frame([decided(1)], first=True), tables.WALL + 1)
    out.close()
    first, _ = sorted(tmp_path.iterdir())
    first.unlink()
    (kept,) = Reader(tmp_path)
    assert kept.tables[1] == table


def test_what_a_provider_said_and_what_a_deployment_adds_are_left_out(tmp_path: Path) -> None:
    """Both may hold a prompt, and a decision depends on neither."""
    spec = tables.deployment("p/a", prompt=PromptSpec("SECRET system", "SECRET before", "", "v1"))
    table = replace(tables.snapshot([tables.view(spec)]), generation=1)
    write(tmp_path, [table, decided(1, failure="server_error", message="cannot answer: SECRET question")])
    (kept,) = Reader(tmp_path)
    assert kept.record.attempts[0].message == ""
    assert kept.tables[1].rows[0].spec.prompt == PromptSpec(version="v1")
    import zlib

    from lbd.store.segments import frames

    payloads = [zlib.decompress(f) for p in tmp_path.iterdir() for f in frames(p.read_bytes())]
    assert payloads and not any(b"SECRET" in p for p in payloads)


def test_a_record_without_messages_is_not_copied() -> None:
    plain = record()
    assert discreet(plain) is plain


def test_only_what_ended_since_then_is_read_and_progress_is_told(tmp_path: Path) -> None:
    table = replace(tables.snapshot([tables.view("p/a")]), generation=1)
    late = replace(decided(1), time=tables.WALL + 100)
    write(tmp_path, [table, decided(1), late])
    told: list[tuple[int, int]] = []
    reader = Reader(tmp_path, since=tables.WALL + 50, told=lambda done, whole: told.append((done, whole)))
    assert [k.record for k in reader] == [late]
    assert told and told[-1][0] == told[-1][1] > 0


def test_what_cannot_be_read_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    table = replace(tables.snapshot([tables.view("p/a")]), generation=1)
    scribe, out = Scribe(lambda: OPENED), Segments(tmp_path, "run", keep_days=7, max_bytes=1024**2)
    out.write(scribe.frame([table], first=True), tables.WALL)
    out.write(b"of another version", tables.WALL)
    out.write(scribe.frame([decided(1)], first=False), tables.WALL)
    out.close()
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes() + b"torn")
    reader = Reader(tmp_path)
    assert len(list(reader)) == 1
    assert (reader.torn, reader.foreign) == (4, 1)
    assert path.name in reader.why


def test_two_runs_keep_their_tables_apart(tmp_path: Path) -> None:
    """Generations begin anew with each start of the daemon."""
    a = replace(tables.snapshot([tables.view("p/a")]), generation=1)
    b = replace(tables.snapshot([tables.view("p/b")]), generation=1)
    write(tmp_path, [a, decided(1)])
    write(tmp_path, [b, decided(1)], opened=replace(OPENED, run="other"))
    kept: list[Kept] = list(Reader(tmp_path))
    assert {k.opened.run: k.tables[1].rows[0].spec.id for k in kept} == {"run": "p/a", "other": "p/b"}


@pytest.mark.parametrize("seed", range(20))
def test_any_tables_come_back_and_decide_alike(tmp_path: Path, seed: int) -> None:
    """Bit for bit: the same ranking of anything that may be asked."""
    dice = tables.Dice(seed)
    written = [dice.table(generation) for generation in range(3)]
    write(tmp_path, [*written, decided(2)])
    (kept,) = Reader(tmp_path)
    for table in written:
        ask = dice.ask(table)
        assert kept.tables[table.generation] == table
        assert route.rank(kept.tables[table.generation], ask, tables.terms()) == route.rank(table, ask, tables.terms())
