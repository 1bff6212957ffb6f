"""Where requests went: surface, class, tier, deployment, as bands whose width is their number or their cost.

Bands of requests that moved before the first word are drawn in the colour of trouble, those of an experiment's
treatment dashed. What nobody served ends in a box of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lbd.page.markup import Html, el, join, number, span
from lbd.page.numbers import rate, usd

WIDTH, HEIGHT = 560, 176
BOX, PAD = 7.0, 5.0  # a box's width, the least room between two
_LETTER = 11.0  # pixels from one line of words to the next
NOBODY, ANY = "nobody", "no surface"
_COLUMNS = ("surface", "urgency", "tier", "deployment")
_LEFT = (0.0, 132.0, 268.0, 376.0)


class Box(NamedTuple):
    """One name in one column."""

    x: float
    y: float
    height: float


def _names(way: Mapping[str, Any]) -> tuple[str, ...]:
    served = way["deployment"] is not None
    return (way["surface"] or ANY, way["urgency"], way["tier"] if served else "-", way["deployment"] or NOBODY)


def drawing(flow: list[dict[str, Any]], measure: str, word: Callable[[float], str]) -> Html:
    """Return the bands, their width by ``measure`` (a key of each way), told by ``word``."""
    ways = [(_names(way), float(way[measure]), bool(way["moved"]), bool(way["treated"])) for way in flow]
    total = sum(value for _, value, *_ in ways)
    if total <= 0:
        return el("p", "nothing to show yet", class_="dim empty")
    boxes = _boxes(ways, total)
    bands: list[Html] = []
    offsets: dict[tuple[int, str, bool], float] = {}
    scale = _scale(boxes, total)
    for names, value, moved, treated in sorted(ways, key=lambda way: [boxes[i, n].y for i, n in enumerate(way[0])]):
        thick = value * scale
        class_ = "band" + (" moved" if moved else "") + (" treated" if treated else "")
        for i in range(len(_COLUMNS) - 1):
            a, b = boxes[i, names[i]], boxes[i + 1, names[i + 1]]
            y1 = a.y + offsets.get((i, names[i], True), 0.0)
            y2 = b.y + offsets.get((i + 1, names[i + 1], False), 0.0)
            offsets[i, names[i], True] = offsets.get((i, names[i], True), 0.0) + thick
            offsets[i + 1, names[i + 1], False] = offsets.get((i + 1, names[i + 1], False), 0.0) + thick
            bands.append(_band(a.x + BOX, y1, b.x, y2, thick, class_))
    sums: dict[tuple[int, str], float] = {}
    for names, value, *_ in ways:
        for i, name in enumerate(names):
            sums[i, name] = sums.get((i, name), 0.0) + value
    beside = _labels(boxes)
    marks = [_box(i, name, box, word(sums[i, name]), beside.get((i, name))) for (i, name), box in boxes.items()]
    label = "; ".join(f"{' to '.join(names)}: {word(value)}" for names, value, *_ in ways[:12])
    return el(
        "svg",
        join([*bands, *marks]),
        class_="flow",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=f"Requests by way: {label}",
    )


def _boxes(ways: list[Any], total: float) -> dict[tuple[int, str], Box]:
    """Lay out each column's boxes, the largest on top, in the order of what flows in where that is known."""
    columns: list[dict[str, float]] = [{} for _ in _COLUMNS]
    for names, value, *_ in ways:
        for i, name in enumerate(names):
            columns[i][name] = columns[i].get(name, 0.0) + value
    most = max(len(column) for column in columns)
    scale = (HEIGHT - PAD * (most - 1) - 2) / total
    out: dict[tuple[int, str], Box] = {}
    for i, column in enumerate(columns):
        y = 1.0
        for name, value in sorted(column.items(), key=lambda of: (of[0] not in (NOBODY, "-"), -of[1], of[0])):
            out[i, name] = Box(_LEFT[i], y, value * scale)
            y += value * scale + PAD
    return out


def _scale(boxes: Mapping[tuple[int, str], Box], total: float) -> float:
    return sum(box.height for (i, _), box in boxes.items() if i == 0) / total


def _band(x1: float, y1: float, x2: float, y2: float, thick: float, class_: str) -> Html:
    thick = max(thick, 0.6)
    middle = number((x1 + x2) / 2)
    a, b, c, d = (number(v) for v in (y1, y2, y2 + thick, y1 + thick))
    left, right = number(x1), number(x2)
    path = f"M{left} {a}C{middle} {a} {middle} {b} {right} {b}V{c}C{middle} {c} {middle} {d} {left} {d}Z"
    return el("path", class_=class_, d=path)


def _labels(boxes: Mapping[tuple[int, str], Box]) -> dict[tuple[int, str], float]:
    """Return where each box's words stand: beside it, none upon another; what has no room has none."""
    out: dict[tuple[int, str], float] = {}
    lowest: dict[int, float] = {}
    for (column, name), box in boxes.items():
        y = max(9.0, box.y + box.height / 2 + 3.5, lowest.get(column, 0.0) + _LETTER)
        if y <= HEIGHT + 2:
            out[column, name] = lowest[column] = y
    return out


def _box(column: int, name: str, box: Box, words: str, y: float | None) -> Html:
    shown = "" if name == "-" or y is None else _short(name, 23 if column == 3 else 17)
    class_ = "box lost" if name in (NOBODY, "-") else "box"
    return join(
        [
            el(
                "rect",
                class_=class_,
                x=number(box.x),
                y=number(box.y),
                width=BOX,
                height=number(max(0.8, box.height)),
            ),
            el("text", shown, el("tspan", f" {words}", class_="dim"), x=number(box.x + BOX + 4), y=number(y or 0.0))
            if shown
            else None,
        ]
    )


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def panel(document: dict[str, Any]) -> Html:
    """Return the flow band; the two widths are chosen between without a script."""
    flow = document["flow"]
    return el(
        "section",
        el("h2", "Flow ", span("dim", "last 5 min, by")),
        *_choice("flow-by", (("rps", "requests"), ("usd", "cost"))),
        el("div", drawing(flow, "rps", lambda v: f"{rate(v)}/s"), class_="for-rps"),
        el("div", drawing(flow, "usd_per_h", lambda v: f"{usd(v)}/h"), class_="for-usd"),
        _key(flow),
        class_="panel flow-panel",
        id="flow",
        aria_label="Flow of requests",
    )


def _choice(name: str, options: tuple[tuple[str, str], ...]) -> list[Html]:
    out = []
    for i, (value, word) in enumerate(options):
        id_ = f"{name}-{value}"
        out.append(el("input", type="radio", name=name, id=id_, checked=i == 0, class_="chip"))
        out.append(el("label", word, for_=id_))
    return out


def _key(flow: list[dict[str, Any]]) -> Html | None:
    told = []
    if any(way["moved"] for way in flow):
        told.append(span("key moved", "moved before the first word"))
    if any(way["treated"] for way in flow):
        told.append(span("key treated", "treated by an experiment"))
    return el("p", join(told, " "), class_="keys") if told else None
