"""What a replay found, as a person reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from lbd.config.compiled import Compiled
from lbd.display.paint import Paint
from lbd.observe.archive import Reader, Scribe
from lbd.replay import again, told
from lbd.store.segments import Segments
from tests.fakes import tables
from tests.fakes.harness import compiled
from tests.unit.replay.test_other import row
from tests.unit.replay.test_whatif import OPENED, journal, table

PLAIN = Paint(colour=False)


def on_disk(folder: Path, n: int, **change: Any) -> Reader:
    """Write a journal; ``change``: fields of its first decision."""
    kept = [k.record for k in journal(n)]
    if change:
        (first,) = kept[0].attempts
        kept[0] = replace(kept[0], attempts=(replace(first, decision=replace(first.decision, **change)),))
    out = Segments(folder, "run", keep_days=7, max_bytes=1024**2)
    out.write(Scribe(lambda: OPENED).frame([table(), *kept], first=True), tables.WALL)
    out.close()
    return Reader(folder)


def config(*names: str) -> Compiled:
    return compiled({"providers": [row(n, quality={"default": 0.8}) for n in names]})


def test_all_the_same_is_one_line(tmp_path: Path) -> None:
    reader = on_disk(tmp_path, 20)
    document = told.again(again.execute(reader, tables.terms(), "1.0"), reader)
    assert (document["object"], document["same"], document["decisions"]) == ("lbd.replay", 20, 20)
    lines = told.again_words(document, PLAIN, 80)
    assert len(lines) == 1 and lines[0].startswith("+ 20 of 20 decisions came out the same, bit for bit")


def test_the_first_that_differs_is_told_with_its_reason(tmp_path: Path) -> None:
    reader = on_disk(tmp_path, 20, reason="made_up")
    document = told.again(again.execute(reader, tables.terms(), "1.1"), reader)
    text = "\n".join(told.again_words(document, PLAIN, 80))
    assert "- 19 of 20" in text and "req_0" in text and "made_up" in text and "lbd 1.0, and this is 1.1" in text


def test_a_change_is_told_with_intervals_and_its_samples(tmp_path: Path) -> None:
    document = told.what_if(on_disk(tmp_path, 400), config("a", "b"), tables.terms())
    text = "\n".join(told.what_if_words(document, PLAIN, 120))
    assert document["enough"] and document["judged"] == 400
    assert "400 of 400 requests judged" in text and "effective samples" in text
    assert "cost of 1,000 requests" in text and "±" in text


def test_where_nothing_is_known_no_interval_stands(tmp_path: Path) -> None:
    document = told.what_if(on_disk(tmp_path, 100), config("new"), tables.terms())
    text = "\n".join(told.what_if_words(document, PLAIN, 120))
    assert not document["enough"]
    assert "the overlap is too small to say anything" in text
    assert "new/m: nothing was measured there" in text
    (line,) = [one for one in text.splitlines() if one.startswith("served in time")]
    assert line.endswith("?") and line.count("±") == 1


def test_an_empty_journal_has_no_requests(tmp_path: Path) -> None:
    assert told.what_if(Reader(tmp_path), config("a"), tables.terms())["requests"] == 0
