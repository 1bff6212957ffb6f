"""Small drawings in a cell: a line over time with its limit, percentiles against a target, uptime, a share of a whole.

Each has its meaning as text beside it or in ``aria-label``: nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from lbd.page.markup import Html, el, join, number

Points: TypeAlias = list[tuple[float, float]]

WIDTH, HEIGHT = 78, 22
BAR_WIDTH, BAR_HEIGHT = 128, 9
_CELL, _GAP = 3, 4  # pixels of a piece of uptime, and between the three windows


def svg(width: int, height: int, label: str, *inner: Html | None, class_: str = "mark") -> Html:
    """Return a drawing of a fixed size."""
    return el(
        "svg",
        join(inner),
        class_=class_,
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=label,
    )


def _strokes(values: Sequence[float | None], top: float, width: float, height: float) -> list[Points]:
    """Return the points of each unbroken run."""
    step = width / max(1, len(values) - 1)
    runs: list[Points] = [[]]
    for i, value in enumerate(values):
        if value is None:
            if runs[-1]:
                runs.append([])
        else:
            runs[-1].append((i * step, height - min(1.0, max(0.0, value / top)) * height))
    return [run for run in runs if run]


def spark(values: Sequence[float | None], limit: float, label: str, *, headroom: float = 1.6) -> Html:
    """Return a line over time with its limit, never scaled so that little looks like much.

    The limit stands at a fixed height while values stay below ``headroom`` of it; what is above it is filled.
    """
    known = [v for v in values if v is not None]
    top = max(limit * headroom, max(known, default=0.0) * 1.05)
    width, height = WIDTH, HEIGHT - 2
    at = height - limit / top * height + 1
    parts = [el("line", class_="limit", x1=0, x2=width, y1=number(at), y2=number(at))]
    for run in _strokes(values, top, width, height):
        points = [(x, y + 1) for x, y in run]
        if len(points) == 1:
            parts.append(el("circle", class_="dot", cx=number(points[0][0]), cy=number(points[0][1]), r=1.3))
            continue
        over = _over(points, at)
        if over:
            parts.append(el("path", class_="over", d=over))
        parts.append(el("polyline", class_="run", points=" ".join(f"{number(x)},{number(y)}" for x, y in points)))
    return svg(WIDTH, HEIGHT, label, *parts, class_="mark spark")


def _over(points: Sequence[tuple[float, float]], at: float) -> str:
    """Return the outline of what lies above the limit (smaller y)."""
    if min(y for _, y in points) >= at:
        return ""
    cut = [(x, min(y, at)) for x, y in points]
    line = " ".join(f"L{number(x)} {number(y)}" for x, y in cut)
    return f"M{number(cut[0][0])} {number(at)} {line} L{number(cut[-1][0])} {number(at)}Z"


def bullet(p50: float | None, p95: float | None, p99: float | None, target: float, label: str) -> Html:
    """Return three percentiles as nested bars; the target is the tick, always at the middle."""
    parts = [el("rect", class_="rail", x=0, y=3, width=BAR_WIDTH, height=3)]
    for class_, value, thick in (("p99", p99, 5), ("p95", p95, 7), ("p50", p50, 9)):
        if value is None:
            continue
        width = min(1.0, value / (2 * target)) * BAR_WIDTH
        late = " late" if class_ == "p95" and value > target else ""
        parts.append(
            el("rect", class_=class_ + late, x=0, y=(9 - thick) / 2, width=number(max(1.0, width)), height=thick)
        )
    half = BAR_WIDTH // 2
    parts.append(el("line", class_="tick", x1=half, x2=half, y1=0, y2=BAR_HEIGHT))
    return svg(BAR_WIDTH, BAR_HEIGHT, label, *parts)


def gauge(value: float | None, tick: float | None, label: str, *, width: int = 56, class_: str = "") -> Html:
    """Return a share of a whole as a bar, with a tick where it ought to be."""
    parts = [el("rect", class_="rail", x=0, y=2, width=width, height=4)]
    if value is not None:
        part = min(1.0, max(0.0, value)) * width
        parts.append(el("rect", class_=f"fill {class_}".strip(), x=0, y=2, width=number(part), height=4))
    if tick is not None:
        x = number(min(1.0, max(0.0, tick)) * (width - 1) + 0.5)
        parts.append(el("line", class_="tick", x1=x, x2=x, y1=0, y2=8))
    return svg(width, 8, label, *parts)


def level(up: float | None) -> str:
    """Return the class of a piece of uptime."""
    return "none" if up is None else "all" if up >= 0.9995 else "most" if up > 0.5 else "out"


def uptime(windows: Sequence[Sequence[float | None]], label: str) -> Html:
    """Return uptime in pieces, oldest first, a window after the other; what was out is also lower."""
    parts: list[Html] = []
    x = 0
    for window in windows:
        # pieces alike are drawn as one path: a row has thirty-two
        paths: dict[str, list[str]] = {}
        for piece in window:
            tall = 14 if piece is None else max(3, round(14 * piece))
            paths.setdefault(level(piece), []).append(f"M{x} {15 - tall}h{_CELL - 1}v{tall}h-{_CELL - 1}z")
            x += _CELL
        parts += [el("path", class_=class_, d="".join(drawn)) for class_, drawn in paths.items()]
        x += _GAP
    return svg(max(1, x - _GAP), 16, label, *parts, class_="mark uptime")


def stack(parts: Sequence[tuple[str, float]], label: str, *, width: int = 160) -> Html:
    """Return shares of a whole (0..1) one after the other; ``reserved`` is hatched by its class."""
    drawn = [el("rect", class_="rail", x=0, y=1, width=width, height=8)]
    x = 0.0
    for class_, share in parts:
        wide = min(width - x, max(0.0, share) * width)
        drawn.append(el("rect", class_=class_, x=number(x), y=1, width=number(wide), height=8))
        x += wide
    return svg(width, 10, label, *drawn)
