"""One deployment, opened: its row, six hours, its last failures, what happened to it, what would be decided now, and
the orders that can be given.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lbd.page import chart, decision, forms, shell, state, table, timeline
from lbd.page.markup import Html, el, join
from lbd.page.numbers import NONE, ago, count, epoch, latency, percent, rate, usd


class Opened(NamedTuple):
    """The documents behind the page."""

    providers: dict[str, Any]
    tier: dict[str, Any]
    row: dict[str, Any]
    history: dict[str, Any]
    failures: list[dict[str, Any]]
    events: list[dict[str, Any]]  # of this deployment, oldest first
    plan: dict[str, Any] | None  # what would be decided for its model; None where that cannot be told


def page(opened: Opened, *, visitor: shell.Visitor, told: str | None = None) -> list[Html | None]:
    """Return the contents of the page; ``told`` is what an order just came to."""
    row, now = opened.row, epoch(opened.providers["time"])
    floor = max(opened.providers["quality_floors"].values(), default=None)
    return [
        shell.crumbs(opened.tier["name"], row["id"]),
        el("h1", row["id"]),
        None if told is None else el("p", told, class_="told", role="status"),
        el(
            "div",
            el(
                "table",
                el("caption", "as it is now", class_="unseen"),
                table.head(),
                el("tbody", table.row(opened.tier, row, now, floor), id=f"row-{row['id']}"),
                class_="providers",
            ),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label="The row",
        ),
        forms.buttons(row, visitor),
        el("div", _chart(opened), _facts(row), _failures(opened.failures, now), _happened(opened), class_="pair"),
        _explained(opened.plan, row),
    ]


def _chart(opened: Opened) -> Html:
    marks = [float(e["time"]) for e in opened.events if e["kind"] in ("state_changed", "breaker_reset")]
    target = opened.tier["slo"]["ttft_p95_s"]
    source = f"/v1{table.path(opened.row['id'])}"
    return el(
        "section",
        el("h2", "Six hours"),
        chart.six_hours(opened.history, target, marks[-60:], source=source),
        chart.table(opened.history),
        class_="panel wide",
        aria_label="Six hours",
    )


def _facts(row: dict[str, Any]) -> Html:
    quota = [f"{q['what']}: {count(q['remaining'])} of {count(q['limit'])}" for q in row["quota"]]
    price = row["price"]
    listed = NONE if price is None else f"{price['input_usd_per_mtok']:g} in, {price['output_usd_per_mtok']:g} out"
    lines = [
        ("model", row["upstream_model"]),
        ("shape", row["shape"]),
        ("address", row["base_url"]),
        ("region", row["region"] or NONE),
        ("answers, p95 of 5 min", latency(row["latency_s"]["5m"]["p95"])),
        ("tokens a second", NONE if row["throughput_tps"] is None else f"{row['throughput_tps']:.1f}"),
        ("requests a second", rate(row["rps"])),
        ("weight", f"{row['weight']:g}"),
        ("score, interactive", _score(row["score"]["interactive"])),
        ("score, background", _score(row["score"]["background"])),
        ("price, $ per 1M tokens", listed),
        ("spent since the start", usd(row["spent_usd"])),
        ("limits of its account", "; ".join(quota) or NONE),
        ("failed a check, 1 h", f"{row['quality_failures']['n']} of {row['quality_failures']['of']}"),
        ("builds that answered", ", ".join(row["fingerprints"]) or NONE),
    ]
    rows = [el("tr", el("th", name, scope="row"), el("td", value)) for name, value in lines]
    predicted = [
        el(
            "tr",
            el("th", "larger" if p["up_to_tokens"] is None else f"≤ {count(p['up_to_tokens'])} tokens", scope="row"),
            el("td", latency(p["ttft_p95_s"]), "" if p["backed_by_samples"] else " (prior)"),
            el("td", percent(p["meets_target"])),
        )
        for p in row["predicted"]
    ]
    head = el("thead", el("tr", *[el("th", n, scope="col") for n in ("prompt", "predicted p95", "within target")]))
    return el(
        "section",
        el("h2", "Facts"),
        el("table", *rows, class_="facts"),
        el("table", head, el("tbody", *predicted), class_="facts") if predicted else None,
        class_="panel",
        aria_label="Facts",
    )


def _score(value: float | None) -> str:
    return "excluded" if value is None else f"{value:.3f}"


def _failures(failures: list[dict[str, Any]], now: float) -> Html:
    kinds: dict[str, int] = {}
    for failure in failures:
        kinds[failure["kind"]] = kinds.get(failure["kind"], 0) + 1
    by = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items(), key=lambda of: -of[1]))
    rows = [
        el(
            "tr",
            el("td", ago(epoch(f["time"]), now)),
            el("td", el("code", f["kind"]), "" if f["status"] is None else f" {f['status']}"),
            el("td", latency(f["after_s"]), class_="r"),
            el("td", f["message"] or NONE, class_="fold"),
            el("td", _then(f)),
            el("td", decision.link(f["request"], "open")),
        )
        for f in failures
    ]
    head = [el("th", n, scope="col") for n in ("ago", "kind", "after", "said", "then", "request")]
    return el(
        "section",
        el("h2", "Last failures "),
        el("span", by, class_="dim"),
        el(
            "div",
            el("table", el("thead", el("tr", *head)), el("tbody", *rows), class_="list"),
            class_="bounded",
            tabindex="0",
            role="region",
            aria_label="Failures",
        )
        if rows
        else el("p", "no attempt here has failed, of the requests that are kept", class_="dim"),
        class_="panel",
        aria_label="Last failures",
    )


def _then(failure: dict[str, Any]) -> Html:
    if failure["served_by"] is None:
        return join([el("span", failure["outcome"], class_="bad")])
    return join(["served by ", el("a", failure["served_by"], href=table.path(failure["served_by"]))])


def _happened(opened: Opened) -> Html:
    ids = frozenset(row["id"] for _, row in state.rows(opened.providers))
    items = [timeline.item(event, ids) for event in reversed(opened.events[-timeline.SHOWN :])]
    return el(
        "section",
        el("h2", "What happened to it"),
        el("ol", *items, class_="events", tabindex="0", aria_label="Events")
        if items
        else el("p", "nothing yet", class_="dim"),
        class_="panel wide",
        aria_label="What happened to it",
    )


def _explained(plan: dict[str, Any] | None, row: dict[str, Any]) -> Html | None:
    if plan is None:
        return None
    return el(
        "section",
        el("h2", f"A request for {row['model']} now"),
        *decision.ranking(plan, "now"),
        class_="panel wide",
        aria_label="What would be decided now",
    )
