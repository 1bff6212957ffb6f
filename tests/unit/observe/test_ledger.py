"""From records to entries: one for each attempt that went out, with what its request is compared with."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.ledger import Entry, Kind
from lbd.model.money import cost
from lbd.model.outcome import Usage
from lbd.model.provider import Price
from lbd.model.record import RequestRecord
from lbd.model.table import Snapshot
from lbd.observe import ledger as module
from lbd.observe.ledger import REMEMBERED, Ledger
from lbd.store.books import SqliteBooks
from tests.fakes import tables
from tests.fakes.records import attempt, record

DEAR = Price(10.0, 20.0)
ROWS = (
    tables.view("p/a"),
    tables.view(tables.deployment("p/b", model="dear", price=DEAR, quality={"default": 0.9})),
    tables.view(tables.deployment("p/c", model="none", price=None)),
)
USAGE = Usage(100, 20, 10, 5, written=7)


def made(*rows: Any) -> Ledger:
    snapshot = tables.snapshot(rows or ROWS)
    return Ledger(lambda: snapshot)


def paid(usage: Usage, price: Price = tables.PRICE) -> int:
    return cost(price, usage)


def moved(**more: Any) -> RequestRecord:
    """Return a request whose first attempt failed after its prompt was read."""
    estimate = Usage(100, 0, estimated=True)
    first = attempt("p/b", failure="broken_stream", usage=estimate, cost=paid(estimate, DEAR))
    return record(attempts=(first, attempt("p/a", usage=USAGE, cost=paid(USAGE))), **more)


# --- entries ------------------------------------------------------------------------------------------


def test_an_entry_says_who_asked_who_answered_and_what_it_cost() -> None:
    """All of it, by names that stay; its id is the request's with the number of the attempt."""
    (entry,) = made().entries(record(attempts=(attempt(usage=USAGE, cost=paid(USAGE)),)))
    assert entry == Entry(
        "req_1/1",
        tables.WALL,
        "req_1",
        Kind.CLIENT,
        "local",
        "support",
        "auto",
        "m",
        "p",
        "p/a",
        "interactive",
        "ok",
        input=100,
        cached=10,
        written=7,
        output=20,
        reasoning=5,
        cost=140_000,
        served=True,
        compared=True,
        baseline="p/b",
        premium=cost(DEAR, USAGE),
        cheapest=140_000,
        saved=cost(DEAR, USAGE) - 140_000,
    )


def test_a_failed_attempt_stands_in_the_ledger_with_its_cost() -> None:
    """And is taken off what its request saved."""
    first, second = made().entries(moved())
    assert (first.outcome, first.served, first.cost, first.estimated) == ("broken_stream", False, 1_000_000, True)
    assert (first.id, second.id) == ("req_1/1", "req_1/2")
    assert first.compared and first.saved is first.premium is first.baseline is None
    assert second.served and second.premium is not None
    assert second.saved == second.premium - first.cost - second.cost == 260_000


def test_what_was_not_sent_is_no_entry() -> None:
    """A lease that was refused, and a decision for nobody."""
    nobody = attempt(refused="nobody")
    nobody = replace(nobody, decision=replace(nobody.decision, chosen=None))
    refused = record(
        attempts=(attempt(refused="at_limit"), attempt(refused="budget"), nobody), outcome="budget_exceeded"
    )
    assert made().entries(refused) == []
    later = record(attempts=(attempt("p/b", refused="at_limit"), attempt()))
    assert [e.id for e in made().entries(later)] == ["req_1/1"]


@pytest.mark.parametrize("outcome", ["client_gone", "timeout_total", "internal"])
def test_who_got_no_whole_answer_was_not_served_and_saved_nothing(outcome: str) -> None:
    """The cost stands all the same."""
    (entry,) = made().entries(record(outcome=outcome, attempts=(attempt(cost=77),)))
    assert (entry.outcome, entry.served, entry.compared, entry.saved, entry.cost) == (outcome, False, False, None, 77)


