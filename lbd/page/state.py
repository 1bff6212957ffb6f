"""The words, signs and styles of states: a sign and a word for each, so that none is told by colour alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lbd.page.markup import Html, el, join, span
from lbd.page.numbers import ago, due, epoch, percent

SIGNS = {
    "up": ("●", "good"),
    "unknown": ("○", "dim"),
    "degraded": ("◐", "warn"),
    "suspect": ("?", "warn"),
    "recovering": ("◔", "warn"),
    "down": ("✕", "bad"),
    "locked": ("⊘", "bad"),
}
VERDICTS = {"pass": ("●", "good"), "warn": ("◐", "warn"), "fail": ("✕", "bad")}
LEVELS = {"debug": ("·", "dim"), "info": ("·", "dim"), "warning": ("◐", "warn"), "error": ("✕", "bad")}
_UNKNOWN = ("?", "warn")


def rows(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each tier and deployment, in the document's order."""
    for tier in document["tiers"]:
        for row in tier["deployments"]:
            yield tier, row


def sign(state: str) -> Html:
    """Return a state as its sign and its word."""
    mark, style = SIGNS.get(state, _UNKNOWN)
    return span(f"state {style}", span("sign", mark, aria_hidden="true"), " ", state)


def style(state: str) -> str:
    """Return the style of a state."""
    return SIGNS.get(state, _UNKNOWN)[1]


def ordered(row: dict[str, Any]) -> bool:
    """Tell whether an operator's order stands."""
    return row["admin"]["state"] != "ready" or row["admin"]["weight"] is not None


def admin(row: dict[str, Any], now: float) -> Html | None:
    """Return an operator's order: what, by whom, until when."""
    told = row["admin"]
    parts: list[Html] = []
    if told["state"] != "ready":
        parts.append(_badge(str(told["state"]), told.get("until"), now))
    if told["weight"] is not None:
        parts.append(_badge(f"weight {told['weight']:g}", told.get("weight_until"), now))
    if not parts:
        return None
    by = None if told["by"] is None else span("dim", "by ", told["by"])
    return join([*parts, by], " ")


def _badge(word: str, until: str | None, now: float) -> Html:
    left = None if until is None else join([", ends ", due(epoch(until), now)])
    return span("badge", word, left)


def breaker(row: dict[str, Any], now: float) -> Html:
    """Return the breaker: closed, half-open with its trials, or open with the time of the next one."""
    told = row["breaker"]
    match told["state"]:
        case "closed":
            opened = told["opened_total"]
            return join(["closed", el("small", _times(opened))])
        case "half_open":
            trials = f"{told['half_open']['done']} of {told['half_open']['need']} trials"
            return join([span("warn", "half-open"), el("small", trials)])
        case other:
            retry = told["retry_at"]
            when = None if retry is None else join(["trial ", due(epoch(retry), now)])
            return join([span("bad", other), None if when is None else el("small", when)])


def _times(opened: int) -> str:
    return "never opened" if not opened else "opened once" if opened == 1 else f"opened {opened} times"


def why(tier: dict[str, Any], row: dict[str, Any], now: float) -> Html | None:
    """Return why a row is not green and since when, in a sentence; None where nothing is to be told."""
    reason, health = row["reason"], row["health"]
    told: list[Html] = []
    if row["state"] != "up" or reason["code"] != "ok":
        told.append(_reason(reason))
    if health["stale"] and row["admin"]["state"] != "maint":
        told.append(Html("no news: neither probed nor used of late"))
    ttft, slo = row["ttft_s"]["5m"], tier["slo"]
    if ttft["p95"] is not None and ttft["p95"] > slo["ttft_p95_s"] and reason["code"] != "slo_p95":
        told.append(join([f"p95 of the first content {ttft['p95']:.2f} s, target {slo['ttft_p95_s']:g} s"]))
    errors = row["errors"]
    if errors["ratio"] is not None and errors["ratio"] > slo["error_rate_max"] and reason["code"] != "error_rate":
        kinds = ", ".join(f"{n} {kind}" for kind, n in errors["by_kind"].items())
        told.append(join([f"{percent(errors['ratio'])} of {errors['n']} attempts failed in 5 min ({kinds})"]))
    if row["state"] in ("down", "suspect"):
        lost = [p for p in row["probes"] if p["verdict"] == "down" and p["detail"]]
        told += [join([f"probe {p['kind']}: {p['detail']}"]) for p in lost[:1]]
    if not told and ordered(row):
        told.append(Html("by order"))
    if not told:
        return None
    since = epoch(row["state_since"])
    head = join([el("b", row["state"]), " for ", ago(since, now)])
    return join([head, ": ", join(told, "; ")])


def _reason(reason: dict[str, Any]) -> Html:
    numbers = ""
    if reason["value"] is not None and reason["limit"] is not None:
        numbers = f" ({reason['value']:.3g} against {reason['limit']:.3g})"
    text = f": {reason['text']}" if reason["text"] else ""
    return join([el("code", reason["code"]), f"{text}{numbers}"])


def worst_since(document: dict[str, Any]) -> float | None:
    """Return since when something that should serve is not green, in seconds since the epoch."""
    bad = [
        epoch(row["state_since"])
        for _, row in rows(document)
        if row["admin"]["state"] == "ready" and row["state"] not in ("up", "unknown")
    ]
    return min(bad, default=None)
