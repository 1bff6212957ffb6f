"""Where requests went: surface, class, tier, deployment, as bands whose width is their number or their cost.

Bands of requests that moved before the first word are drawn in the colour of trouble, those of an experiment's
treatment dashed. What nobody served ends in a box of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from lbd.page.markup import Html, el, join, number, span
from lbd.page.numbers import rate, usd

WIDTH, HEIGHT = 560, 176
BOX, PAD = 7.0, 5.0  # a box's width, the least room between two
_LETTER = 11.0  # pixels from one line of words to the next
NOBODY, ANY = "nobody", "no surface"
_MORE = "… "  # how the name of a box of several begins, which stands below the others
_LOST = frozenset({NOBODY, "-"})  # the boxes of what nobody served
_COLUMNS = ("surface", "urgency", "tier", "deployment")
_LEFT = (0.0, 132.0, 268.0, 376.0)


MOST = 14  # names in a column; those with the least are one box together, so that the drawing stays readable
_TOLD = 8  # ways in the words for who does not see the drawing


class Box(NamedTuple):
    """One name in one column."""

    x: float
    y: float
    height: float


class Way(NamedTuple):
    """What flowed through one name of each column."""

    names: tuple[str, ...]
    value: float
    moved: bool
    treated: bool


def _names(way: Mapping[str, Any]) -> tuple[str, ...]:
    served = way["deployment"] is not None
    return (way["surface"] or ANY, way["urgency"], way["tier"] if served else "-", way["deployment"] or NOBODY)


def _folded(ways: list[Way]) -> list[Way]:
    """Return ways in which no column has more than ``MOST`` names."""
    for i in range(len(_COLUMNS)):
        sums: dict[str, float] = {}
        for way in ways:
            sums[way.names[i]] = sums.get(way.names[i], 0.0) + way.value
        least = sorted(sums.keys() - _LOST, key=lambda name: (-sums[name], name))[MOST - 1 :]
        if len(least) > 1:
            word = dict.fromkeys(least, f"{_MORE}{len(least)} more")
            ways = [w._replace(names=(*w.names[:i], word.get(w.names[i], w.names[i]), *w.names[i + 1 :])) for w in ways]
    return ways


def drawing(flow: list[dict[str, Any]], measure: str, word: Callable[[float], str]) -> Html:
    """Return the bands, their width by ``measure`` (a key of each way), told by ``word``."""
    every = [Way(_names(way), float(way[measure]), bool(way["moved"]), bool(way["treated"])) for way in flow]
    total = sum(way.value for way in every)
    if total <= 0:
        return el("p", "nothing to show yet", class_="dim empty")
    ways = _folded(every)
    boxes = _boxes(ways, total)
    sums: dict[tuple[int, str], float] = {}
    for way in ways:
        for i, name in enumerate(way.names):
            sums[i, name] = sums.get((i, name), 0.0) + way.value
    beside = _labels(boxes)
    marks = [_box(i, name, box, word(sums[i, name]), beside.get((i, name))) for (i, name), box in boxes.items()]
    return el(
        "svg",
        el("g", *_bands(ways, boxes, _scale(boxes, total)), class_="bands"),
        *marks,
        class_="flow",
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=_label(every, word),
    )


def _label(ways: list[Way], word: Callable[[float], str]) -> str:
    """Return the largest ways in words."""
    largest = sorted(ways, key=lambda way: -way.value)
    told = [f"{' to '.join(way.names)}: {word(way.value)}" for way in largest[:_TOLD]]
    if len(ways) > _TOLD:
        rest = largest[_TOLD:]
        told.append(f"{len(rest)} more: {word(sum(way.value for way in rest))}")
    return f"Requests by way: {'; '.join(told)}"


def _bands(ways: list[Way], boxes: Mapping[tuple[int, str], Box], scale: float) -> Iterator[Html]:
    """Yield a band for all that went from one box to the next in the same manner."""
    sums: dict[tuple[int, str, str, bool, bool], float] = {}
    for way in ways:
        for i, (a, b) in enumerate(pairwise(way.names)):
            key = i, a, b, way.moved, way.treated
            sums[key] = sums.get(key, 0.0) + way.value
    out: dict[tuple[int, str], float] = {}
    into: dict[tuple[int, str], float] = {}
    for key in sorted(sums, key=lambda k: (k[0], boxes[k[0], k[1]].y, boxes[k[0] + 1, k[2]].y, k[3:])):
        i, left, right, moved, treated = key
        here, there, thick = boxes[i, left], boxes[i + 1, right], sums[key] * scale
        y1, y2 = (at.get(of, 0.0) + thick / 2 for at, of in ((out, (i, left)), (into, (i + 1, right))))
        out[i, left], into[i + 1, right] = y1 + thick / 2, y2 + thick / 2
        class_ = " ".join(word for word, so in (("moved", moved), ("treated", treated)) if so)
        yield _band(here.x + BOX, here.y + y1, there.x, there.y + y2, thick, class_ or None)


def _boxes(ways: list[Way], total: float) -> dict[tuple[int, str], Box]:
    """Lay out each column's boxes, the largest on top, in the order of what flows in where that is known."""
    columns: list[dict[str, float]] = [{} for _ in _COLUMNS]
    for way in ways:
        for i, name in enumerate(way.names):
            columns[i][name] = columns[i].get(name, 0.0) + way.value
    most = max(len(column) for column in columns)
    scale = (HEIGHT - PAD * (most - 1) - 2) / total
    out: dict[tuple[int, str], Box] = {}
    for i, column in enumerate(columns):
        y = 1.0
        for name, value in sorted(
            column.items(), key=lambda of: (of[0] not in _LOST, of[0].startswith(_MORE), -of[1], of[0])
        ):
            out[i, name] = Box(_LEFT[i], y, value * scale)
            y += value * scale + PAD
    return out


def _scale(boxes: Mapping[tuple[int, str], Box], total: float) -> float:
    return sum(box.height for (i, _), box in boxes.items() if i == 0) / total


def _band(x1: float, y1: float, x2: float, y2: float, thick: float, class_: str | None) -> Html:
    """Return a thick line between two points that is level at both."""
    half, wide, down = number((x2 - x1) / 2), number(x2 - x1), number(y2 - y1)
    path = f"M{number(x1)} {number(y1)}c{half} 0 {half} {down} {wide} {down}"
    return el("path", class_=class_, d=path, stroke_width=number(max(thick, 0.6)))


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
    return join(
        [
            el(
                "rect",
                class_="lost" if name in _LOST else None,
                x=number(box.x),
                y=number(box.y),
                width=BOX,
                height=number(max(0.8, box.height)),
            ),
            el("text", shown, el("tspan", f" {words}"), x=number(box.x + BOX + 4), y=number(y or 0.0))
            if shown
            else None,
        ]
    )


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def panel(document: dict[str, Any]) -> Generator[None, None, Html]:
    """Return the flow band, in pieces; the two widths are chosen between without a script."""
    flow = document["flow"]
    by_rate = drawing(flow, "rps", lambda v: f"{rate(v)}/s")
    yield
    by_cost = drawing(flow, "usd_per_h", lambda v: f"{usd(v)}/h")
    yield
    return el(
        "section",
        el("h2", "Flow ", span("dim", "last 5 min, by")),
        *_choice("flow-by", (("rps", "requests"), ("usd", "cost"))),
        el("div", by_rate, class_="for-rps"),
        el("div", by_cost, class_="for-usd"),
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