def test_of_two_attempts_at_one_deployment_the_last_has_served() -> None:
    """The first try failed there; its entry says so."""
    entries = made().entries(record(attempts=(attempt(failure="server_error"), attempt())))
    assert [(e.outcome, e.served) for e in entries] == [("server_error", False), ("ok", True)]


def test_an_answer_that_was_not_good_enough_may_have_served() -> None:
    """Where nobody had a better one."""
    judged = replace(attempt(), failure="invalid_answer")
    (entry,) = made().entries(record(attempts=(judged,)))
    assert (entry.outcome, entry.served) == ("invalid_answer", True)


def test_an_estimate_and_an_unknown_price_are_flagged() -> None:
    """The cost of what has no price is not nothing; a request with such an attempt is compared with nothing."""
    unknown = attempt("p/c", usage=Usage(50, 5, estimated=True), cost=0)
    (entry,) = made().entries(record(attempts=(unknown,), served_by="p/c"))
    assert entry.estimated and entry.unpriced and not entry.compared and entry.saved is None
    both = made().entries(record(attempts=(replace(unknown, failure="broken_stream"), attempt())))
    assert [e.unpriced for e in both] == [True, False] and not any(e.compared for e in both)
    assert all(e.saved is e.premium is e.cheapest is e.baseline is None for e in both)


def test_a_refusal_without_usage_costs_nothing_that_would_be_unknown() -> None:
    """Nothing was spent, whatever the price."""
    (first, second) = made().entries(record(attempts=(attempt("p/c", failure="server_error"), attempt())))
    assert not first.unpriced and not first.estimated and second.compared


def test_a_deployment_that_a_reload_took_away_keeps_its_name() -> None:
    """Its model and price are not known any more."""
    gone = attempt("x/y", usage=USAGE)
    (entry,) = made().entries(record(attempts=(gone,), served_by="x/y"))
    assert (entry.provider, entry.deployment, entry.model, entry.unpriced) == ("x", "x/y", "", True)
    assert entry.saved is None


def test_what_lbd_spends_itself_is_no_clients() -> None:
    """A probe has a model and a cost, and nobody who asked."""
    ledger = made()
    ledger.own("req_7/0", Kind.PROBE, "p/a", 5.0, Usage(20, 4, estimated=True), 28_000)
    ledger.own("req_8/0", Kind.PROBE, "x/y", 5.0, Usage(), 1)
    one, other = ledger.take()
    assert (one.id, one.request, one.kind, one.model, one.provider) == ("req_7/0", "req_7/0", Kind.PROBE, "m", "p")
    assert (one.client, one.surface, one.input, one.output, one.cost, one.estimated) == ("", "", 20, 4, 28_000, True)
    assert not one.served and other.model == ""


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 10**6), st.integers(0, 10**5)), min_size=1, max_size=5))
def test_what_was_saved_is_the_premium_less_all_that_was_paid(attempts: list[tuple[bool, int, int]]) -> None:
    """Over the compared entries of a request, and so over any number of requests."""
    *failed, last = attempts
    tried = []
    for dear, prompt, completion in failed:
        usage, price = Usage(prompt, completion), DEAR if dear else tables.PRICE
        tried.append(attempt("p/b" if dear else "p/a", failure="broken_stream", usage=usage, cost=cost(price, usage)))
    usage = Usage(*last[1:])
    tried.append(attempt(usage=usage, cost=paid(usage)))
    entries = made().entries(record(attempts=tuple(tried)))
    assert sum(e.premium or 0 for e in entries) - sum(e.cost for e in entries) == sum(e.saved or 0 for e in entries)
    assert all(e.compared for e in entries) and sum(e.served for e in entries) == 1
    assert all((e.cheapest or 0) <= e.cost for e in entries if e.served)


# --- waiting for the disk -----------------------------------------------------------------------------


