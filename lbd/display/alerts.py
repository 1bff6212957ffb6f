"""Alerts for the terminal: those that fire with their evidence and what to do; or all of them as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lbd.display.paint import Cell, Column, Paint, Row
from lbd.display.provider_table import between, local, span

COLUMNS = (
    Column("state", "STATE"),
    Column("severity", "SEVERITY", rank=2),
    Column("id", "ALERT"),
    Column("since", "SINCE", rank=1),
    Column("silence", "SILENCED UNTIL", rank=3),
)
_STYLES = {"firing": "bad", "pending": "warn", "resolved": "dim"}


def lines(alerts: Sequence[Mapping[str, Any]], brush: Paint, time: str) -> list[str]:
    """Return two lines for each alert that fires; ``time`` is the document's. What is silenced is only counted."""
    firing = [a for a in alerts if a["state"] == "firing"]
    told = [a for a in firing if a["silenced_until"] is None]
    out = []
    for alert in told:
        style = "bad" if alert["severity"] == "critical" else "warn"
        age = span(between(alert["changed"], time))
        out.append(brush.line([Cell(f"▲ {alert['text']}", style), Cell(f"  {alert['id']} for {age}", "dim")]))
        out.append(brush.line([Cell(f"  {alert['remedy']}")]))
    quiet = len(firing) - len(told)
    if quiet:
        out.append(
            brush(f"△ {quiet} more {'alert is' if quiet == 1 else 'alerts are'} silenced: lbd ctl alerts", "dim")
        )
    return out


def table(document: Mapping[str, Any], brush: Paint, room: int | None) -> list[str]:
    """Return what ``GET /v1/alerts`` answers."""
    rows: list[Row] = [
        {
            "state": Cell(a["state"], _STYLES.get(a["state"], "")),
            "severity": Cell(a["severity"]),
            "id": Cell(a["id"]),
            "since": Cell(local(a["since"])),
            "silence": Cell("" if a["silenced_until"] is None else local(a["silenced_until"])),
        }
        for a in document["data"]
    ]
    out = brush.table(COLUMNS, rows, room) if rows else ["no alert is pending or fires"]
    for silence in document["silences"]:
        why = f": {silence['reason']}" if silence["reason"] else ""
        until = f"until {local(silence['until'])}"
        out.append(brush.line([Cell(f"silence of {silence['id']} {until} by {silence['by']}{why}", "note")]))
    for receiver in document["receivers"]:
        if receiver["error"] is not None:
            out.append(brush.line([Cell(f"{receiver['name']} takes nothing: {receiver['error']}", "bad")]))
    if not document["receivers"]:
        out.append(brush("nobody is told: alerts names no webhook, alertmanager or slack", "dim"))
    return out
