"""The cheapest that is good enough and fast enough: what a search through all of them finds, over random tables."""

from __future__ import annotations

import random  # noqa: TID251  seeded: the same tables each time
from math import inf

from msgspec.structs import replace

from lbd.decide import pick, route
from lbd.decide.fitness import DOUBT
from lbd.decide.route import ALIKE_COST
from lbd.model.plan import Query
from lbd.model.provider import Price
from lbd.model.request import Ask, Urgency
from lbd.model.table import DeploymentView, Snapshot
from tests.fakes import tables

TABLES = 10_000
QUERY = Query()


def draw_table(r: random.Random) -> Snapshot:
    """Return a table of up to eight rows, each with a price or none, a quality or none, a latency, an error ratio."""
    views = []
    for i in range(r.randint(1, 8)):
        price = None
        if r.random() >= 0.1:
            of_input, of_output = r.choice([0.0, 0.1, 1.0, 2.5, 10.0]), r.choice([0.4, 1.0, 8.0, 30.0])
            price = Price(of_input, of_output, r.choice([None, of_input / 10, of_input / 2]))
        spec = tables.deployment(
            f"p{i}/m{i}",
            model=f"m{i % 5}",
            tier=r.choice(["primary", "secondary", "tertiary"]),
            price=price,
            strength=r.choice([0.0, 0.3, 0.7, 1.0]),
            context_tokens=r.choice([None, 400, 100_000]),
        )
        view = tables.view(spec, ttft=r.choice([0.2, 0.8, 2.0, 6.0]))
        quality = None if r.random() < 0.1 else round(r.uniform(0.3, 1.0), 2)
        views.append(
            replace(
                view,
                quality=quality,
                error_ratio=r.choice([0.0, 0.0, 0.05, 0.4]),
                output_tokens=r.choice([50, 300, 1500]),
                cached_share=r.choice([0.0, 0.0, 0.3, 0.9]),
                refusal=r.choice([None, None, None, None, "breaker_open"]),
            )
        )
    return tables.snapshot(views)


def draw_ask(r: random.Random) -> Ask:
    """Return an Ask that leaves the choice to lbd, with bounds of its own or without."""
    background = r.random() < 0.3
    return tables.ask(
        "auto",
        urgency=Urgency.BACKGROUND if background else Urgency.INTERACTIVE,
        stream=True,
        input_tokens=r.choice([64, 512, 8192]),
        output_tokens=r.choice([None, 20, 640]),
        slo_s=None if background else r.choice([None, 1.0, 3.0]),
        max_usd=r.choice([None, None, 0.0005, 0.02]),
        quality_floor=r.choice([0.0, 0.0, 0.5, 0.8]),
        quality_share=r.choice([0.8, 0.95]),
        excess=r.choice([0.0, -0.1, 0.25]),
        doubt=r.choice([0.0, 0.5, 1.0]),
    )


def quality(row: DeploymentView, ask: Ask, *, least: bool) -> float | None:
    """What a row is held to do, by the definition."""
    if row.quality is None:
        return None
    found = row.quality
    if ask.excess:
        found = min(1.0, max(0.0, found - (1 - row.spec.strength) * ask.excess))
    return max(0.0, found - DOUBT * ask.doubt * (1 - row.spec.strength)) if least else found


def usd(row: DeploymentView, ask: Ask) -> float | None:
    """What a request costs there, by the definition."""
    price = row.spec.price
    if price is None:
        return None
    output = row.output_tokens if ask.output_tokens is None else min(row.output_tokens, ask.output_tokens)
    return (ask.input_tokens * price.input_usd_per_mtok + output * price.output_usd_per_mtok) / 1e6


def usual(row: DeploymentView, ask: Ask) -> float | None:
    """What a request usually costs there: a part of its input is cached, and has a price of its own."""
    whole, price = usd(row, ask), row.spec.price
    if whole is None or price is None or price.cached_input_usd_per_mtok is None:
        return whole
    cached = ask.input_tokens * row.cached_share
    return whole - cached * (price.input_usd_per_mtok - price.cached_input_usd_per_mtok) / 1e6


def feasible(snapshot: Snapshot, ask: Ask) -> list[DeploymentView]:
    """Return every row that may serve, bound by bound."""
    out = []
    for row in snapshot.rows:
        cost, least = usd(row, ask), quality(row, ask, least=True)
        context = row.spec.context_tokens
        wait = max(row.ttft_p95_s)  # the same in every bucket here
        if (
            row.refusal is None
            and (context is None or ask.input_tokens <= context * 1.25)
            and (ask.max_usd is None or (cost is not None and cost <= ask.max_usd))
            and (ask.quality_floor == 0 or (least is not None and least >= ask.quality_floor))
            and wait <= (ask.slo_s if ask.slo_s is not None else inf)
            and wait <= ask.first_content_s
        ):
            out.append(row)
    return out


def expected(row: DeploymentView, rows: list[DeploymentView], ask: Ask) -> float:
    """What a request is expected to cost that goes there first, a failed attempt paid once more elsewhere."""
    cost = usual(row, ask)
    if cost is None:
        return inf
    others = [c for other in rows if other is not row and (c := usual(other, ask)) is not None]
    return cost + row.error_ratio * min(others, default=cost)


def enough(rows: list[DeploymentView], ask: Ask) -> list[DeploymentView]:
    """Return those that are held to do well enough."""
    if ask.urgency is Urgency.BACKGROUND:
        return rows
    best = max((q for row in rows if (q := quality(row, ask, least=False)) is not None), default=None)
    if best is None:
        return []
    return [r for r in rows if (q := quality(r, ask, least=True)) is not None and q >= ask.quality_share * best]


def test_the_choice_is_what_a_search_through_all_finds() -> None:
    """Ten thousand random tables: never outside the bounds, never dearer than the cheapest that is good enough."""
    r = random.Random(20261126)
    compared = 0
    for number in range(TABLES):
        snapshot, ask = draw_table(r), draw_ask(r)
        ranking = route.rank(snapshot, ask, tables.terms())
        rows = feasible(snapshot, ask)
        choice = pick.choose(ranking, QUERY, r.getrandbits(64) | 0xFFFF, tables.idle)
        normal = {c.id for stage in ranking.stages if stage.manner == "normal" for c in stage.candidates}
        assert normal == {row.spec.id for row in rows}, (number, ask)
        good = enough(rows, ask)
        if not good:
            continue
        assert choice is not None
        chosen = snapshot.row(choice.candidate.id)
        assert chosen in good, (number, ask)
        least = min(expected(row, good, ask) for row in good)
        assert chosen is not None and expected(chosen, good, ask) <= least * ALIKE_COST + 1e-12, (number, ask)
        compared += 1
    assert compared > TABLES / 3


def test_bounds_hold_for_every_further_attempt() -> None:
    """A fallback is a new decision under the same bounds: cost, floor and capability are never given up."""
    r = random.Random(7)
    for _ in range(2000):
        snapshot, ask = draw_table(r), draw_ask(r)
        ranking = route.rank(snapshot, ask, tables.terms())
        out: tuple[str, ...] = ()
        while (choice := pick.choose(ranking, Query(out), r.getrandbits(64), tables.idle)) is not None:
            row = snapshot.row(choice.candidate.id)
            assert row is not None
            cost, least = usd(row, ask), quality(row, ask, least=True)
            assert ask.max_usd is None or (cost is not None and cost <= ask.max_usd)
            assert ask.quality_floor == 0 or (least is not None and least >= ask.quality_floor)
            out = (*out, choice.candidate.id)
