"""What another configuration would have done, on a journal that is made by the pick itself."""

from __future__ import annotations

import random  # noqa: TID251 (with a fixed seed)
from typing import Any

import pytest
from msgspec.structs import replace

from lbd.decide import pick, route
from lbd.model.outcome import Usage
from lbd.model.plan import Query
from lbd.model.provider import Price
from lbd.model.table import Snapshot
from lbd.observe.archive import Kept, Opened
from lbd.replay.other import Other
from lbd.replay.whatif import WhatIf, what_if
from tests.fakes import tables
from tests.fakes.harness import compiled
from tests.fakes.records import attempt, record
from tests.unit.replay.test_other import row

OPENED = Opened("1.0", "run", tables.WALL)
PRICE = {"a": 10.0, "b": 2.5}  # USD for a million tokens, of which each answer takes 120
COST = {"a/m": 1_200_000, "b/m": 300_000}  # nano-USD of an answer
IN_TIME = {"a/m": 0.98, "b/m": 0.8}


def table() -> Snapshot:
    """Return two rows of one tier; the one is better, the other cheaper."""
    specs = [
        tables.deployment(f"{n}/m", model="m", upstream_model="m", quality={}, price=Price(usd, usd))
        for n, usd in PRICE.items()
    ]
    rows = [tables.view(s, ttft=0.5, quality=q) for s, q in zip(specs, (0.9, 0.7), strict=True)]
    return tables.snapshot(rows, weights={"quality": 1.0})


def journal(n: int, seed: int = 1, snapshot: Snapshot | None = None) -> list[Kept]:
    """Return requests as the table's own configuration serves them, with outcomes of which the truth is known."""
    chance, shown = random.Random(seed), snapshot or table()
    ranking = route.rank(shown, tables.ask(), tables.terms())
    out = []
    for i in range(n):
        bits = chance.getrandbits(64)
        choice = pick.choose(ranking, Query(), bits, tables.idle)
        assert choice is not None
        id_ = choice.candidate.id
        decision = tables.decision(choice, ranking, Query(), bits)
        late = chance.random() > IN_TIME[id_]
        made = record(
            id=f"req_{i}",
            time=tables.WALL + i,
            surface="",
            attempts=(replace(attempt(id_), decision=decision, cost=COST[id_]),),
            served_by=id_,
            ttft_s=9.0 if late else 0.4,
            cost=COST[id_],
            usage=Usage(100, 20),
        )
        out.append(Kept(made, OPENED, {shown.generation: shown}))
    return out


def other(*rows: dict[str, Any], **config: Any) -> Other:
    return Other(compiled({"providers": list(rows), **config}), tables.START, tables.WALL)


def test_the_same_configuration_changes_nothing() -> None:
    qualities = {"a": 0.9, "b": 0.7}
    rows = [row(n, usd=PRICE[n], quality={"default": q}) for n, q in qualities.items()]
    weights = dict.fromkeys(("latency", "errors", "load", "cost", "affinity"), 0.0) | {"quality": 1.0}
    told = what_if(journal(400), other(*rows, scorer={"weights": weights}), tables.terms())
    assert told.moved == pytest.approx(0.0, abs=1e-9)
    assert told.overlap.effective == pytest.approx(400)
    for found in told.compared.values():
        assert (found.change.value, found.change.low, found.change.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
    assert told.share_before == pytest.approx(told.share_after)


def test_another_weight_is_estimated_within_its_interval() -> None:
    """The truth is the shares that the other configuration would have had, times what each row costs and does."""
    covered = {"cost_usd": 0, "slo": 0}
    runs = 40
    rows = [
        row("a", usd=PRICE["a"], weight=1.0, quality={"default": 0.9}),
        row("b", usd=PRICE["b"], weight=6.0, quality={"default": 0.7}),
    ]
    weights = dict.fromkeys(("latency", "errors", "load", "cost", "affinity"), 0.0) | {"quality": 1.0}
    new = other(*rows, scorer={"weights": weights})
    for seed in range(runs):
        told = what_if(journal(300, seed), new, tables.terms())
        share = told.share_after
        truth = {
            "cost_usd": sum(share[i] * COST[i] for i in COST) / 1e9,
            "slo": sum(share[i] * IN_TIME[i] for i in COST),
        }
        for name in covered:
            after = told.compared[name].after
            covered[name] += after.low - 1e-15 <= truth[name] <= after.high + 1e-15
    assert told.overlap.enough and 0.1 < told.moved < 0.9
    assert told.share_after["b/m"] > told.share_before["b/m"]
    # 40 runs at 95 %: fewer than 34 covered come once in 200 times
    assert min(covered.values()) >= 34, covered


def test_a_row_that_was_never_there_is_named_and_nothing_is_claimed() -> None:
    told = what_if(journal(300), other(row("new", quality={"default": 1.0})), tables.terms())
    assert told.new_rows == {"new/m": pytest.approx(1.0)}
    assert told.overlap.covered == 0 and not told.overlap.enough
    assert told.moved == pytest.approx(1.0)


def test_what_cannot_be_judged_is_left_out_by_its_reason() -> None:
    whole = journal(6)
    gone = whole[0]._replace(record=replace(whole[0].record, outcome="client_gone"))
    nobody = whole[1]._replace(record=replace(whole[1].record, attempts=()))
    missing = whole[2]._replace(tables={})
    told: WhatIf = what_if([gone, nobody, missing, *whole[3:]], other(row("a"), row("b")), tables.terms())
    assert told.requests == 3
    assert told.left_out == {"ended_by_the_client": 1, "nobody_was_chosen": 1, "table_is_missing": 1}


def test_a_name_that_means_nothing_there_counts_as_not_served() -> None:
    unknown = [k._replace(record=replace(k.record, asked="gone")) for k in journal(100)]
    told = what_if(unknown, other(row("a")), tables.terms())
    assert told.unknown_names == 100
    assert told.compared["slo"].after.value == 0.0
    assert what_if([], other(row("a")), tables.terms()).compared == {}


def test_what_a_price_change_alone_would_have_cost_is_known() -> None:
    """The same choices, twice as dear: the journal's own tokens at the new prices."""
    weights = dict.fromkeys(("latency", "errors", "load", "cost", "affinity"), 0.0) | {"quality": 1.0}
    qualities = {"a": 0.9, "b": 0.7}
    rows = [row(n, usd=2 * PRICE[n], quality={"default": q}) for n, q in qualities.items()]
    told = what_if(journal(200), other(*rows, scorer={"weights": weights}), tables.terms()).compared["cost_usd"]
    assert told.after.value == pytest.approx(2 * told.change.value)
    assert told.change.low > 0
