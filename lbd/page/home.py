"""The first screen, as parts that can each be sent again: verdict, numbers, rows, flow, money, events, background
work, experiments.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Any, NamedTuple

from lbd.page import experiments, flow, money, queue, shell, state, table, timeline, verdict
from lbd.page.markup import Html, el, join
from lbd.page.numbers import epoch
from lbd.ports.turns import at_once

ROOMY = 8  # rows; with more, those that are well take one line each, so that all fit on one screen
CROWDED = 20  # rows; with more, a tier of whose rows nothing is to be told is one line, until somebody opens it
PANELS = ("flow", "money", "events", "queue", "experiments")
FOLDS = 6  # tiers that can be folded: each has its own line in the style
_AGES = re.compile(r"(<time[^>]*>)[^<]*")
_DATA_AGE = re.compile(r"<dt>data age</dt><dd>[^<]*")


class Scene(NamedTuple):
    """The documents of one moment, as the admin API tells them."""

    providers: dict[str, Any]
    savings: dict[str, Any] | None
    budgets: list[dict[str, Any]]
    experiments: list[dict[str, Any]]
    events: list[dict[str, Any]]
    queue: dict[str, Any] | None = None  # None: nothing is known of it


class Drawn(NamedTuple):
    """A scene as markup: parts by the id of the element that each is, and which rows there are."""

    parts: dict[str, Html]
    rows: tuple[tuple[str, tuple[str, ...]], ...]  # of each tier, the ids of its parts
    status: str


def drawn(scene: Scene, before: Drawn | None = None) -> Drawn:
    """Draw everything at once."""
    return at_once(drawing(scene, before))


def drawing(scene: Scene, before: Drawn | None = None) -> Generator[None, None, Drawn]:
    """Draw everything, piece by piece: whoever draws beside other work does that in between.

    Rows stay where they were ``before`` as long as they may.
    """
    document = scene.providers
    now = epoch(document["time"])
    floor = max(document["quality_floors"].values(), default=None)
    ids = frozenset(row["id"] for _, row in state.rows(document))
    parts: dict[str, Html] = {"verdict": verdict.verdict(document)}
    yield
    parts["numbers"] = verdict.numbers(document)
    yield
    layout = []
    crowded = len(ids) > CROWDED
    places = {} if before is None else {name: i for _, names in before.rows for i, name in enumerate(names)}
    places = {name.removeprefix("row-"): i for name, i in places.items()}
    for i, tier in enumerate(document["tiers"]):
        group = f"tier-{i}"
        fold = i if crowded and i < FOLDS and table.calm(tier, now) else None
        parts[group] = el("tbody", table.group(tier, fold), id=group, class_="group")
        names = []
        for row in table.sorted_rows(tier, places, worst_first=crowded):
            name = f"row-{row['id']}"
            parts[name] = el("tbody", table.row(tier, row, now, floor), id=name, class_=f"t{i}")
            names.append(name)
            yield
        layout.append((group, tuple(names)))
    parts["flow"] = yield from flow.panel(document)
    yield
    parts["money"] = money.panel(document, scene.savings, scene.budgets)
    yield
    alerts = document.get("alerts") or []
    parts["events"] = yield from timeline.panel(scene.events, alerts, now, ids=ids)
    yield
    parts["experiments"] = experiments.panel(scene.experiments)
    yield
    parts["queue"] = queue.panel(scene.queue, now)
    return Drawn(parts, tuple(layout), str(document["status"]))


def whole(now: Drawn) -> Html:
    """Return the contents of the page."""
    return join(
        [
            el("div", now.parts["verdict"], now.parts["numbers"], class_="strip"),
            el("div", grid(now), class_="scroll", id="table", tabindex="0", role="region", aria_label="Provider table"),
            el("div", *(now.parts[name] for name in PANELS), class_="panels"),
        ]
    )


def grid(now: Drawn) -> Html:
    """Return the provider table."""
    bodies = [now.parts[name] for group, rows in now.rows for name in (group, *rows)]
    caption = el("caption", "Deployments by tier, those that are meant to get most first", class_="unseen")
    dense = sum(len(rows) for _, rows in now.rows) > ROOMY
    return el("table", caption, table.head(), *bodies, class_="providers dense" if dense else "providers")


def steady(part: Html) -> str:
    """Return a part without what time alone changes and the page's script keeps true."""
    return _DATA_AGE.sub("", _AGES.sub(r"\1", part))


def page(now: Drawn, *, assets: shell.Assets, visitor: shell.Visitor, live: str | None) -> bytes:
    """Return the whole page."""
    return shell.document(
        f"{now.status.upper()} · lbd",
        [el("h1", "lbd, provider table", class_="unseen"), whole(now)],
        assets=assets,
        visitor=visitor,
        at="/",
        status=now.status,
        live=live,
    )
