"""Six hours of one deployment as a drawing that needs no script; with one, a chart to point at takes its place."""

from __future__ import annotations

from typing import Any

from lbd.page.markup import Html, el, join, number, span
from lbd.page.numbers import epoch, finite, latency, percent

WIDTH, HEIGHT = 860, 190
LEFT, TOP, LOW = 44, 8, 40  # room for the axis, and for errors below
_LINES = (("l99", "ttft_p99_s", "p99"), ("l95", "ttft_p95_s", "p95"), ("l50", "ttft_p50_s", "p50"))


def six_hours(history: dict[str, Any], target: float, marks: list[float], *, source: str) -> Html:
    """Return the chart; ``marks`` are times of transitions (seconds since the epoch), ``source`` where its data are."""
    known = [v for _, key, _ in _LINES for v in finite(history[key])]
    top = max([target * 1.3, *known])
    plain = el(
        "svg",
        *_axes(history, top, target),
        *[_transition(at, history) for at in marks],
        *[_line(class_, history[key], top) for class_, key, _ in _LINES],
        *_errors(history["error_ratio"]),
        class_="six",
        viewBox=f"0 0 {WIDTH} {HEIGHT + LOW}",
        role="img",
        aria_label=_told(history),
    )
    legend = el(
        "p",
        *[span(class_, f"{name} of the first content") for class_, _, name in reversed(_LINES)],
        span("target", f"target {latency(target)}"),
        span("errors", "errors"),
        span("mark", "transitions"),
        class_="legend",
    )
    return el(
        "div",
        legend,
        el("div", plain, id="chart", data_history=source, data_target=target),
        class_="chart",
    )


def _told(history: dict[str, Any]) -> str:
    p95s, ratios = finite(history["ttft_p95_s"]), finite(history["error_ratio"])
    if not p95s:
        return "Six hours: no answers"
    return (
        f"Six hours: p95 of the first content from {latency(min(p95s))} to {latency(max(p95s))}, "
        f"errors up to {percent(max(ratios, default=0.0))} in a minute"
    )


def _x(i: float, count: int) -> float:
    return LEFT + i / max(1, count - 1) * (WIDTH - LEFT - 4)


def _axes(history: dict[str, Any], top: float, target: float) -> list[Html]:
    count = len(history["ttft_p95_s"])
    out = []
    for share in (0.0, 0.5, 1.0):
        y = number(TOP + (1 - share) * (HEIGHT - TOP))
        out.append(el("line", class_="axis", x1=LEFT, x2=WIDTH, y1=y, y2=y))
        out.append(el("text", latency(top * share) if share else "0", x=LEFT - 4, y=y, text_anchor="end", dy="3"))
    y = number(TOP + (1 - target / top) * (HEIGHT - TOP))
    out.append(el("line", class_="limit", x1=LEFT, x2=WIDTH, y1=y, y2=y))
    for hours in range(6, -1, -1):
        x = number(_x((count - 1) * (1 - hours / 6), count))
        anchor = "end" if hours == 0 else "middle"
        out.append(el("text", f"-{hours} h" if hours else "now", x=x, y=HEIGHT + LOW - 2, text_anchor=anchor))
    return out


def _line(class_: str, values: list[float | None], top: float) -> Html | None:
    """Return one line; where there is nothing it is broken, and a value with none beside it is a dot."""
    path, before = [], False
    for i, value in enumerate(values):
        if value is None:
            before = False
            continue
        x, y = number(_x(i, len(values))), number(TOP + (1 - min(1.0, value / top)) * (HEIGHT - TOP))
        path.append(f"L{x} {y}" if before else f"M{x} {y}h.1")
        before = True
    return el("path", class_=f"l {class_}", d="".join(path)) if path else None


def _errors(ratios: list[float | None]) -> list[Html]:
    count = len(ratios)
    bars = [
        f"M{number(_x(i, count))} {HEIGHT + 24}v-{number(max(1.5, ratio * 18))}h2v{number(max(1.5, ratio * 18))}z"
        for i, ratio in enumerate(ratios)
        if ratio
    ]
    axis = el("line", class_="axis", x1=LEFT, x2=WIDTH, y1=HEIGHT + 24, y2=HEIGHT + 24)
    label = el("text", "errors", x=LEFT - 4, y=HEIGHT + 24, text_anchor="end")
    return [axis, label, el("path", class_="errors", d="".join(bars))] if bars else [axis, label]


def _transition(at: float, history: dict[str, Any]) -> Html | None:
    count = len(history["ttft_p95_s"])
    i = (at - epoch(history["since"])) / history["step_s"]
    if not 0 <= i <= count:
        return None
    x = number(_x(min(i, count - 1), count))
    return el("line", class_="mark", x1=x, x2=x, y1=TOP, y2=HEIGHT + 24)


def table(history: dict[str, Any]) -> Html:
    """Return the same numbers by the hour, for who reads rather than looks."""
    each = 60
    rows = []
    for hour in range(6):
        part = slice(hour * each, (hour + 1) * each)
        p95s = finite(history["ttft_p95_s"][part])
        ratios, rps = finite(history["error_ratio"][part]), finite(history["rps"][part])
        name = f"-{6 - hour} h to {f'-{5 - hour} h' if hour < 5 else 'now'}"
        cells = [
            latency(min(p95s)) if p95s else "·",
            latency(max(p95s)) if p95s else "·",
            percent(max(ratios)) if ratios else "·",
            f"{max(rps, default=0.0):.2f}",
        ]
        rows.append(el("tr", el("th", name, scope="row"), *[el("td", cell) for cell in cells]))
    head = ("", "lowest p95", "highest p95", "most errors", "most requests/s")
    return el(
        "details",
        el("summary", "the same by the hour, in numbers"),
        el(
            "table",
            el("thead", el("tr", *[el("th", name, scope="col") if name else el("td") for name in head])),
            el("tbody", join(rows)),
            class_="facts",
        ),
    )
