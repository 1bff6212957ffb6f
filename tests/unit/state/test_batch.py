"""The life of a batch: no step outside the table, and nothing is thrown away too early."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.batch import ENDED, Batch, Counts, Fault, Status, StoredFile
from lbd.model.outcome import Usage
from lbd.state import batch as states
from lbd.state.batch import (
    FIRST_WAIT,
    KEPT,
    KEPT_SINGLE,
    LONGEST_WAIT,
    SINGLE,
    STEPS,
    TRANSIENT,
    TRIES,
    outdated,
    pause,
    spare,
    standing,
    stands,
    strays,
    window,
)

NEW = Batch("batch_1", "c", "/v1/chat/completions", "file-in", "24h", 100, 86500)
MOVES: dict[str, Callable[[Batch, int], Batch]] = {
    "begin": lambda b, now: states.begin(b, now, total=3, output_id="file-out", error_id="file-err"),
    "fail": lambda b, now: states.fail(b, now, [Fault("x", "y", 1)]),
    "cancel": states.cancel,
    "finalize": lambda b, now: states.finalize(b, now, unanswered=0),
    "expire": lambda b, now: states.finalize(b, now, unanswered=2),
    "end": lambda b, now: states.end(b, now, output=True, errors=False),
}


@given(moves=st.lists(st.sampled_from(sorted(MOVES)), max_size=12))
def test_any_history_keeps_to_the_table(moves: list[str]) -> None:
    """A move that does not fit changes nothing; stamps only grow; an end is for ever."""
    batch, now = NEW, 100
    for move in moves:
        now += 1
        try:
            new = MOVES[move](batch, now)
        except ValueError:
            continue
        assert new.status in STEPS[batch.status] or (new is batch and batch.status is Status.CANCELLING)
        assert not batch.ended
        assert new.stamps.items() >= batch.stamps.items() - {(new.status, now)}
        batch = new
    assert list(batch.stamps.values()) == sorted(batch.stamps.values())
    if batch.ended:
        assert batch.ended_at == batch.stamps[batch.status]


def test_the_usual_life() -> None:
    """Validated, run, finished; its files are named at the end, those that hold something."""
    batch = MOVES["begin"](NEW, 101)
    assert (batch.status, batch.counts, batch.output_file_id) == (Status.IN_PROGRESS, Counts(3), None)
    batch = states.count(batch, 2, 1)
    assert batch.counts == Counts(3, 2, 1)
    batch = MOVES["end"](MOVES["finalize"](batch, 110), 111)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == (Status.COMPLETED, "file-out", None)
    assert batch.stamps == {Status.IN_PROGRESS: 101, Status.FINALIZING: 110, Status.COMPLETED: 111}


def test_lines_that_ran_out_of_time_make_it_expired() -> None:
    """Also where it is only found out after a restart: the fate is kept with it."""
    assert MOVES["end"](MOVES["expire"](MOVES["begin"](NEW, 1), 2), 3).status is Status.EXPIRED


def test_a_cancelled_batch_ends_as_cancelled() -> None:
    """Asking twice is once."""
    batch = states.cancel(MOVES["begin"](NEW, 1), 2)
    assert states.cancel(batch, 5) is batch
    batch = states.end(batch, 6, output=False, errors=True)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == (Status.CANCELLED, None, "file-err")
    with pytest.raises(ValueError, match="cancelled cannot become cancelling"):
        states.cancel(batch, 7)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("24h", 86400), ("1h", 3600), ("336h", 1209600)]
    + [(bad, None) for bad in ("337h", "0h", "024h", "24", "24m", "-1h", " 24h", "", None, 24, "1h\n", "٢h")],
)
def test_a_window_is_a_number_of_hours(text: object, seconds: int | None) -> None:
    """Up to two weeks."""
    assert window(text) == seconds


@given(status=st.integers(200, 599), code=st.sampled_from([None, "x", *sorted(TRANSIENT)]), tries=st.integers(1, 5000))
def test_an_outage_is_waited_for_and_an_answer_stands(status: int, code: str | None, tries: int) -> None:
    """Client faults are never sent again, provider faults a few times; a rate limit and 'nobody can' are waited for."""
    if code in TRANSIENT or status == 429:
        assert not stands(status, code, tries)
    else:
        assert stands(status, code, tries) is (status < 500 or tries >= TRIES)


@given(row=st.integers(1, 10_000), told=st.none() | st.floats(0, 1e9))
def test_pauses_grow_within_bounds(row: int, told: float | None) -> None:
    """And what an answer asks for is kept, within them."""
    wait = pause(row, told)
    assert FIRST_WAIT <= wait <= LONGEST_WAIT and pause(row + 1, told) >= wait
    if told is not None:
        assert wait >= min(told, LONGEST_WAIT)


def file(name: str, at: int, expires: int | None = None) -> StoredFile:
    return StoredFile(name, "c", "f", "batch", 1, at, expires)


def test_files_go_some_time_after_their_batch() -> None:
    """Those of a batch under way stay, however old; those that nobody used go by their own age."""
    day = 86400
    done = replace(
        NEW, id="b1", input_file_id="in", output_id="out", status=Status.COMPLETED, stamps={Status.COMPLETED: 100 * day}
    )
    live = replace(NEW, id="b2", input_file_id="busy")
    files = [
        file("in", 1),
        file("out", 100 * day),
        file("busy", 1),
        file("alone", 99 * day),
        file("short", 1, 102 * day),
    ]
    kept = int(KEPT)
    assert outdated(files, [done, live], 101 * day) == ([], [])
    assert outdated(files, [done, live], 102 * day) == (["short"], [])
    assert outdated(files, [done, live], 99 * day + kept + 1) == (["alone", "short"], [])
    assert outdated(files, [done, live], 100 * day + kept) == (["alone", "short"], [])
    assert outdated(files, [done, live], 100 * day + kept + 1) == (["in", "out", "alone", "short"], ["b1"])


@given(
    ages=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.booleans()), max_size=8),
    now=st.integers(0, 200),
)
def test_nothing_that_is_needed_goes(ages: list[tuple[int, int, bool]], now: int) -> None:
    """Whatever the ages: a live batch's input stays, and a file is never gone within its time after an end."""
    day = 86400
    files = [file(f"f{i}", made * day) for i, (made, _, _) in enumerate(ages)]
    batches = [
        replace(
            NEW,
            id=f"b{i}",
            input_file_id=f"f{i // 2}",
            status=Status.COMPLETED if over else Status.IN_PROGRESS,
            stamps={Status.COMPLETED: end * day} if over else {},
        )
        for i, (_, end, over) in enumerate(ages)
    ]
    gone, batches_gone = outdated(files, batches, now * day)
    for batch in batches:
        if not batch.ended or now * day - (batch.ended_at or 0) <= KEPT:
            assert batch.input_file_id not in gone and batch.id not in batches_gone