async def test_records_become_entries_that_add_up() -> None:
    """From the record to the books: failed cost, saved money."""
    ledger, books = made(), SqliteBooks(None)
    ledger.note(moved())
    ledger.note(record(id="req_2"))
    await books.append(ledger.take())
    assert ledger.take() == []
    (total,) = await books.totals(0, 1e11)
    assert (total.requests, total.attempts, total.failed, total.compared) == (2, 3, 1, 2)
    assert total.failed_cost == 1_000_000 and total.saved == total.premium - total.compared_cost


def test_what_was_not_written_comes_again_before_what_is_new() -> None:
    """In its order."""
    ledger = made()
    ledger.note(record(id="a"))
    taken = ledger.take()
    ledger.note(record(id="b"))
    ledger.back(taken)
    assert [e.id for e in ledger.take()] == ["a/1", "b/1"]


def test_what_waits_is_bounded_and_what_is_lost_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go where a disk takes nothing; where it does not come back at all, the youngest are not noted."""
    monkeypatch.setattr(module, "MOST", 10)
    monkeypatch.setattr(module, "UNFETCHED", 5)
    ledger = made()
    for n in range(7):
        ledger.note(record(id=f"r{n}", attempts=(attempt(refused="at_limit"), attempt())))
    assert ledger.lost == 2
    taken = ledger.take()
    assert len(taken) == 5
    ledger.back([*taken, *taken, *taken])
    assert ledger.lost == 2 + 5 and len(ledger.take()) == 10


def test_what_like_requests_are_compared_with_is_remembered_until_something_changes() -> None:
    """A new table's names, another baseline; and only so many."""
    snapshots = [tables.snapshot(ROWS)]

    def current() -> Snapshot:
        return snapshots[-1]

    ledger = Ledger(current)
    (first,) = ledger.entries(record())
    assert len(ledger._known) == 1 and ledger.entries(record()) == [first]
    ledger.baseline = "m"
    assert ledger.entries(record())[0].baseline == "p/a"
    ledger.baseline = None
    snapshots.append(tables.snapshot(ROWS[:1]))
    assert ledger.entries(record())[0].baseline == "p/a"
    for n in range(REMEMBERED + 10):
        ledger.entries(record(asked=f"name-{n}"))
    assert len(ledger._known) <= REMEMBERED + 1


def test_prompts_of_any_length_that_fit_the_same_contexts_are_like_requests() -> None:
    """What each is compared with is worked out once for all of them."""
    small = tables.deployment("p/b", model="small", price=Price(0.1, 0.1), context_tokens=1000)
    ledger = made(tables.view(tables.deployment("p/a", price=DEAR)), tables.view(small))

    def cheapest(tokens: int) -> int | None:
        sent = attempt("p/a", usage=USAGE, cost=paid(USAGE, DEAR))
        asked = replace(sent.decision, ask=replace(sent.decision.ask, input_tokens=tokens))
        return ledger.entries(record(attempts=(replace(sent, decision=asked),)))[0].cheapest

    told = [cheapest(n) for n in (10, 999, 1000, 1001, 5000)]
    assert told == [paid(USAGE, Price(0.1, 0.1))] * 3 + [paid(USAGE, DEAR)] * 2
    assert len(ledger._known) == 2


def test_under_a_floor_the_family_of_a_prompt_counts() -> None:
    """Good enough for one kind of prompt is not good enough for another."""
    cheap = tables.deployment("p/b", model="cheap", price=Price(0.1, 0.1), quality={"default": 0.9, "math": 0.2})
    ledger = made(tables.view(tables.deployment("p/a", price=DEAR, quality={"default": 0.9})), tables.view(cheap))

    def cheapest(family: str) -> int | None:
        sent = attempt("p/a", usage=USAGE, cost=paid(USAGE, DEAR))
        asked = replace(sent.decision, ask=replace(sent.decision.ask, family=family, quality_floor=0.5))
        return ledger.entries(record(attempts=(replace(sent, decision=asked),)))[0].cheapest

    assert cheapest("") == paid(USAGE, Price(0.1, 0.1))
    assert cheapest("math") == paid(USAGE, DEAR)
