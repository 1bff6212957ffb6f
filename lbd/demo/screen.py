"""The live provider table in a terminal, drawn with rich from the admin API's own document."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

_LOOK = {
    "up": ("green", "●"),
    "unknown": ("dim", "○"),
    "degraded": ("yellow", "◐"),
    "suspect": ("yellow", "?"),
    "recovering": ("cyan", "◔"),
    "down": ("red", "✕"),
    "locked": ("red", "⊘"),
}


def ms(seconds: float | None) -> str:
    """Write a duration in milliseconds, a dot where there is none."""
    return "·" if seconds is None else f"{seconds * 1000:.0f}"


def _percent(ratio: float | None) -> str:
    return "·" if ratio is None else f"{ratio * 100:.1f}"


def table(document: dict[str, Any]) -> Table:
    """Return the provider table."""
    out = Table(expand=True, pad_edge=False, header_style="bold")
    for name, justify in (
        ("tier", "left"),
        ("deployment", "left"),
        ("state", "left"),
        ("breaker", "left"),
        ("TTFT p50/p95/p99 ms", "right"),
        ("slo ms", "right"),
        ("err %", "right"),
        ("in flight", "right"),
        ("req/s", "right"),
        ("tok/s", "right"),
        ("up 5m %", "right"),
        ("probe", "right"),
        ("reason", "left"),
    ):
        out.add_column(name, justify=justify, overflow="ellipsis", no_wrap=name != "reason")  # type: ignore[arg-type]
    for tier in document["tiers"]:
        for row in tier["deployments"]:
            out.add_row(*_row(tier, row))
    return out


def _row(tier: dict[str, Any], row: dict[str, Any]) -> list[Text | str]:
    colour, glyph = _LOOK.get(row["state"], ("", " "))
    admin = row["admin"]["state"]
    state = Text(f"{glyph} {row['state']}", style=colour)
    if admin != "ready":
        state.append(f" [{admin}]", style="magenta")
    breaker = row["breaker"]["state"]
    ttft = row["ttft_s"]["5m"]
    limit = "" if row["limit"] is None else f"/{row['limit']:.0f}"
    reason = row["reason"]
    text = "" if reason["code"] == "ok" else f"{reason['code']}{': ' + reason['text'] if reason['text'] else ''}"
    return [
        tier["name"],
        row["id"],
        state,
        Text(breaker, style="" if breaker == "closed" else "red"),
        "/".join(ms(ttft[q]) for q in ("p50", "p95", "p99")),
        ms(tier["slo"]["ttft_p95_s"]),
        _percent(row["errors"]["ratio"]),
        f"{row['inflight']}{limit}",
        f"{row['rps']:.1f}",
        "·" if row["throughput_tps"] is None else f"{row['throughput_tps']:.0f}",
        _percent(row["uptime"]["5m"]),
        "·" if row["probe_age_s"] is None else f"{row['probe_age_s']:.0f}s",
        text,
    ]


def page(document: dict[str, Any], *more: Any) -> Group:
    """Return the whole screen: verdict, table, and what else is to be shown."""
    colour = {"pass": "green", "warn": "yellow", "fail": "red"}[document["status"]]
    head = Text.assemble((f" {document['status'].upper()} ", f"bold reverse {colour}"), " ", document["summary"])
    return Group(head, table(document), *more)
