"""Decisions of a journal executed again: all the same, and where not, why."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from lbd.decide import pick, route
from lbd.model.plan import Decision
from lbd.model.table import Snapshot
from lbd.observe.archive import Kept, Opened
from lbd.replay.again import Again, execute
from tests.fakes import tables
from tests.fakes.records import attempt, record

TERMS = tables.terms()
OPENED = Opened("1.0", "run", tables.WALL)


def made(count: int) -> tuple[list[Snapshot], list[Decision]]:
    """Return random tables, and a decision on each."""
    shown, decisions = [], []
    for n in range(count):
        dice = tables.Dice(n)
        table = dice.table(n)
        query, seed = dice.query(table), dice.seed()
        ranking = route.rank(table, dice.ask(table), TERMS)
        live = [dice.live() for _ in table.rows]
        choice = pick.choose(ranking, query, seed, live.__getitem__)
        shown.append(table)
        if choice is None:
            decisions.append(Decision(n, 0.0, ranking.ask, query, seed, (), None, "", "", "nobody"))
        else:
            decisions.append(tables.decision(choice, ranking, query, seed))
    return shown, decisions


def kept(shown: Iterable[Snapshot], decisions: Iterable[Decision], opened: Opened = OPENED) -> list[Kept]:
    of = {table.generation: table for table in shown}
    return [
        Kept(record(id=f"req_{n}", attempts=(replace(attempt(), decision=d),)), opened, of)
        for n, d in enumerate(decisions)
    ]


def run(journal: list[Kept], version: str = "1.0") -> Again:
    return execute(journal, TERMS, version)


def test_every_decision_comes_out_the_same() -> None:
    told = run(kept(*made(200)))
    assert (told.requests, told.decisions, told.same, told.different, told.missing) == (200, 200, 200, 0, 0)
    assert told.first is None and told.versions == {"1.0": 200}


def test_the_first_that_does_not_is_named_with_both_outcomes() -> None:
    shown, decisions = made(40)
    at = next(n for n, d in enumerate(decisions) if d.chosen is not None)
    decisions[at] = replace(decisions[at], chosen="p/else")
    told = run(kept(shown, decisions))
    assert (told.same, told.different) == (39, 1)
    assert told.first is not None
    assert told.first.request == f"req_{at}" and told.first.recorded["deployment"] == "p/else"
    assert told.first.found is not None and told.first.found["deployment"] != "p/else"
    assert "lbd is wrong" in told.first.why
    other = run(kept(shown, decisions), "2.0")
    assert other.first is not None and "it was made by lbd 1.0, and this is 2.0" in other.first.why


def test_a_term_that_is_not_installed_is_why() -> None:
    table = tables.snapshot([tables.view("p/a"), tables.view("p/b")], weights={"gone": 1.0, "cost": 1.0})
    decision = Decision(1, 0.0, tables.ask(), made(1)[1][0].query, 1, (), "p/a", "primary", "normal", "weighted")
    told = run(kept([table], [decision]))
    assert told.different == 1 and told.first is not None
    assert "'gone' is not installed" in told.first.why


def test_a_name_that_the_configuration_lacks_is_why() -> None:
    table = tables.snapshot([tables.view("p/a")])
    asked = tables.ask("rule:gone")
    decision = Decision(1, 0.0, asked, made(1)[1][0].query, 1, (), "p/a", "primary", "normal", "only")
    told = run(kept([table], [decision]))
    assert told.first is not None and "nothing called 'rule:gone'" in told.first.why


def test_a_table_that_is_not_there_any_more_is_no_difference() -> None:
    shown, decisions = made(10)
    told = run(kept(shown[5:], decisions))
    assert (told.same, told.different, told.missing) == (5, 0, 5)
    assert told.first_missing is not None and told.first_missing.request == "req_0"
