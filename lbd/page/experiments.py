"""Experiments on the page: both arms, each difference with its interval, and how it stands in words."""

from __future__ import annotations

from typing import Any

from lbd.page.markup import Html, el, join, span
from lbd.page.numbers import NONE, count, percent

_NAMES = {"ttft_s": "first content", "total_s": "whole answer", "usd": "cost"}
_SHOWN = {"better": "good", "worse": "bad"}


def panel(experiments: list[dict[str, Any]]) -> Html:
    """Return the panel, empty where nothing is tried."""
    return el(
        "section",
        el("h2", "Experiments"),
        *[_one(told) for told in experiments],
        class_="panel experiments",
        id="experiments",
        aria_label="Experiments",
        hidden=not experiments,
        tabindex="0",
        role="region",
    )


def _one(told: dict[str, Any]) -> Html:
    arms = told["arms"]
    rows = [_metric(metric) for metric in told["metrics"]]
    return el(
        "table",
        el(
            "caption",
            el("b", told["name"]),
            f" {told['state']}, {percent(told['share'], 0)} by {told['by']}: {told['verdict']}",
        ),
        el(
            "thead",
            el(
                "tr",
                el("th", "metric", scope="col"),
                el("th", f"control, {count(arms['control']['units'])} units", scope="col"),
                el("th", f"treated, {count(arms['treatment']['units'])} units", scope="col"),
                el("th", "difference", scope="col"),
                el("th", f"{percent(told['confidence'], 0)} interval", scope="col"),
                el("th", "shown", scope="col"),
            ),
        ),
        el("tbody", *rows),
        class_="facts",
    )


def _metric(told: dict[str, Any]) -> Html:
    interval = told["interval"]
    between = NONE if interval is None else f"{interval[0]:+.3g} to {interval[1]:+.3g}"
    limit = None if told["limit"] is None else span("dim", f" limit {told['limit']:g}")
    name = str(told["metric"])
    return el(
        "tr",
        el("th", _NAMES.get(name, name), scope="row"),
        el("td", _mean(told["control"])),
        el("td", _mean(told["treatment"])),
        el("td", NONE if told["difference"] is None else f"{told['difference']:+.3g}"),
        el("td", between),
        el("td", span(_SHOWN.get(str(told["shown"]), "dim"), str(told["shown"]).replace("_", " ")), join([limit])),
    )


def _mean(arm: dict[str, Any]) -> str:
    return NONE if arm["mean"] is None else f"{arm['mean']:.3g} (n {arm['n']})"
