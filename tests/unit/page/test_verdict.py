"""The verdict: what is wrong, since when, and what follows."""

from __future__ import annotations

from lbd.model import report as out
from lbd.model import service as shown
from lbd.page import verdict
from lbd.page.markup import Html
from tests.fakes import console_server as made
from tests.fakes.scenes import Read, document, service, way


def words(markup: Html) -> str:
    return Read(markup).text.replace("\u202f", " ")


def test_it_says_pass_warn_or_fail_in_words() -> None:
    """With the document's sentence."""
    for status in ("pass", "warn", "fail"):
        told = words(verdict.verdict(document(made.row(), status=status, summary="this is so")))
        assert status.upper() in told and "this is so" in told


def test_it_says_since_when() -> None:
    """From the first row that is not well."""
    assert "for 4 min" in words(verdict.verdict(document(status="warn", summary="x")))
    assert " for " not in words(verdict.verdict(document(made.row())))


def test_it_says_what_follows_for_requests() -> None:
    """Who serves, how much had to be moved, what was not served and why."""
    flow = [
        way("p/a", 5.0),
        way("p/b", 3.0, moved=True),
        way("p/c", 0.5),
        way("p/d", 0.5),
        way(None, 0.8, outcome="budget_exceeded"),
        way(None, 0.2, outcome="reset"),
    ]
    told = verdict.consequence(document(flow=flow)).replace("\u202f", " ")
    assert told == (
        "Last 5 min: p/a 50 %, p/b 30 %, p/c 5 % served, 1 more the rest; 30.0 % moved before the first word; "
        "not served: 8.0 % budget_exceeded, 2.0 % reset."
    )
    calm = verdict.consequence(document(flow=[way("p/a")])).replace("\u202f", " ")
    assert calm == "Last 5 min: p/a 100 % served; none had to be moved; all were served."
    assert verdict.consequence(document(flow=[])) == "No request ended in the last 5 minutes."


def test_the_numbers_of_the_whole() -> None:
    """Serving, rate, in flight, own time, promises and their budget, cost, age, configuration, store."""
    told = words(verdict.numbers(document(queue=3)))
    for part in ("serving1 of 2", "requests/s12.4", "7 + 3 queued", "310 µs 910 µs", "interactive in time, 1 h99.0 %"):
        assert part in told, part
    for part in ("80 % of budget left", "cost an hour$0.84", "data age0.1 s", "no. 3 b7ae31e4", "store sqliteup"):
        assert part in told, part


def test_what_is_wrong_with_the_daemon_is_said_there() -> None:
    """A refused reload, a store that fails, a budget of errors that is used up."""
    slo = [shown.AttainmentOut("interactive", 80, 100, 0.8, 0.95, -3.0)]
    told = document(service=service(store=shown.StoreOut("valkey", False), slo=slo), last_error="line 3: <bad>")
    markup = verdict.numbers(told)
    assert "reload refused" in words(markup) and "not kept" in words(markup)
    assert "budget overspent" in words(markup) and "line 3: &lt;bad&gt;" in markup


def test_without_data_nothing_is_made_up() -> None:
    """No service document, no price, no request."""
    row = made.row(cost=out.SpendingOut(None, None))
    told = document(row)
    told["service"] = None
    assert "cost an hour·" in words(verdict.numbers(told))
    none = document(service=service(slo=[shown.AttainmentOut("interactive", 0, 0, None, 0.95, None)]))
    assert "interactive in time, 1 h·" in words(verdict.numbers(none))