def test_what_is_used_is_known_or_not() -> None:
    """Nothing where no line has an answer; not known where those that have one do not say."""
    batch = states.begin(NEW, 1, total=3, output_id="file-out", error_id="file-err", model="m")
    assert batch.model == "m" and MOVES["begin"](NEW, 1).model is None
    assert states.count(batch, 0, 2).usage == Usage()
    assert states.count(batch, 1, 2).usage is None
    ended = states.end(
        states.finalize(states.count(batch, 2, 1, Usage(7, 2)), 2, unanswered=0), 3, output=True, errors=True
    )
    assert (ended.usage, ended.model) == (Usage(7, 2), "m")


def test_how_batches_stand() -> None:
    """Every status has its number; lines wait in those that go on, the oldest of which is told."""
    assert standing([], 500.0) == (dict.fromkeys(Status, 0), 0, 0.0)
    running = states.count(states.begin(NEW, 1, total=9, output_id="o", error_id="e"), 2, 1)
    done = replace(running, created_at=50, status=Status.COMPLETED)
    young = replace(NEW, created_at=300)
    told = standing([running, done, young, replace(running, created_at=200, status=Status.CANCELLING)], 500.5)
    assert told.by_status == {
        **dict.fromkeys(Status, 0), Status.IN_PROGRESS: 1, Status.COMPLETED: 1, Status.VALIDATING: 1,
        Status.CANCELLING: 1,
    }  # fmt: skip
    assert (told.waiting, told.oldest_s) == (12, 400.5)
    assert standing([replace(NEW, created_at=600)], 500.0).oldest_s == 0.0  # the clock was set back


