"""Small drawings in a cell: a line over time with its limit, percentiles against a target, uptime, a share of a whole.

Each has its meaning as text beside it or in ``aria-label``: nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from typing import TypeAlias

from lbd.page.markup import Html, el, join, number

Points: TypeAlias = list[tuple[int, int]]

# pixels; the style gives drawings of a fixed size theirs and the rail below bars, since every row has them
WIDTH, HEIGHT = 78, 22
BAR_WIDTH, BAR_HEIGHT = 128, 9
GAUGE_WIDTH = 56
_FINE = 5  # parts of a pixel that the height of a line is told to
_CELL, _GAP = 3, 4  # pixels of a piece of uptime, and between the three windows
_TALL = 14  # pixels of a piece that was up all the time
_KEPT = 256  # drawings of a kind: what they show of a row changes once a minute, and they are drawn once a second


def svg(class_: str, label: str | None, *inner: Html | None, **more: str | int) -> Html:
    """Return a drawing; without a label where all it tells stands beside it in words."""
    told = {"aria_hidden": "true"} if label is None else {"role": "img", "aria_label": label}
    return el("svg", join(inner), class_=class_, **more, **told)


def line(class_: str, d: str) -> Html:
    """Return a line; bars are thick ones, which take half the bytes of rectangles."""
    return el("path", class_=class_, d=d)


def _strokes(values: Sequence[float | None], top: float) -> list[Points]:
    """Return the points of each unbroken run: which value, and how far below the upper edge."""
    tall = (HEIGHT - 2) * _FINE
    runs: list[Points] = [[]]
    for i, value in enumerate(values):
        if value is None:
            if runs[-1]:
                runs.append([])
        else:
            runs[-1].append((i, round((1 - min(1.0, max(0.0, value / top))) * tall) + _FINE))
    return [run for run in runs if run]


def _path(points: Points) -> str:
    """Return points as a path; those that lie on one straight line with their neighbours are left out."""
    steps: list[list[int]] = []
    for (x, y), (then_x, then_y) in pairwise(points):
        dx, dy = then_x - x, then_y - y
        if steps and steps[-1][1] * dx == dy * steps[-1][0]:
            steps[-1] = [steps[-1][0] + dx, steps[-1][1] + dy]
        else:
            steps.append([dx, dy])
    told = " ".join(f"{dx}{dy}" if dy < 0 else f"{dx} {dy}" for dx, dy in steps)
    return f"M{points[0][0]} {points[0][1]}l{told or '0 0'}"


@lru_cache(_KEPT)
def spark(values: tuple[float | None, ...], limit: float, label: str, *, headroom: float = 1.6) -> Html:
    """Return a line over time with its limit, never scaled so that little looks like much.

    The limit stands at a fixed height while values stay below ``headroom`` of it; what is above it is filled. A value
    is one wide and the style says how wide the drawing is.
    """
    known = [v for v in values if v is not None]
    top = max(limit * headroom, max(known, default=0.0) * 1.05)
    at = round((1 - limit / top) * (HEIGHT - 2) * _FINE) + _FINE
    last = max(1, len(values) - 1)
    parts = [line("limit", f"M0 {at}h{last}")]
    for run in _strokes(values, top):
        if len(run) == 1:
            parts.append(line("dot", _path(run)))
            continue
        if min(y for _, y in run) < at:
            above = _path([(x, min(y, at)) for x, y in run])
            parts.append(line("over", f"{above}V{at}H{run[0][0]}z"))
        parts.append(line("run", _path(run)))
    frame = {"viewBox": f"0 0 {last} {HEIGHT * _FINE}", "preserveAspectRatio": "none"}
    return svg("spark", label, *parts, **frame)


def bullet(p50: float | None, p95: float | None, p99: float | None, target: float) -> Html:
    """Return three percentiles as nested bars; the target is the tick, always at the middle."""
    parts: list[Html] = []
    for class_, value in (("p99", p99), ("p95", p95), ("p50", p50)):
        if value is None:
            continue
        width = min(1.0, value / (2 * target)) * BAR_WIDTH
        late = " late" if class_ == "p95" and value > target else ""
        parts.append(line(class_ + late, f"M0 4.5h{number(max(1.0, width))}"))
    parts.append(line("tick", f"M{BAR_WIDTH // 2} 0v{BAR_HEIGHT}"))
    return svg("bullet", None, *parts, viewBox=f"0 0 {BAR_WIDTH} {BAR_HEIGHT}")


def gauge(value: float | None, tick: float | None, label: str | None, *, class_: str = "") -> Html:
    """Return a share of a whole as a bar, with a tick where it ought to be."""
    parts: list[Html] = []
    if value is not None:
        part = min(1.0, max(0.0, value)) * GAUGE_WIDTH
        parts.append(line(f"fill {class_}".strip(), f"M0 4h{number(part)}"))
    if tick is not None:
        x = number(min(1.0, max(0.0, tick)) * (GAUGE_WIDTH - 1) + 0.5)
        parts.append(line("tick", f"M{x} 0v8"))
    return svg("gauge", label, *parts)


def level(up: float | None) -> str:
    """Return the class of a piece of uptime."""
    return "none" if up is None else "all" if up >= 0.9995 else "most" if up > 0.5 else "out"


@lru_cache(_KEPT)
def uptime(windows: tuple[tuple[float | None, ...], ...], label: str) -> Html:
    """Return uptime in pieces, oldest first, a window after the other; what was out is also lower.

    Pieces alike that follow each other are one dashed line, as thick as they are tall: a row has thirty-two.
    """
    paths: dict[str, list[str]] = {}
    x = 0
    for window in windows:
        told = [(level(piece), _TALL if piece is None else max(3, round(_TALL * piece))) for piece in window]
        for (class_, tall), alike in groupby(told):
            count = len(list(alike))
            if tall == _TALL:
                paths.setdefault(class_, []).append(f"M{x} 8h{count * _CELL - 1}")
            else:
                bars = (f"M{x + i * _CELL + 1} 15v-{tall}" for i in range(count))
                paths.setdefault(f"{class_} low", []).extend(bars)
            x += count * _CELL
        x += _GAP
    wide = max(1, x - _GAP)
    parts = [line(class_, "".join(drawn)) for class_, drawn in paths.items()]
    return svg("uptime", label, *parts, width=wide, height=16, viewBox=f"0 0 {wide} 16")


def stack(parts: Sequence[tuple[str, float]], label: str, *, width: int = 160) -> Html:
    """Return shares of a whole (0..1) one after the other; ``reserved`` is hatched by its class."""
    drawn = [el("rect", class_="rail", x=0, y=1, width=width, height=8)]
    x = 0.0
    for class_, share in parts:
        wide = min(width - x, max(0.0, share) * width)
        drawn.append(el("rect", class_=class_, x=number(x), y=1, width=number(wide), height=8))
        x += wide
    return svg("mark", label, *drawn, width=width, height=10, viewBox=f"0 0 {width} 10")
