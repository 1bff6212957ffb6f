"""Background work on the page: how batches and single requests stand, who is due first, and what got no answer."""

from __future__ import annotations

from typing import Any

from lbd.page.markup import Html, Inner, el, join, span
from lbd.page.numbers import ago, count, due
from lbd.page.numbers import span as lasting

LETTERS = 5  # dead letters that are shown; the API tells more
_BUSY = frozenset({"validating", "in_progress", "finalizing", "cancelling"})  # what has not ended
_ILL = {"failed": "bad", "expired": "bad"}


def panel(told: dict[str, Any] | None, now: float) -> Html:
    """Return the panel; there, and hidden, where nothing is under way and nothing was lost."""
    shown = told is not None and (bool(told["dead_letters"]) or any(told["by_status"].get(s) for s in _BUSY))
    return el(
        "section",
        el("h2", "Background work"),
        *(_contents(told, now) if shown and told is not None else ()),
        class_="panel queue",
        id="queue",
        aria_label="Background work",
        hidden=not shown,
    )


def _contents(told: dict[str, Any], now: float) -> list[Inner]:
    states = [
        join([el("b", count(n), class_=_ILL.get(status)), f" {status.replace('_', ' ')}"])
        for status, n in told["by_status"].items()
        if n
    ]
    line: list[Inner] = [join(states, ", ")]
    if told["waiting"]:
        line += ["; ", el("b", count(told["waiting"])), " requests wait, the oldest for ", lasting(told["oldest_s"])]
    if told["next_expires_at"] is not None:
        line += ["; the next deadline is ", due(told["next_expires_at"], now)]
    out: list[Inner] = [el("p", *line)]
    letters = told["dead_letters"]
    if letters:
        more = f", {len(letters) - LETTERS} more" if len(letters) > LETTERS else ""
        where = join([f"Without an answer to all of it{more}, as JSON: ", el("a", "/v1/queue", href="/v1/queue")])
        out += [el("p", where), el("ul", *[_letter(letter, now) for letter in letters[:LETTERS]], class_="letters")]
    return out


def _letter(told: dict[str, Any], now: float) -> Html:
    """Return one that ended without an answer to each of its lines; its client alone may read the file of errors."""
    lost = "" if told["fault"] else f", {count(told['failed'])} of {count(told['of'])} unanswered"
    file = (
        None
        if told["error_file_id"] is None
        else join([" ", el("code", f"GET /v1/files/{told['error_file_id']}/content")])
    )
    ended = None if told["ended_at"] is None else join([" ", ago(told["ended_at"], now), " ago"])
    return el(
        "li",
        span("bad", "✕ ", told["status"]),
        ended,
        ": ",
        el("code", told["id"]),
        f" of {told['client']}{lost}",
        None if told["fault"] is None else f": {told['fault']}",
        None if file is None else join([", why with its client's key:", file]),
    )
