"""``lbd report --experiments``: how experiments stand, each as a table of its metrics and a sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from lbd.cli.admin_client import Client
from lbd.display import paint
from lbd.display.paint import Cell, Column, Row

COLUMNS = (
    Column("metric", "METRIC"),
    Column("control", "CONTROL", right=True),
    Column("treatment", "TREATMENT", right=True),
    Column("difference", "DIFFERENCE", right=True),
    Column("interval", "INTERVAL", right=True, rank=1),
    Column("limit", "STOPS FROM", right=True, rank=2),
    Column("shown", "SHOWN"),
)
_RELATIVE = frozenset({"cost_usd", "ttft_s", "total_s"})
_LOOKS = {"worse": "bad", "better": "good", "open": "", "alike": "", "too_few": "dim", "unpriced": "warn"}
NONE = "·"


def run(client: Client, *, as_json: bool) -> int:
    """Show it."""
    document = client.get("/v1/experiments")
    if as_json:
        print(json.dumps(document, indent=2))
        return 0
    brush = paint.Paint(paint.coloured(sys.stdout))
    room = paint.room(sys.stdout)
    out = []
    for one in document["data"]:
        out += [*lines(one, brush, room), ""]
    print("\n".join(out[:-1]) if out else "no experiment is configured")
    return 0


def lines(one: Mapping[str, Any], brush: paint.Paint, room: int | None) -> list[str]:
    """Return what is printed of one experiment."""
    arms, ratio = one["arms"], one["sample_ratio"]
    running = "running, " if one["state"] == "running" else ""
    out = [f"{brush(one['name'], 'bold')}: {running}{one['verdict']}."]
    out += [f"  {c['path']}: {_value(c['control'])} -> {_value(c['treatment'])}" for c in one["changes"]]
    who = f" of {', '.join(one['surfaces'])}" if one["surfaces"] else ""
    seen = "" if ratio["seen"] is None else f" ({ratio['seen']:.2%} seen)"
    out.append(
        f"  {one['share']:g} of all by {one['by']}{who}{seen}, since {one['since']};"
        f" control {arms['control']['units']} units, {arms['control']['requests']} requests;"
        f" treatment {arms['treatment']['units']} units, {arms['treatment']['requests']} requests"
    )
    if ratio["mismatch"]:
        out.append(brush("  the ratio of the arms is not as it should be: nothing below is to be believed", "bad"))
    out += ["", *brush.table(COLUMNS, [_row(m) for m in one["metrics"]], room)]
    told = f"Intervals hold together with {one['confidence']:g} at all times: look as often as you like."
    return [*out, brush(told, "dim")]


def _row(m: Mapping[str, Any]) -> Row:
    relative = m["metric"] in _RELATIVE
    difference = m["relative"] if relative else m["difference"]
    interval = m["relative_interval"] if relative else m["interval"]
    form = "{:+.1%}" if relative else "{:+.4f}"
    limit = NONE if m["limit"] is None else f"{m['limit']:.1%}" if relative else f"{m['limit']:g}"
    return {
        "metric": Cell(m["metric"]),
        "control": Cell(_mean(m["control"])),
        "treatment": Cell(_mean(m["treatment"])),
        "difference": Cell(NONE if difference is None else form.format(difference)),
        "interval": Cell(NONE if interval is None else " .. ".join(form.format(bound) for bound in interval)),
        "limit": Cell(limit),
        "shown": Cell(m["shown"].replace("_", " "), _LOOKS[m["shown"]]),
    }


def _mean(arm: Mapping[str, Any]) -> str:
    return NONE if arm["mean"] is None else f"{arm['mean']:.4g} (n {arm['n']})"


def _value(value: object) -> str:
    return "not set" if value is None else json.dumps(value)
