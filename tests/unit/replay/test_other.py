"""A table under another configuration: what was measured stays, what is configured is the new one's."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from lbd.model.judged import Judged
from lbd.model.table import Snapshot
from lbd.observe.archive import Bounds, Opened
from lbd.replay.other import Other
from tests.fakes import tables
from tests.fakes.harness import compiled
from tests.fakes.records import record

OPENED = Opened("1.0", "run", tables.WALL, surfaces={"support": Bounds(1.0, 0.5, None)})


def row(name: str, model: str = "m", *, usd: float = 1.0, **more: Any) -> dict[str, Any]:
    price = {"input_usd_per_mtok": usd, "output_usd_per_mtok": usd}
    given = {"model": model, "upstream_model": "m", "tier": "primary", "price": price, **more}
    return {"name": name, "shape": "openai", "base_url": f"http://{name}/v1", "deployments": [given]}


def other(*rows: dict[str, Any], **config: Any) -> Other:
    return Other(compiled({"providers": list(rows), **config}), tables.START, tables.WALL)


def old(**more: Any) -> Snapshot:
    """Return a table of one measured row, ``a/m``."""
    spec = tables.deployment("a/m", model="m", upstream_model="m", quality={"default": 0.5})
    return tables.snapshot([tables.view(spec, ttft=0.9, load=0.25, **more)])


def test_rows_are_matched_by_id_and_keep_what_was_measured() -> None:
    it = other(row("new"), row("a", usd=7.0))
    table = it.table(old())
    fresh, known = table.rows
    assert known.load == 0.25 and known.ttft_p95_s == old().rows[0].ttft_p95_s
    assert known.spec.price is not None and known.spec.price.input_usd_per_mtok == 7.0
    assert fresh.spec.id == "new/m" and not any(fresh.fresh)
    assert it.new_rows(old()) == {"new/m"}
    assert table.catalogue.index == {"new/m": 0, "a/m": 1}


def test_another_model_behind_the_same_id_is_a_new_row() -> None:
    it = other(row("a", upstream_model="another"))
    assert it.new_rows(old()) == {"a/m"}


def test_an_operators_weight_and_slow_start_stay_in_proportion() -> None:
    it = other(row("a", weight=4.0))
    assert it.table(old(weight=0.5)).rows[0].weight == 2.0


def test_measured_quality_stays_and_configured_quality_is_the_new_one() -> None:
    it = other(row("a", quality={"default": 0.8}))
    assert it.table(old(quality=0.5)).rows[0].quality == 0.8
    assert it.table(old(quality=0.6, quality_low=0.55)).rows[0].quality == 0.6


def test_a_name_means_what_the_new_configuration_has_it_mean() -> None:
    it = other(row("a"), row("b", "cheap"), models={"gpt-*": "cheap"})
    table = it.table(old())
    asked = it.ask(record(asked="gpt-4", surface=""), tables.ask("model:m"), table, OPENED)
    assert asked is not None and asked.target == "model:cheap"
    assert it.ask(record(asked="nothing", surface=""), tables.ask(), table, OPENED) is None
    pinned = it.ask(record(asked="m", surface=""), tables.ask("pin:a/m"), table, OPENED)
    assert pinned is not None and pinned.target == "pin:a/m"
    assert it.ask(record(asked="m", surface=""), tables.ask("pin:gone/m"), table, OPENED) is None


def test_a_rule_takes_what_it_would_have_taken() -> None:
    """By what was journaled of the request; rules that read a prompt are passed over, and named."""
    rules = {
        "reads": {"primary": "m", "when": {"text": "x"}},
        "hard": {"primary": "m", "when": {"difficulty_min": 0.6}},
    }
    it = other(row("a"), routing_rules=rules)
    table = it.table(old())
    hard = record(asked="auto", surface="", judged=Judged(difficulty=0.9))
    asked = it.ask(hard, tables.ask(), table, OPENED)
    assert asked is not None and asked.target == "rule:hard"
    easy = it.ask(replace(hard, judged=Judged(difficulty=0.1)), tables.ask(), table, OPENED)
    assert easy is not None and easy.target == "auto"
    assert it.text_rules == ("reads",)


def test_bounds_that_were_the_surfaces_are_the_new_ones_and_a_requests_own_stay() -> None:
    it = other(row("a"), surfaces=[{"name": "support", "ttft_p95_s": 2.0, "quality_floor": 0.4}])
    table = it.table(old())
    its = tables.ask(surface="support", slo_s=1.0, quality_floor=0.5)
    asked = it.ask(record(asked="auto"), its, table, OPENED)
    assert asked is not None and (asked.slo_s, asked.quality_floor) == (2.0, 0.4)
    own = it.ask(record(asked="auto"), replace(its, slo_s=0.3, quality_floor=0.9), table, OPENED)
    assert own is not None and (own.slo_s, own.quality_floor) == (0.3, 0.9)
