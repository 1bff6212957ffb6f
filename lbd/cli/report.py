"""``lbd report``: what requests cost, what they would have cost elsewhere, and what lbd itself cost."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from typing import Any

from lbd.cli import admin_client, experiments
from lbd.cli.admin_address import AdminError
from lbd.cli.quantities import whole
from lbd.cli.waiting import Waiting
from lbd.display import paint, report_page
from lbd.display.money import headline, money
from lbd.display.paint import Cell, Column, Row

GROUPS = ("client", "surface", "rule", "model", "provider", "deployment", "urgency", "hour")
PAGE = ("hour", "surface", "model", "provider")  # what a page shows
LONGEST_S = 120.0  # for a ledger of years
MOST_ROWS = 10_000  # of one answer
COLUMNS = (
    Column("requests", "REQUESTS", right=True),
    Column("cost", "COST", right=True),
    Column("premium", "PREMIUM", right=True, rank=1),
    Column("saved", "SAVED", right=True),
    Column("share", "SHARE", right=True),
    Column("failed", "FAILED", right=True, rank=2),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = admin_client.exit_statuses("0 shown")
    parser.add_argument(
        "--since", default="30d", metavar="WHEN", help="24h, 7d, 4w, or 2026-12-01 (30d); whole hours are counted"
    )
    parser.add_argument("--until", metavar="WHEN", help="the end of the period; now when not given")
    parser.add_argument("--by", metavar="GROUP", type=_groups, help=f"one or more of {', '.join(GROUPS)}")
    parser.add_argument(
        "--rows", type=whole(1, MOST_ROWS), metavar="N", help="the last N attempts behind the sums, not the sums"
    )
    parser.add_argument("--experiments", action="store_true", help="how experiments stand, not what was saved")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--json",
        action="store_true",
        help="the document of GET /v1/savings (or /v1/ledger, /v1/experiments), as it came",
    )
    form.add_argument("--csv", action="store_true", help="one line a group (or attempt), for a spreadsheet")
    form.add_argument(
        "--html", action="store_true", help=f"one page with bars, by {', '.join(PAGE)} unless --by says by what"
    )
    admin_client.arguments(parser)


def _groups(text: str) -> str:
    for word in text.split(","):
        if word not in GROUPS:
            raise argparse.ArgumentTypeError(f"{word!r} is none of {', '.join(GROUPS)}")
    return text


@admin_client.told
def run(args: argparse.Namespace) -> int:
    """Show it."""
    client = admin_client.client(args)
    if args.html and (args.experiments or args.rows is not None):
        raise AdminError("--html is of what was saved, not of --rows or --experiments", exit_status=2)
    if args.experiments:
        return experiments.run(client, as_json=args.json)
    period = {"since": args.since, "until": args.until, "timeout_s": LONGEST_S}
    with Waiting("reading the ledger"):
        if args.html:
            groups = args.by.split(",") if args.by else PAGE
            found = {by: client.get("/v1/savings", by=by, **period) for by in groups}
            document, told = found[groups[0]], []
        elif args.rows is not None:
            document = client.get("/v1/ledger", limit=args.rows, **period)
            told = document["data"]
        else:
            document = client.get("/v1/savings", by=args.by, **period)
            told = document["by"] or [document]
    if args.html:
        print(report_page.page(document, {by: of["by"] for by, of in found.items()}), end="")
        return 0
    if args.json:
        print(json.dumps(document, indent=2))
    elif args.csv or args.rows is not None:
        _csv(told, args.by.split(",") if args.by else [], rows=args.rows is not None)
    else:
        brush = paint.Paint(paint.coloured(sys.stdout))
        print("\n".join(lines(document, args.by or "", brush, paint.room(sys.stdout))))
    return 0


def _csv(told: Sequence[dict[str, Any]], by: Sequence[str], *, rows: bool) -> None:
    names = list(told[0]) if rows and told else [*by, *_flat({}, head=True)]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(names)
    for one in told:
        flat = one if rows else {**{name: one[name] for name in by}, **_flat(one)}
        out.writerow(["" if flat.get(name) is None else flat[name] for name in names])


def _flat(one: dict[str, Any], *, head: bool = False) -> dict[str, Any]:
    interval = one.get("interval_usd") or [None, None]
    compared = one.get("compared", {})
    out = {
        "requests": one.get("requests"),
        "failed_attempts": one.get("failed_attempts"),
        "cost_usd": one.get("cost_usd"),
        "compared_requests": compared.get("requests"),
        "compared_cost_usd": compared.get("cost_usd"),
        "premium_usd": compared.get("premium_usd"),
        "cheapest_usd": compared.get("cheapest_usd"),
        "saved_usd": one.get("saved_usd"),
        "saved_low_usd": interval[0],
        "saved_high_usd": interval[1],
    }
    return dict.fromkeys(out) if head else out


def lines(document: dict[str, Any], by: str, brush: paint.Paint, room: int | None) -> list[str]:
    """Return what is printed: the headline, the groups, what the numbers rest on."""
    compared, own = document["compared"], document["overhead"]
    out = [brush(headline(document), "bold")]
    if compared["requests"]:
        against = document["baseline"] or "the model that was asked for, or the best of the best tier"
        out.append(
            f"{compared['requests']} of {document['requests']} requests compared with {against}:"
            f" {money(compared['premium_usd'])} there, {money(compared['cost_usd'])} here,"
            f" {money(compared['cheapest_usd'])} at the cheapest that could serve."
        )
    if by:
        words = by.split(",")
        heads = tuple(Column(word, word.upper()) for word in words)
        out += ["", *brush.table((*heads, *COLUMNS), [_row(one, words) for one in document["by"]], room)]
    share = "" if own["share"] is None else f", {own['share']:.2%} of what was spent"
    out += [
        "",
        (
            f"lbd itself: probes {money(own['probe_usd'])}, evaluation {money(own['evaluation_usd'])}, attempts that"
            f" did not serve {money(own['failed_attempts_usd'])}, processor {money(own['cpu_usd'])}{share}."
        ),
    ]
    notes = [f"{document['since']} to {document['until']}"]
    if document["estimated_entries"]:
        notes.append(f"{document['estimated_entries']} attempts told no usage and are estimated")
    if document["unpriced_entries"]:
        notes.append(f"{document['unpriced_entries']} attempts have no known price and are left out")
    if document["lost_entries"]:
        notes.append(f"{document['lost_entries']} entries were lost: the ledger could not be written")
    return [*out, "", brush("; ".join(notes), "dim")]


def _row(one: dict[str, Any], words: Sequence[str]) -> Row:
    share = one["saved_share"]
    return {
        **{
            word: Cell(report_page.hour_text(one[word]) if word == report_page.HOUR else str(one[word]))
            for word in words
        },
        "requests": Cell(str(one["requests"])),
        "cost": Cell(money(one["cost_usd"])),
        "premium": Cell(money(one["compared"]["premium_usd"])),
        "saved": Cell(money(one["saved_usd"])),
        "share": Cell("·" if share is None else f"{share:.1%}"),
        "failed": Cell(str(one["failed_attempts"])),
    }
