"""Forms: signing in, and an order with its reason, which is also its confirmation. They work without a script."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from lbd.page import shell, state, table
from lbd.page.markup import Html, el, span
from lbd.page.numbers import ago, epoch, percent, rate

ACTIONS: dict[str, tuple[str, str]] = {
    "drain": ("Drain", "Running requests end as usual; new ones go elsewhere."),
    "maint": ("Maintenance", "As draining, and it is not probed for its health any more."),
    "ready": ("Ready", "It gets requests again as its health allows; an override of its weight stays."),
    "weight": ("Weight", "Its part of the traffic within its tier, against the weights of the others there."),
    "reset-breaker": (
        "Reset breaker",
        "Closes the breaker and lifts lock-out, suspicion and rate-limit block: requests go there at once.",
    ),
    "probe-now": ("Probe now", "Its provider's free probes are made at once."),
}
TIMED = ("drain", "maint", "weight")  # those that may end by themselves
TIMES = (
    ("", "until somebody ends it"),
    ("600", "10 minutes"),
    ("1800", "30 minutes"),
    ("3600", "1 hour"),
    ("14400", "4 hours"),
    ("86400", "1 day"),
)


def buttons(row: dict[str, Any], visitor: shell.Visitor) -> Html:
    """Return the ways to the orders that make sense for a row now."""
    if visitor.name is None:
        if visitor.may_sign_in:
            return el("p", el("a", "Sign in", href="/sign-in"), " to give orders.", class_="dim")
        ways = (
            "To give orders here set ",
            el("code", "admin.token"),
            "; or use ",
            el("code", "lbd ctl"),
            " on the host.",
        )
        return el("p", *ways, class_="dim")
    now = row["admin"]["state"]
    shown = [action for action in ACTIONS if action != now]
    links = [el("a", ACTIONS[a][0], href=f"{table.path(row['id'])}/{a}", class_="button", role="button") for a in shown]
    return el("div", *links, class_="actions")


def order(
    row: dict[str, Any], action: str, time: str, *, visitor: shell.Visitor, told: str | None = None, reason: str = ""
) -> list[Html | None]:
    """Return the page that confirms an order; ``told`` says what was wrong with the last try."""
    name, what = ACTIONS[action]
    fields: list[Html | None] = [shell.csrf(visitor)]
    if action == "weight":
        now = row["weight"]
        fields += [
            el(
                "label",
                "Weight, 0 to 1000 ",
                span("dim", f"now {now:g}; empty: as configured"),
                for_="weight",
            ),
            el("input", id="weight", name="weight", inputmode="decimal", autocomplete="off"),
        ]
    if action in TIMED:
        options = [el("option", words, value=value) for value, words in TIMES]
        fields += [el("label", "Until", for_="for"), el("select", *options, id="for", name="for_s")]
    fields += [
        el("label", "Reason ", el("span", "for the record; required", class_="dim"), for_="reason"),
        el("input", id="reason", name="reason", value=reason, required=True, maxlength=500, autocomplete="off"),
        el(
            "div",
            el("button", f"{name} {row['id']}", type="submit", class_="go"),
            el("a", "Cancel", href=table.path(row["id"]), class_="button", role="button"),
            class_="actions",
        ),
    ]
    return [
        shell.crumbs(el("a", row["id"], href=table.path(row["id"])), name),
        el("h1", f"{name}: {row['id']}"),
        None if told is None else el("p", told, class_="told bad", role="alert"),
        el("p", what),
        el("p", *_now(row, time), class_="dim"),
        el("form", *fields, method="post", action=f"{table.path(row['id'])}/{action}", class_="order-form"),
    ]


def _now(row: dict[str, Any], time: str) -> list[Html | str]:
    return [
        "Now: ",
        state.sign(row["state"]),
        " for ",
        ago(epoch(row["state_since"]), epoch(time)),
        f", {rate(row['rps'])} requests/s, {percent(row['share']['actual'], 0)} of all, {row['inflight']} in flight.",
    ]


def sign_in(next_: str, *, told: str | None = None, possible: bool) -> list[Html | None]:
    """Return the form that takes the admin token."""
    if not possible:
        return [
            el("h1", "Sign in"),
            el("p", "There is no token to sign in with: set ", el("code", "admin.token"), " in the configuration."),
        ]
    return [
        el("h1", "Sign in"),
        None if told is None else el("p", told, class_="told bad", role="alert"),
        el(
            "form",
            el("input", type="hidden", name="next", value=next_),
            el("label", "Admin token", for_="token"),
            el("input", id="token", name="token", type="password", required=True, autocomplete="current-password"),
            el("label", "Your name ", el("span", "stands with what you order", class_="dim"), for_="name"),
            el("input", id="name", name="name", maxlength=60, autocomplete="username"),
            el("div", el("button", "Sign in", type="submit", class_="go"), class_="actions"),
            method="post",
            action="/sign-in",
            class_="order-form",
        ),
    ]


SILENCES = (
    ("1800", "30 minutes"),
    ("3600", "1 hour"),
    ("14400", "4 hours"),
    ("86400", "1 day"),
    ("0", "no more: tell it"),
)


def silence(id_: str, *, visitor: shell.Visitor, told: str | None = None) -> list[Html | None]:
    """Return the form that silences an alert; it is shown on, and told to nobody."""
    options = [el("option", words, value=value, selected=value == "3600") for value, words in SILENCES]
    fields = [
        shell.csrf(visitor),
        el("label", "For", for_="for"),
        el("select", *options, id="for", name="for_s"),
        el("label", "Reason ", span("dim", "for the record; required"), for_="reason"),
        el("input", id="reason", name="reason", required=True, maxlength=500, autocomplete="off"),
        el(
            "div",
            el("button", f"Silence {id_}", type="submit", class_="go"),
            el("a", "Cancel", href="/", class_="button", role="button"),
            class_="actions",
        ),
    ]
    return [
        shell.crumbs(f"alert {id_}", "silence"),
        el("h1", f"Silence: {id_}"),
        None if told is None else el("p", told, class_="told bad", role="alert"),
        el("p", "It stays on the page and in the timeline; receivers are not told of it meanwhile."),
        el("form", *fields, method="post", action=silence_path(id_), class_="order-form"),
    ]


def silence_path(id_: str) -> str:
    """Return the path of that form."""
    return f"/alerts/{quote(id_, safe='', errors='replace')}/silence"
