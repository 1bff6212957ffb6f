"""Money on the page: budgets and when they run out, what was saved and how sure that is, what lbd itself took."""

from __future__ import annotations

from typing import Any

from lbd.page import marks
from lbd.page.markup import Html, Inner, el, join, span
from lbd.page.numbers import NONE, count, percent, usd
from lbd.page.numbers import span as time_span

FEW = 1000  # requests in 30 days below which no saving is worth the attention that routing takes
_DAYS = 30


def panel(document: dict[str, Any], savings: dict[str, Any] | None, budgets: list[dict[str, Any]]) -> Html:
    """Return the panel; ``savings`` is of the last 30 days, None where the ledger cannot be read."""
    return el(
        "section",
        el("h2", "Money ", span("dim", f"last {_DAYS} days")),
        _saved(savings) if savings is not None else el("p", "the ledger cannot be read", class_="bad"),
        _spent(document, savings),
        _budgets(budgets),
        _advice(document, savings),
        class_="panel",
        id="money",
        aria_label="Money",
    )


def _saved(told: dict[str, Any]) -> Html:
    compared = told["compared"]
    if not told["requests"]:
        return el("p", "No request is in the ledger yet.", class_="dim")
    if not compared["requests"]:
        return el(
            "p",
            f"{count(told['requests'])} requests cost {usd(told['cost_usd'])}; "
            "there is no price to compare with: give deployments a price.",
        )
    share, found = told["saved_share"], told["interval_usd"]
    word = "saved against always the premium model" if told["saved_usd"] >= 0 else "spent more than the premium model"
    between = "one request tells no interval" if found is None else f"95 %: {usd(found[0])} to {usd(found[1])}"
    return join(
        [
            el(
                "p",
                el("b", usd(abs(told["saved_usd"])), class_="big"),
                " ",
                span("good" if told["saved_usd"] > 0 else None, percent(None if share is None else abs(share))),
                f" {word} ",
                span("dim", f"({between})"),
            ),
            el(
                "p",
                f"{count(compared['requests'])} requests: {usd(compared['cost_usd'])} as routed, ",
                f"{usd(compared['premium_usd'])} at the premium model",
                class_="dim",
            ),
        ]
    )


def _spent(document: dict[str, Any], savings: dict[str, Any] | None) -> Html:
    probes = document["probe_spend"]
    told = f"probes {usd(probes['today_usd'])} of {usd(probes['budget_usd_per_day'])} today"
    if savings is None:
        return el("p", f"lbd's own: {told}")
    own = savings["overhead"]
    told += f", evaluation {usd(own['evaluation_usd'])}, failed attempts {usd(own['failed_attempts_usd'])}"
    return el(
        "p",
        "lbd's own: ",
        el("b", percent(own["share"], 2)),
        " of all that was spent, CPU included ",
        span("dim", f"({told})"),
    )


def _line(name: str, value: Inner, more: Inner) -> Html:
    return el("tr", el("th", name, scope="row"), el("td", value), el("td", more, class_="dim"))


def exhausts_in(budget: dict[str, Any]) -> float | None:
    """Return in how many seconds a budget is used up at the pace of its period so far; None where it lasts.

    The pace of the first part of a period says little, so nothing is said before a fiftieth of it has passed.
    """
    passed = PERIODS[budget["period"]] - budget["resets_in_s"]
    left = budget["limit_usd"] - budget["spent_usd"] - budget["reserved_usd"]
    if left <= 0:
        return 0.0
    if budget["spent_usd"] <= 0 or passed < PERIODS[budget["period"]] / 50:
        return None
    needs = float(left * passed / budget["spent_usd"])
    return needs if needs < budget["resets_in_s"] else None


PERIODS = {"hour": 3600.0, "day": 86400.0, "month": 30.44 * 86400.0}


def _budgets(budgets: list[dict[str, Any]]) -> Html | None:
    if not budgets:
        return el("p", "No budget is configured.", class_="dim")
    # those that will be used up soonest first, then the fullest
    ranked = sorted(budgets, key=lambda b: (_or(exhausts_in(b)), -_part(b["spent_usd"], b)))
    return el("table", el("caption", "Budgets"), *[_budget(b) for b in ranked[:8]], _rest(ranked), class_="facts")


def _or(value: float | None) -> float:
    return float("inf") if value is None else value


def _part(value: float, budget: dict[str, Any]) -> float:
    return value / budget["limit_usd"] if budget["limit_usd"] > 0 else 1.0


def _budget(told: dict[str, Any]) -> Html:
    spent, held = _part(told["spent_usd"], told), _part(told["reserved_usd"], told)
    out = exhausts_in(told)
    style = "bad" if out == 0 else "warn" if out is not None else ""
    if out == 0:
        words = f"used up; new in {time_span(told['resets_in_s'])}"
    elif out is not None:
        words = f"used up in {time_span(out)} at this pace"
    else:
        words = f"lasts; new in {time_span(told['resets_in_s'])}"
    label = f"{percent(spent)} spent, {percent(held)} reserved"
    drawn = marks.stack([(f"fill {style}".strip(), spent), ("reserved", held)], label, width=90)
    return el(
        "tr",
        el("th", f"{told['scope']} {told['name']}, {told['period']}", scope="row"),
        el("td", usd(told["spent_usd"]), span("of", f" of {usd(told['limit_usd'])}")),
        el("td", drawn, " ", span(style or "dim", words)),
    )


def _rest(budgets: list[dict[str, Any]]) -> Html | None:
    more = len(budgets) - 8
    return None if more <= 0 else _line(f"{more} more", NONE, "see /v1/budgets")


def _advice(document: dict[str, Any], savings: dict[str, Any] | None) -> Html | None:
    """Return a note where routing does not pay here."""
    models = {row["model"] for tier in document["tiers"] for row in tier["deployments"]}
    told = []
    if savings is not None and 0 < savings["requests"] < FEW:
        told.append(
            f"{count(savings['requests'])} requests in {_DAYS} days: below some {count(FEW)} a month "
            "routing does not pay for the attention it takes."
        )
    if len(models) == 1:
        told.append("Only one model is offered: there is failover, but nothing to choose.")
    return el("p", " ".join(told), " ", el("code", "lbd advise"), " says more.", class_="note") if told else None
