"""The journal: the last records in two rings, and the snapshots behind them, within bounds."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lbd.model.record import RequestRecord
from lbd.model.table import Snapshot
from lbd.observe.journal import FEWEST, KEPT_ROWS, MOST, Journal
from tests.fakes import tables
from tests.fakes.records import attempt, record


def numbered(i: int, **more: object) -> RequestRecord:
    """Return plain request number ``i``, which arrived at second ``i``."""
    return record(id=f"req_{i:04}", time=float(i), **more)


def test_what_was_added_is_found_by_its_id() -> None:
    """And nothing else is."""
    journal = Journal(10)
    one = numbered(1)
    journal.add(one)
    assert journal.get(one.id) is one
    assert journal.get("req_other") is None
    assert len(journal) == 1


def test_plain_traffic_does_not_push_out_what_somebody_will_ask_about() -> None:
    """Failed, moved and late requests have a ring of their own."""
    journal = Journal(5)
    asked = [
        numbered(1, outcome="server_error", status=502),
        numbered(2, attempts=(attempt("p/a", failure="connect"), attempt("p/b"))),
        numbered(3, slo_missed=True),
        numbered(4, attempts=()),
    ]
    for r in asked:
        journal.add(r)
    for i in range(100, 200):
        journal.add(numbered(i))
    assert all(journal.get(r.id) is r for r in asked)
    assert len(journal) == 4 + 5
    assert journal.get("req_0194") is None and journal.get("req_0195") is not None


def test_each_ring_keeps_its_bound_and_forgets_the_oldest() -> None:
    """A bound of n keeps n of each."""
    journal = Journal(3)
    for i in range(20):
        journal.add(numbered(i))
        journal.add(numbered(100 + i, outcome="auth"))
    assert len(journal) == 6
    assert [r.id for r in journal.last(10)] == ["req_0119", "req_0118", "req_0117", "req_0019", "req_0018", "req_0017"]


def test_a_smaller_bound_takes_effect_at_once_and_a_larger_one_from_now_on() -> None:
    """A reload may change it."""
    journal = Journal(10)
    for i in range(10):
        journal.add(numbered(i))
    journal.set_bound(4)
    assert [r.id for r in journal.last(10)] == ["req_0009", "req_0008", "req_0007", "req_0006"]
    journal.set_bound(6)
    for i in range(10, 20):
        journal.add(numbered(i))
    assert len(journal) == 6


def test_the_last_records_come_youngest_first_from_both_rings() -> None:
    """As many as were asked for."""
    journal = Journal(100)
    for i in range(50):
        journal.add(numbered(i, outcome="ok" if i % 3 else "auth"))
    assert [r.id for r in journal.last(7)] == [f"req_{i:04}" for i in range(49, 42, -1)]
    assert journal.last(0) == []
    assert len(journal.last(1000)) == 50


def snapshot(generation: int, rows: int = 1) -> Snapshot:
    """Return a snapshot with so many rows."""
    return tables.snapshot([tables.view(f"p/r{i}") for i in range(rows)], generation=generation)


def test_a_snapshot_is_kept_once_and_found_by_its_generation() -> None:
    """However many decisions used it."""
    journal = Journal()
    first = snapshot(7)
    journal.keep(first)
    journal.keep(snapshot(7))
    assert journal.snapshot(7) is first
    assert journal.snapshot(8) is None


@pytest.mark.parametrize("rows", [1, 20, 400, 4000])
def test_snapshots_are_bounded_by_their_rows(rows: int) -> None:
    """Memory does not depend on the number of deployments; a few are always kept."""
    journal = Journal()
    made = snapshot(0, rows)
    most = min(MOST, max(FEWEST, KEPT_ROWS // rows))
    for generation in range(most + 20):
        journal.keep(replace(made, generation=generation))
    assert journal.snapshot(19) is None
    assert journal.snapshot(20) is not None
    assert journal.snapshot(most + 19) is not None