def test_strays_are_what_belongs_to_nothing() -> None:
    """Neither a file, nor of a batch that goes on; and what lbd does not name so is none of its own."""
    live = replace(MOVES["begin"](NEW, 1), input_file_id="file-in")
    fresh = replace(NEW, input_file_id="file-fresh")
    ended = replace(live, output_id="file-old", error_id="file-gone", status=Status.CANCELLED)
    names = ["file-in", "file-out", "file-err", "file-fresh", "file-known", "file-old", "file-gone", "notes.txt"]
    assert strays(names, ["file-known"], [live, fresh, ended]) == ["file-old", "file-gone"]
    assert strays(names, names, []) == []


@given(
    contents=st.sets(st.integers(0, 20)),
    files=st.sets(st.integers(0, 20)),
    ids=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.sampled_from(Status)), max_size=4),
)
def test_nothing_that_is_known_is_a_stray(
    contents: set[int], files: set[int], ids: list[tuple[int, int, Status]]
) -> None:
    """And everything else is one."""
    batches = [replace(NEW, input_file_id=f"file-{a}", output_id=f"file-{b}", status=s) for a, b, s in ids]
    known = files | {x for a, b, s in ids if s not in ENDED for x in (a, b)}
    found = strays((f"file-{i}" for i in sorted(contents)), {f"file-{i}" for i in files}, batches)
    assert found == [f"file-{i}" for i in sorted(contents - known)]


def ended(name: str, at: int, client: str = "c") -> Batch:
    stamps = {Status.COMPLETED: at}
    files = {"input_file_id": f"in-{name}", "output_id": f"out-{name}", "output_file_id": f"out-{name}"}
    return replace(NEW, id=name, client=client, single=True, status=Status.COMPLETED, stamps=stamps, **files)


def test_a_single_request_goes_after_a_day() -> None:
    """With what was asked and what came of it; one without a request goes as soon, a live one's stays."""
    kept = int(KEPT_SINGLE)
    done, live = ended("s", 1000), replace(NEW, id="l", input_file_id="in-l", single=True)
    files = [replace(file(name, 10), purpose=SINGLE) for name in ("in-s", "out-s", "in-l")]
    alone = replace(file("alone", 1000), purpose=SINGLE)
    assert outdated([*files, alone], [done, live], 1000 + kept) == ([], [])
    assert outdated([*files, alone], [done, live], 1001 + kept) == (["in-s", "out-s", "alone"], ["s"])
    assert states.contents(done) == ["in-s", "out-s"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=30), st.integers(0, 30))
def test_room_is_made_by_who_fills_it(rows: list[tuple[str, int]], go: int) -> None:
    """However many go: nobody who has fewer loses one before who has more, and each its oldest first."""
    batches = [ended(str(i), at, client) for i, (client, at) in enumerate(rows)]
    others = [replace(NEW, id="live", single=True), replace(batches[0], id="x", single=False)] if batches else []
    order = spare([*others, *batches])
    assert sorted(b.id for b in order) == sorted(b.id for b in batches)
    gone, left = order[:go], order[go:]
    for loser in {b.client for b in gone}:
        least_gone = [b.ended_at or 0 for b in gone if b.client == loser]
        mine = [b.ended_at or 0 for b in left if b.client == loser]
        assert not mine or max(least_gone) <= min(mine)
        for other in "abc":
            assert sum(b.client == other for b in left) <= len(mine) + 1
