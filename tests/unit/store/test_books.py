"""The ledger on SQLite: every entry once, sums that are exact however they are grouped, no disk that spoils it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.model.ledger import GROUPS, HOUR, SUMS, Entry, Kind, Total
from lbd.model.money import cost
from lbd.model.outcome import Usage
from lbd.model.provider import Price
from lbd.model.units import NANO_PER_USD
from lbd.ports import StoreError
from lbd.store.books import SqliteBooks, make
from tests.fakes.entries import WALL, entries, entry

FIRST = int(WALL // HOUR) * HOUR
LAST = FIRST + 5 * HOUR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "state.ledger.db"


@pytest.fixture
async def books(path: Path) -> AsyncIterator[SqliteBooks]:
    books = SqliteBooks(path)
    yield books
    await books.close()


async def appended(path: Path, *rows: Entry) -> None:
    books = SqliteBooks(path)
    await books.append(rows)
    await books.close()


def added(rows: list[Entry], of: tuple[str | int, ...] = ()) -> Total:
    """Return the sum of entries, by plain addition."""
    columns = [sums(row) for row in rows]
    return Total(of, *(sum(column) for column in zip(*columns, strict=True))) if rows else Total(of)


def sums(row: Entry) -> tuple[float, ...]:
    """Return what an entry adds to each of ``SUMS``, told once more in plain words."""
    failed = row.kind is Kind.CLIENT and not row.served
    saved = row.saved or 0
    adds = {
        "requests": int(row.served),
        "attempts": 1,
        "failed": int(failed),
        "failed_cost": row.cost if failed else 0,
        "estimated": int(row.estimated),
        "unpriced": int(row.unpriced),
        "compared": int(row.saved is not None),
        "compared_cost": row.cost if row.compared else 0,
        "premium": row.premium or 0,
        "cheapest": row.cheapest or 0,
        "saved": saved,
        "saved_square": (saved / NANO_PER_USD) ** 2,
    }
    return tuple(adds[name] if name in adds else getattr(row, name) for name in SUMS)


def exact(total: Total) -> list[int]:
    """Return every sum of a total that is a whole number."""
    return [getattr(total, name) for name in SUMS if name != "saved_square"]


# --- sums ---------------------------------------------------------------------------------------------


async def test_each_entry_adds_what_it_is(books: SqliteBooks) -> None:
    """What failed is a client's attempt that did not serve; lbd's own attempts fail nobody."""
    served = entry("req_1/1", cost=5, compared=True, premium=20, cheapest=3, saved=15, estimated=True)
    failed = entry("req_1/2", cost=7, served=False, compared=True, outcome="server_error", unpriced=True)
    probe = entry("req_2/0", cost=2, kind=Kind.PROBE, served=False)
    await books.append([served, failed, probe])
    told = {total.of[0]: total for total in await books.totals(0, LAST, ("kind",))}
    client = Total(("client",), 1, 2, 1, 200, 0, 0, 40, 0, 12, 7, 1, 1, 1, 12, 20, 3, 15, (15 / NANO_PER_USD) ** 2)
    assert told == {"client": client, "probe": Total(("probe",), attempts=1, input=100, output=20, cost=2)}


ALL_GROUPS = list(chain.from_iterable(combinations(("hour", "kind", "client", "model"), n) for n in range(5)))


@settings(max_examples=60, deadline=None)
@given(entries(), st.sampled_from(ALL_GROUPS), st.integers(1, 4))
def test_sums_are_exact_however_they_are_grouped(rows: list[Entry], by: tuple[str, ...], parts: int) -> None:
    """By any columns, however they came in: each group is the plain sum of its entries, and all groups the whole."""

    async def main() -> None:
        books = SqliteBooks(None)
        for part in range(parts):
            assert await books.append(rows[part::parts]) == len(rows[part::parts])
        found = await books.totals(FIRST, LAST, by)
        expected: dict[tuple[Any, ...], list[Entry]] = {} if by else {(): []}
        for row in rows:
            expected.setdefault(tuple(getattr(row, name) for name in by), []).append(row)
        assert [t.of for t in found] == sorted(expected)
        for total in found:
            plain = added(expected[total.of], total.of)
            assert exact(total) == exact(plain)
            assert total.saved_square == pytest.approx(plain.saved_square)
        (whole,) = await books.totals(FIRST, LAST)
        assert [sum(column) for column in zip(*map(exact, found), strict=True)] == (exact(whole) if found else [])
        kept = await books.entries(FIRST, LAST)
        assert sorted(kept, key=lambda e: e.id) == sorted(rows, key=lambda e: e.id)
        await books.close()

    asyncio.run(main())


@settings(max_examples=30, deadline=None)
@given(entries(), st.data())
def test_what_is_written_twice_counts_once(rows: list[Entry], data: st.DataObject) -> None:
    """In one batch, in two, or in parts: an id names an entry for ever."""

    async def main() -> None:
        books = SqliteBooks(None)
        again = data.draw(st.lists(st.sampled_from(rows), max_size=8)) if rows else []
        assert await books.append([*rows, *again]) == len(rows)
        assert await books.append(again) == 0
        (whole,) = await books.totals(FIRST, LAST)
        assert exact(whole) == exact(added(rows))
        await books.close()

    asyncio.run(main())


async def test_totals_are_of_whole_hours_and_of_what_is_asked_for() -> None:
    """The hour in which the period begins is in it; others may be asked by name, and nothing else."""
    books = make("memory:")
    await books.append([entry(f"r{n}/1", time=FIRST + n * HOUR + 10, client="cd"[n % 2], cost=1) for n in range(4)])
    (some,) = await books.totals(FIRST + HOUR + 1800, FIRST + 3 * HOUR)
    assert some.attempts == 2
    (one,) = await books.totals(FIRST, LAST, where={"client": "c", "model": "m"})
    assert one.attempts == 2
    (none,) = await books.totals(LAST, LAST + HOUR)
    assert none == Total() and await books.totals(LAST, LAST + HOUR, ("client",)) == []
    assert next(t.of for t in await books.totals(FIRST, LAST, ("client", "hour"))) == ("c", FIRST)
    for by, where in ((("cost",), {}), ((), {"1=1 --": "x"}), (("client; DROP TABLE hours",), {})):
        with pytest.raises(ValueError, match="not grouped by"):
            await books.totals(FIRST, LAST, by, where)
    assert set(GROUPS) == {t for t in GROUPS if await books.totals(FIRST, LAST, (t,))}
    await books.close()


async def test_the_guides_example_costs_what_it_says() -> None:
    """100,000 requests of 1,000 tokens, 60 % at $0.002 and 40 % at $0.03 per 1,000: $1,320, $1,680 less than $3,000."""
    cheap, dear = Price(2.0, 2.0), Price(30.0, 30.0)
    usage = Usage(800, 200)
    rows = []
    for n in range(100_000):
        name, price = ("cheap", cheap) if n % 10 < 6 else ("dear", dear)
        paid, premium = cost(price, usage), cost(dear, usage)
        rows.append(
            entry(
                f"req_{n}/1",
                time=FIRST + n % 7200,
                model=name,
                provider=name,
                deployment=f"{name}/{name}",
                input=800,
                output=200,
                cost=paid,
                compared=True,
                baseline="dear/dear",
                premium=premium,
                cheapest=cost(cheap, usage),
                saved=premium - paid,
            )
        )
    books = make("memory:")
    assert await books.append(rows) == 100_000
    (whole,) = await books.totals(FIRST, LAST)
    assert (whole.requests, whole.input + whole.output) == (100_000, 100_000_000)
    assert whole.cost == whole.compared_cost == 1320 * NANO_PER_USD
    assert whole.premium == 3000 * NANO_PER_USD and whole.saved == 1680 * NANO_PER_USD
    assert whole.saved * 100 == 56 * whole.premium
    of = {t.of: (t.requests, t.cost / NANO_PER_USD) for t in await books.totals(FIRST, LAST, ("model",))}
    assert of == {("cheap",): (60_000, 120.0), ("dear",): (40_000, 1200.0)}
    await books.close()


# --- entries ------------------------------------------------------------------------------------------


async def test_entries_come_back_as_they_were_the_youngest_first(books: SqliteBooks) -> None:
    """With every field of its own type; what is unknown stays unknown."""
    rows = [
        entry("a/1", time=WALL, estimated=True, unpriced=True, cached=1, written=2, reasoning=3),
        entry("b/1", time=WALL + 1, kind=Kind.PROBE, served=False, compared=True),
        entry("c/1", time=WALL + 2, baseline="p/x", premium=9, cheapest=1, saved=-3, compared=True),
    ]
    await books.append(rows)
    assert await books.entries(WALL, WALL + 10) == rows[::-1]
    assert await books.entries(WALL, WALL + 10, limit=1) == [rows[2]]
    assert await books.entries(WALL, WALL + 2, where={"kind": "client", "request": "a"}) == [rows[0]]
    with pytest.raises(ValueError, match="not asked by 'id'"):
        await books.entries(WALL, WALL + 2, where={"id": "a/1"})


async def test_forgotten_entries_stay_in_the_sums(books: SqliteBooks) -> None:
    """And one that is written again after that counts again: months lie between."""
    await books.append([entry(f"r{n}/1", time=FIRST + n, cost=5) for n in range(10)])
    assert await books.forget(FIRST + 4) == 4
    assert len(await books.entries(FIRST, LAST)) == 6
    assert (await books.totals(FIRST, LAST))[0].cost == 50


# --- the disk -----------------------------------------------------------------------------------------


async def test_the_ledger_survives_reopening(path: Path) -> None:
    """Entries and sums; the same again is nothing new."""
    await appended(path, entry("a/1"), entry("b/1"))
    books = SqliteBooks(path)
    assert await books.append([entry("a/1"), entry("c/1")]) == 1
    assert (await books.totals(FIRST, LAST))[0].attempts == len(await books.entries(FIRST, LAST)) == 3
    await books.close()


async def test_a_batch_is_written_whole_or_not_at_all(path: Path, books: SqliteBooks) -> None:
    """What cannot be written leaves nothing half done, and nothing in the way of the next."""
    bad = entry("b/1", cost=2**70)
    with pytest.raises((StoreError, OverflowError)):
        await books.append([entry("a/1"), bad])
    assert await books.entries(FIRST, LAST) == []
    assert await books.append([entry("a/1")]) == 1


@pytest.mark.parametrize("junk", [b"this is no database", b"SQLite format 3\x00" + b"\xff" * 500, b"\x00" * 4096])
async def test_a_file_that_is_no_database_is_set_aside(path: Path, junk: bytes) -> None:
    """Not deleted: somebody may want to know. It is told, and a new one begun, without what was left beside the old."""
    path.parent.mkdir()
    path.write_bytes(junk)
    Path(f"{path}-wal").write_bytes(b"frames of the old one")
    with pytest.raises(StoreError, match=r"damaged .*: set aside as .*\.damaged, and a new one begun"):
        await appended(path, entry("a/1"))
    await appended(path, entry("a/1"))
    assert path.with_suffix(".damaged").read_bytes() == junk
    books = SqliteBooks(path)
    assert [e.id for e in await books.entries(FIRST, LAST)] == ["a/1"]
    await books.close()


async def test_damage_inside_the_file_is_told_once_and_set_aside(path: Path) -> None:
    """Its head is whole, its pages are not: that comes to light at an access, and must not at each one from then on."""
    await appended(path, *(entry(f"r{n}/1") for n in range(2000)))
    data = bytearray(path.read_bytes())
    data[8 * 4096 :] = b"\xa5" * (len(data) - 8 * 4096)
    path.write_bytes(data)
    books = SqliteBooks(path)
    with pytest.raises(StoreError, match="malformed"):
        await books.append([entry(f"s{n}/1") for n in range(2000)])
    assert await books.append([entry("a/1")]) == 1
    assert [e.id for e in await books.entries(FIRST, LAST)] == ["a/1"]
    await books.close()
    assert path.with_suffix(".damaged").read_bytes()[8 * 4096 : 9 * 4096] == b"\xa5" * 4096


async def test_the_file_of_an_older_version_is_completed(path: Path) -> None:
    """What it does not know of an entry is nothing; its sums go on."""
    await appended(path, entry("a/1", cost=5))
    db = sqlite3.connect(path)
    for name in ("rule", "reasoning", "served", "saved"):
        db.execute(f"ALTER TABLE entries DROP COLUMN {name}")
    db.execute("ALTER TABLE hours DROP COLUMN reasoning")
    db.commit()
    db.close()
    await appended(path, entry("b/1", cost=2))
    books = SqliteBooks(path)
    first, then = sorted(await books.entries(FIRST, LAST), key=lambda e: e.id)
    assert (first.rule, first.reasoning, first.served, first.saved) == ("", 0, False, None)
    assert then == entry("b/1", cost=2)
    (total,) = await books.totals(FIRST, LAST)
    assert (total.attempts, total.cost) == (2, 7)
    await books.close()


async def test_the_file_of_a_newer_version_is_written_on(path: Path) -> None:
    """After a step back; what this version does not know stays as it is."""
    await appended(path, entry("a/1"))
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE entries ADD COLUMN mood")
    db.execute("ALTER TABLE hours ADD COLUMN moods INTEGER NOT NULL DEFAULT 7")
    db.commit()
    db.close()
    await appended(path, entry("b/1"))
    books = SqliteBooks(path)
    assert {e.id for e in await books.entries(FIRST, LAST)} == {"a/1", "b/1"}
    await books.close()


async def test_a_file_that_another_process_holds_is_left_where_it_is(path: Path) -> None:
    """A lock is no damage: the entries wait."""
    await appended(path, entry("a/1"))
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    books = SqliteBooks(path, patience_s=0.01)
    with pytest.raises(StoreError, match="locked"):
        await books.append([entry("b/1")])
    other.rollback()
    other.close()
    assert await books.append([entry("b/1")]) == 1
    await books.close()
    assert not path.with_suffix(".damaged").exists()


async def test_a_place_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    """Never an exception of another kind."""
    (tmp_path / "file").write_bytes(b"")
    books = SqliteBooks(tmp_path / "file" / "state.ledger.db")
    with pytest.raises(StoreError):
        await books.append([entry()])
    await books.close()


async def test_nothing_is_opened_before_it_is_needed_nor_after_the_end(path: Path) -> None:
    """Closing an unused ledger touches no disk, and closing twice is closing once."""
    books = SqliteBooks(path)
    await books.close()
    await books.close()
    assert not path.exists()
    with pytest.raises(StoreError, match="closed"):
        await books.append([entry()])


def test_the_ledger_lies_beside_the_store() -> None:
    """In a file of its own; where the store is in memory, it is too."""
    assert make("sqlite:///var/lib/lbd/state.db")._file.path == Path("/var/lib/lbd/state.ledger.db")
    assert make("sqlite:///var/lib/lbd/state")._file.path == Path("/var/lib/lbd/state.ledger.db")
    assert make("memory:")._file.path is None
