"""A simulated day as a page of its own: drawings in SVG, no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lbd.display.money import money
from lbd.page.markup import Html, el, join, text

WIDTH, HEIGHT = 860, 160
LEFT, TOP, BELOW = 64, 10, 22
COLOURS = ("#2b6cb0", "#2f855a", "#b7791f", "#6b46c1", "#c05621", "#319795", "#b83280", "#4a5568")
REST = "others"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1a202c;"
    "background:#fff}h1{font-size:1.3rem}h2{font-size:1rem;margin:1.6rem 0 .3rem}svg{width:100%;height:auto}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.15rem .7rem;text-align:right}"
    "td:first-child,th:first-child{text-align:left}tr:last-child td{font-weight:600;border-top:1px solid #a0aec0}"
    ".key i{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}"
    "@media(prefers-color-scheme:dark){body{color:#e2e8f0;background:#171923}text{fill:#e2e8f0}}"
)


def page(told: Mapping[str, Any], title: str) -> str:
    """Return the page of a simulation's document."""
    hours, total = told["hours"], told["total"]
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width"),
        el("title", title),
        el("style", Html(_STYLE)),
    )
    share = total["saved_share"]
    saved = "" if share is None else f", {money(total['saved_usd'])} saved ({share:.1%})"
    slo = "" if total["slo"] is None else f", {total['slo']:.2%} of streams in time"
    ids = _ids(total["shares"])
    body = el(
        "body",
        el("h1", title),
        el(
            "p",
            f"{total['requests']} requests, {total['failed']} failed{slo}; {money(total['cost_usd'])} spent{saved}.",
        ),
        *[
            el("p", f"{e['provider']}: {e['what']} at {e['at_h']:g} h for {e['for_min']:g} min.")
            for e in told["events"]
        ],
        *_drawing("Requests an hour", [h["requests"] for h in hours], told),
        *_drawing(
            "Served in time", [None if h["slo"] is None else 100 * h["slo"] for h in hours], told, "%", floor=True
        ),
        *_drawing("Failed", [h["failed"] for h in hours], told),
        *_drawing(
            "Spent an hour (US cents), and at the baseline",
            [100 * h["cost_usd"] for h in hours],
            told,
            "",
            beside=[100 * h["premium_usd"] for h in hours],
        ),
        el("h2", "Share by deployment"),
        _key(ids),
        _shares(hours, ids),
        el("h2", "By the hour"),
        _table(told),
    )
    return "<!doctype html>\n" + el("html", head, body, lang="en") + "\n"


def _ids(shares: Mapping[str, float]) -> list[str]:
    """Return the deployments that get a colour, the greatest first."""
    return list(shares)[: len(COLOURS) - 1]


def _x(i: float, count: int) -> float:
    return round(LEFT + i / max(1, count) * (WIDTH - LEFT - 4), 1)


def _y(value: float, least: float, most: float) -> float:
    return round(TOP + (1 - (value - least) / ((most - least) or 1.0)) * HEIGHT, 1)


def _drawing(
    name: str,
    values: Sequence[float | None],
    told: Mapping[str, Any],
    unit: str = "",
    *,
    floor: bool = False,
    beside: Sequence[float] = (),
) -> list[Html]:
    """Return a drawing of steps over the hours; ``floor``: the axis begins near the least value."""
    known = [v for v in (*values, *beside) if v is not None]
    most = max(known, default=1.0) or 1.0
    least = min(90.0, min(known, default=0.0)) if floor else 0.0
    if floor:
        most = 100.0
    parts = [*_events(told, len(values)), *_axes(len(values), least, most, unit, told)]
    if beside:
        parts.append(_steps(beside, least, most, "#a0aec0"))
    parts.append(_steps(values, least, most, COLOURS[0]))
    return [el("h2", name), _svg(parts, name)]


def _svg(parts: Sequence[Html], name: str) -> Html:
    return el("svg", *parts, viewBox=f"0 0 {WIDTH} {TOP + HEIGHT + BELOW}", role="img", aria_label=name)


def _steps(values: Sequence[float | None], least: float, most: float, colour: str) -> Html:
    count, out, before = len(values), "", False
    for i, value in enumerate(values):
        if value is None:
            before = False
            continue
        y = _y(value, least, most)
        out += f"{'L' if before else 'M'}{_x(i, count)} {y}H{_x(i + 1, count)}"
        before = True
    return el("path", d=out or "M0 0", fill="none", stroke=colour, stroke_width=2)


def _axes(count: int, least: float, most: float, unit: str, told: Mapping[str, Any]) -> list[Html]:
    out = []
    for value in (least, (least + most) / 2, most):
        y = _y(value, least, most)
        out.append(el("line", x1=LEFT, x2=WIDTH - 4, y1=y, y2=y, stroke="#a0aec0", stroke_width=0.5))
        out.append(el("text", f"{value:.4g}{unit}", x=LEFT - 6, y=y + 4, text_anchor="end", font_size=11))
    begins, every = int(str(told["begins"])[11:13]), max(1, count // 12)
    for i in range(0, count, every):
        label = f"{(begins + i) % 24:02d}"
        out.append(el("text", label, x=_x(i, count), y=TOP + HEIGHT + 16, font_size=11))
    return out


def _events(told: Mapping[str, Any], count: int) -> list[Html]:
    out = []
    for e in told["events"]:
        x = _x(min(count, e["at_h"]), count)
        wide = max(1.0, _x(min(count, e["at_h"] + e["for_min"] / 60), count) - x)
        out.append(el("rect", x=x, y=TOP, width=round(wide, 1), height=HEIGHT, fill="#e53e3e", fill_opacity=0.15))
    return out


def _shares(hours: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> Html:
    parts: list[Html] = []
    for i, hour in enumerate(hours):
        left = 1.0 if hour["shares"] else 0.0
        for n, id_ in enumerate([*ids, REST]):
            share = left if id_ == REST else hour["shares"].get(id_, 0.0)
            if share > 0:
                y = _y(left, 0.0, 1.0)
                parts.append(
                    el(
                        "rect",
                        x=_x(i, len(hours)),
                        y=y,
                        width=round((WIDTH - LEFT - 4) / len(hours) - 1, 1),
                        height=round(share * HEIGHT, 1),
                        fill=COLOURS[n],
                    )
                )
            left = max(0.0, left - share)
    return _svg(parts, "Share by deployment")


def _key(ids: Sequence[str]) -> Html:
    named = [*ids, REST]
    return el(
        "p",
        *[join([el("i", style=f"background:{COLOURS[n]}"), text(id_)]) for n, id_ in enumerate(named)],
        class_="key",
    )


def _table(told: Mapping[str, Any]) -> Html:
    head = el("tr", *[el("th", word) for word in ("Hour", "Requests", "Failed", "In time", "Cost", "Saved", "Moves")])
    begins = int(str(told["begins"])[11:13])
    named = [(f"{(begins + h['hour']) % 24:02d}:00", h) for h in told["hours"]]
    rows = []
    for name, h in [*named, ("all", told["total"])]:
        slo, share = h["slo"], h["saved_share"]
        cells = (
            name,
            h["requests"],
            h["failed"],
            "-" if slo is None else f"{slo:.1%}",
            money(h["cost_usd"]),
            "-" if share is None else f"{share:.0%}",
            h["moves"],
        )
        rows.append(el("tr", *[el("td", cell) for cell in cells]))
    return el("table", head, *rows)
