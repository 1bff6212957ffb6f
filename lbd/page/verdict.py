"""The verdict in words: pass, warn or fail; what is wrong, since when, and what follows from it. And the few numbers of
the whole.
"""

from __future__ import annotations

from typing import Any

from lbd.page import state
from lbd.page.markup import Html, Inner, el, join, span
from lbd.page.numbers import NONE, ago, epoch, micros, percent, rate, usd

_SLACK = 0.25  # of an error budget: below it, it is told as a warning


def verdict(document: dict[str, Any]) -> Html:
    """Return the line that comes first."""
    status = str(document["status"])
    sign, style = state.VERDICTS.get(status, ("?", "warn"))
    now = epoch(document["time"])
    since = state.worst_since(document)
    told: list[Inner] = [el("span", document["summary"], class_="what")]
    if since is not None:
        told.append(span("since", "for ", ago(since, now)))
    told.append(span("follows", consequence(document)))
    return el(
        "div",
        span(f"word {style}", span("sign", sign, aria_hidden="true"), " ", status.upper()),
        el("p", join(told, " ")),
        class_=f"verdict {style}",
        id="verdict",
    )


def consequence(document: dict[str, Any]) -> str:
    """Return what follows for requests, from the ways of the last five minutes."""
    flow = document["flow"]
    total = sum(way["rps"] for way in flow)
    if not total:
        return "No request ended in the last 5 minutes."
    by: dict[str, float] = {}
    for way in flow:
        if way["deployment"] is not None:
            by[way["deployment"]] = by.get(way["deployment"], 0.0) + way["rps"]
    ranked = sorted(by.items(), key=lambda of: -of[1])
    shares = ", ".join(f"{name} {percent(rps / total, 0)}" for name, rps in ranked[:3])
    moved = sum(way["rps"] for way in flow if way["moved"]) / total
    lost: dict[str, float] = {}
    for way in flow:
        if way["deployment"] is None:
            lost[way["outcome"] or "?"] = lost.get(way["outcome"] or "?", 0.0) + way["rps"]
    told = [f"Last 5 min: {shares or 'nobody'} served"]
    if len(ranked) > 3:
        told[0] += f", {len(ranked) - 3} more the rest"
    told.append(f"{percent(moved)} moved before the first word" if moved else "none had to be moved")
    worst = ", ".join(f"{percent(rps / total)} {kind}" for kind, rps in sorted(lost.items(), key=lambda of: -of[1])[:3])
    told.append(f"not served: {worst}" if worst else "all were served")
    return "; ".join(told) + "."


def numbers(document: dict[str, Any]) -> Html:
    """Return the numbers of the whole."""
    service = document["service"]
    found = [row for _, row in state.rows(document)]
    serving = sum(row["state"] in ("up", "unknown", "degraded", "recovering") for row in found)
    per_hour = [row["cost"]["usd_per_h"] for row in found if row["cost"]["usd_per_h"] is not None]
    out = [_number("serving", join([serving, span("of", " of ", len(found))]))]
    if service is not None:
        overhead = service["overhead_us"]
        out += [
            _number("requests/s", rate(service["rps"])),
            _number("in flight", join([service["inflight"], span("of", f" + {document['queue']} queued")])),
            _number(
                "lbd's own time p50, p99",
                join([micros(overhead["p50"]), span("of", " ", micros(overhead["p99"]))]),
            ),
            *[_attainment(told) for told in service["slo"]],
        ]
    out += [
        _number("cost an hour", usd(sum(per_hour)) if per_hour else NONE),
        _number("data age", f"{document['data_age_ms'] / 1000:.1f}\u202fs"),
        _number("configuration", _config(document["config"])),
    ]
    if service is not None:
        store = service["store"]
        kept = span("good", "up") if store["up"] else span("bad", "✕ not kept")
        out.append(_number(f"store {store['kind']}", kept))
    return el("dl", *out, class_="numbers", id="numbers")


def _number(name: str, value: Inner) -> Html:
    return el("div", el("dt", name), el("dd", value))


def _attainment(told: dict[str, Any]) -> Html:
    left = told["budget_left"]
    style = "" if left is None else "bad" if left < 0 else "warn" if left < _SLACK else ""
    budget = None
    if left is not None:
        # a few bad requests of few may be many times what is granted: the number itself says nothing more then
        words = f"{percent(left, 0)} of budget left" if left >= 0 else "budget overspent"
        budget = span(f"of {style}".strip(), " ", words)
    name = f"{told['urgency']} in time, 1 h"
    return _number(name, join([span(style or None, percent(told["attainment"])), budget]))


def _config(told: dict[str, Any]) -> Html:
    if told["last_error"] is not None:
        return join([f"no. {told['generation']} ", span("bad", "✕ reload refused", title=told["last_error"])])
    return join([f"no. {told['generation']} ", span("of", str(told["hash"])[:8])])
