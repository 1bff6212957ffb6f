"""What a simulated day came to, by the hour and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lbd.display.money import money
from lbd.display.paint import Cell, Column, Paint, Row
from lbd.model.ledger import Total
from lbd.model.units import NANO_PER_USD, DeploymentId, NanoUsd, Ratio, Seconds, WallTime
from lbd.observe.savings import interval
from lbd.table.report import rfc3339

COLUMNS = (
    Column("hour", "HOUR"),
    Column("requests", "REQUESTS", right=True),
    Column("failed", "FAILED", right=True),
    Column("slo", "IN TIME", right=True),
    Column("cost", "COST", right=True),
    Column("saved", "SAVED", right=True),
    Column("moves", "MOVES", right=True, rank=1),
    Column("shares", "SERVED BY", rank=2),
)
SHOWN = 3  # deployments of an hour
GOOD: Ratio = 0.99
FAIR: Ratio = 0.95


class Hour(msgspec.Struct):
    """What came of the requests that began in one hour; ``judged`` of them had a target for the first content.

    Money is counted in the hour in which a request ended.
    """

    requests: int = 0
    failed: int = 0
    judged: int = 0
    in_time: int = 0
    moves: int = 0
    hedges: int = 0
    served: Counter[DeploymentId] = msgspec.field(default_factory=Counter)
    codes: Counter[str] = msgspec.field(default_factory=Counter)  # of what failed
    cost: NanoUsd = 0
    premium: NanoUsd = 0
    saved: NanoUsd = 0

    def add(self, other: Hour) -> None:
        """Add another hour to it."""
        for name in ("requests", "failed", "judged", "in_time", "moves", "hedges", "cost", "premium", "saved"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.served.update(other.served)
        self.codes.update(other.codes)


class Report(msgspec.Struct):
    """A day."""

    begins: WallTime
    seed: int
    hours: list[Hour]
    money: Total  # of clients' requests
    probes: NanoUsd = 0  # what lbd itself spent
    events: Sequence[Mapping[str, Any]] = ()  # what befell providers
    breakers: int = 0  # times that one opened
    took_s: Seconds = 0.0  # of real time

    @property
    def total(self) -> Hour:
        """All hours."""
        whole = Hour()
        for hour in self.hours:
            whole.add(hour)
        return whole


def document(report: Report) -> dict[str, Any]:
    """Return it as a document; money in USD."""
    found = interval(report.money)
    return {
        "object": "lbd.simulation",
        "begins": rfc3339(report.begins),
        "seed": report.seed,
        "took_s": round(report.took_s, 1),
        "total": {
            **_facts(report.total),
            "saved_interval_usd": None if found is None else [round(v, 9) for v in found],
            "probe_usd": report.probes / NANO_PER_USD,
            "breakers_opened": report.breakers,
        },
        "hours": [{"hour": n, **_facts(hour)} for n, hour in enumerate(report.hours)],
        "events": list(report.events),
    }


def _facts(hour: Hour) -> dict[str, Any]:
    served = hour.served.total()
    return {
        "requests": hour.requests,
        "failed": hour.failed,
        "failures": dict(hour.codes.most_common()),
        "slo": hour.in_time / hour.judged if hour.judged else None,
        "cost_usd": hour.cost / NANO_PER_USD,
        "premium_usd": hour.premium / NANO_PER_USD,
        "saved_usd": hour.saved / NANO_PER_USD,
        "saved_share": hour.saved / hour.premium if hour.premium else None,
        "moves": hour.moves,
        "hedges": hour.hedges,
        "shares": {id_: round(n / served, 6) for id_, n in hour.served.most_common()},
    }


def words(told: Mapping[str, Any], brush: Paint, room: int | None) -> list[str]:
    """Return the document for a person."""
    begins = int(str(told["begins"])[11:13])
    rows = [_row(f"{(begins + h['hour']) % 24:02d}:00", h) for h in told["hours"]]
    out = brush.table(COLUMNS, [*rows, _row("all", told["total"])], room)
    total = told["total"]
    between = total["saved_interval_usd"]
    share = total["saved_share"]
    line = f"{money(total['cost_usd'])} spent, {money(total['premium_usd'])} at the baseline"
    if share is not None:
        line += f": {money(total['saved_usd'])} saved ({share:.1%})"
    if between is not None:
        line += f", 95 %: {money(between[0])} to {money(between[1])}"
    out += ["", line]
    out.append(
        f"{total['breakers_opened']} times a breaker opened, {total['hedges']} hedges,"
        f" {money(total['probe_usd'])} spent on probes"
    )
    if total["failures"]:
        out.append("failed: " + ", ".join(f"{n} {code}" for code, n in total["failures"].items()))
    out += [f"{e['provider']}: {e['what']} at {e['at_h']:g} h for {e['for_min']:g} min" for e in told["events"]]
    return out


def _row(name: str, hour: Mapping[str, Any]) -> Row:
    slo, share = hour["slo"], hour["saved_share"]
    style = "" if slo is None or slo >= GOOD else "warn" if slo >= FAIR else "bad"
    served = ", ".join(f"{id_} {part:.0%}" for id_, part in list(hour["shares"].items())[:SHOWN])
    return {
        "hour": Cell(name),
        "requests": Cell(str(hour["requests"])),
        "failed": Cell(str(hour["failed"]), "bad" if hour["failed"] else ""),
        "slo": Cell("-" if slo is None else f"{slo:.1%}", style),
        "cost": Cell(money(hour["cost_usd"])),
        "saved": Cell("-" if share is None else f"{share:.0%}"),
        "moves": Cell(str(hour["moves"])),
        "shares": Cell(served),
    }
