"""``lbd advise``: whether routing pays here, in words, from the ledger's own numbers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from lbd.cli import admin_client
from lbd.display import paint
from lbd.display.money import money
from lbd.display.paint import Cell

SINCE = "30d"
FEW = 1000  # requests a month below which no saving is worth the attention that routing takes
PINNED = 0.9  # share of requests that name one model, from which on there is little to choose
SURE = 0.0  # USD; an interval that reaches below it may as well be chance


class Advice(NamedTuple):
    """``pays`` False: it does not pay, for this reason; None: it is no reason either way."""

    pays: bool | None
    text: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = admin_client.exit_statuses("0 told")
    parser.add_argument("--since", default=SINCE, metavar="WHEN", help=f"the period that is looked at ({SINCE})")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    admin_client.arguments(parser)


@admin_client.told
def run(args: argparse.Namespace) -> int:
    """Tell it."""
    client = admin_client.client(args)
    document = client.get("/v1/savings", since=args.since, by="rule,model")
    rows = [row for tier in client.get("/v1/providers")["tiers"] for row in tier["deployments"]]
    told = advise(document, {row["model"] for row in rows})
    if args.json:
        print(json.dumps({"object": "lbd.advice", "advice": [a._asdict() for a in told]}, indent=2))
        return 0
    brush = paint.Paint(paint.coloured(sys.stdout))
    for advice in told:
        mark = Cell("·", "dim") if advice.pays is None else Cell("+", "good") if advice.pays else Cell("-", "warn")
        print(brush.line([mark, Cell(f" {advice.text}")]))
    return 0


def advise(document: dict[str, Any], models: Iterable[str]) -> list[Advice]:
    """Return what the numbers say; a document of /v1/savings by rule and model, and the models that are offered."""
    requests = document["requests"]
    out: list[Advice] = []
    if requests < FEW:
        out.append(
            Advice(
                False,
                f"{requests} requests in this period: below some {FEW} a month routing does not pay; ask one provider.",
            )
        )
    offered = sorted(set(models))
    if len(offered) == 1:
        out.append(
            Advice(False, f"only one model is offered ({offered[0]}): there is failover, but nothing to choose.")
        )
    named = sum(one["requests"] for one in document["by"] if one["rule"].startswith(("pin:", "model:")))
    if requests and named / requests >= PINNED:
        out.append(
            Advice(
                False,
                f"{named} of {requests} requests name one model, or are pinned to it (provenance): their choice is not"
                " lbd's. Send them to auto, or map their names in `models`, where another model may answer.",
            )
        )
    return [*out, *_money(document)] if requests else out


def _money(document: dict[str, Any]) -> list[Advice]:
    saved, share, interval = document["saved_usd"], document["saved_share"], document["interval_usd"]
    own = document["overhead"]
    if share is None:
        return [Advice(None, "no price is known to compare with: give deployments a `price`.")]
    spent = document["cost_usd"] + own["probe_usd"] + own["evaluation_usd"]
    cost = own["probe_usd"] + own["evaluation_usd"] + own["failed_attempts_usd"] + own["cpu_usd"]
    between = "" if interval is None else f" (95 %: {money(interval[0])} to {money(interval[1])})"
    told = f"{money(saved)} were saved, {share:.1%} of what the premium model would have cost{between};"
    told += f" lbd itself took {money(cost)} of {money(spent)} spent."
    if interval is not None and interval[0] <= SURE:
        return [Advice(False, f"{told} That may be chance: do not count on it.")]
    return [Advice(saved > cost, told)]
