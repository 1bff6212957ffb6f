"""What happened, with its evidence, the youngest first; and the alerts that stand, on top."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from lbd.page import state
from lbd.page.forms import silence_path
from lbd.page.markup import Html, Inner, el, join, span
from lbd.page.numbers import ago, clock, due, epoch
from lbd.page.table import path

SHOWN = 40  # on the first screen, of which some ten are seen at once
_SEVERITY = {"critical": "bad", "warning": "warn"}
_FILTERS = (("all", "all"), ("trouble", "trouble"), ("orders", "orders"), ("config", "configuration"))


def kind_of(event: dict[str, Any]) -> str:
    """Return under which filter an event is shown, beside all."""
    if event["level"] in ("warning", "error"):
        return "trouble"
    if event["kind"].startswith(("config", "prices")):
        return "config"
    return "orders" if event["by"] is not None else "other"


def panel(
    events: list[dict[str, Any]], alerts: list[dict[str, Any]], now: float, *, ids: frozenset[str]
) -> Generator[None, None, Html]:
    """Return the panel, event by event; ``events`` are oldest first, ``ids`` the deployments that have a page."""
    last = list(reversed(events[-SHOWN:]))
    chips: list[Html] = []
    for i, (value, word) in enumerate(_FILTERS):
        chips.append(el("input", type="radio", name="events", id=f"events-{value}", checked=i == 0, class_="chip"))
        chips.append(el("label", word, for_=f"events-{value}"))
    items = []
    for event in last:
        items.append(item(event, ids))
        yield
    older = el("li", el("a", "older ones", href="/events")) if len(last) == SHOWN else None
    return el(
        "section",
        el("h2", "Timeline "),
        *chips,
        alarms(alerts, now),
        el("ol", *items, older, class_="events", tabindex="0", aria_label="Events")
        if last
        else el("p", "nothing has happened yet", class_="dim"),
        class_="panel timeline",
        id="events",
        aria_label="Timeline",
    )


def item(event: dict[str, Any], ids: frozenset[str], *, open_: bool = False, shown: bool = False) -> Html:
    """Return one event."""
    sign, style = state.LEVELS.get(event["level"], ("?", "warn"))
    subject: Inner = event["subject"]
    if event["subject"] in ids:
        subject = el("a", event["subject"], href=path(event["subject"]))
    change = None
    if event["before"] is not None or event["after"] is not None:
        change = join([event["before"], " → ", el("b", event["after"] or "·")])
    return el(
        "li",
        span(f"sign {style}", sign, aria_hidden="true"),
        el("a", clock(event["time"]), href=f"/events/{int(event['id'])}", class_="when"),
        span(
            "words",
            el("b", subject),
            " ",
            event["kind"].replace("_", " "),
            None if change is None else join([" ", change]),
            span("dim", f": {event['reason']}"),
            None if event["by"] is None else span("dim", f", by {event['by']}"),
            evidence(event["evidence"], open_=open_),
        ),
        class_=f"event {kind_of(event)}{' shown' if shown else ''}",
        id=f"e{int(event['id'])}",
    )


def evidence(told: dict[str, Any], *, open_: bool = False) -> Html | None:
    """Return the numbers behind an event, as they were."""
    if not told:
        return None
    parts = [join([el("dt", name), el("dd", _plain(value))]) for name, value in told.items()]
    return el("details", el("summary", "evidence"), el("dl", *parts), open=open_)


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(_plain(v) for v in value) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_plain(v)}" for k, v in value.items()) or "none"
    return str(value)


def alarms(alerts: list[dict[str, Any]], now: float) -> Html | None:
    """Return the alerts that stand, and those that are about to; what is over is in the timeline."""
    shown = [alert for alert in alerts if alert["state"] != "resolved"]
    if not shown:
        return None
    return el("ul", *[_alarm(alert, now) for alert in shown], class_="alerts", aria_label="Alerts")


def _alarm(alert: dict[str, Any], now: float) -> Html:
    firing = alert["state"] == "firing"
    style = "dim" if not firing or alert["silenced_until"] is not None else _SEVERITY.get(alert["severity"], "warn")
    silenced = None
    if alert["silenced_until"] is not None:
        until = due(epoch(alert["silenced_until"]), now)
        silenced = span("badge", "silenced by ", alert["silenced_by"] or "somebody", ", ends ", until)
    return el(
        "li",
        span(style, "✕ " if firing else "◔ ", el("b", alert["title"]), "" if firing else " (pending)"),
        f": {alert['text']}",
        " ",
        span("dim", "for ", ago(epoch(alert["since"]), now)),
        None if silenced is None else join([" ", silenced]),
        " ",
        el("a", "silence", href=silence_path(alert["id"])),
        el("details", el("summary", "what to do"), el("p", alert["remedy"])) if alert["remedy"] else None,
        id=f"alert-{alert['id']}",
    )


def page(
    document: dict[str, Any], events: list[dict[str, Any]], words: str, *, shown: int | None, now: float
) -> list[Html | None]:
    """Return the page of events, oldest given first; ``shown`` is the one that was asked for, open."""
    ids = frozenset(row["id"] for _, row in state.rows(document))
    items = [item(event, ids, open_=event["id"] == shown, shown=event["id"] == shown) for event in reversed(events)]
    return [
        el("h1", "Events"),
        el("p", words, class_="dim"),
        alarms(document.get("alerts") or [], now),
        el("ol", *items, class_="events all") if items else el("p", "nothing has happened yet", class_="dim"),
    ]
