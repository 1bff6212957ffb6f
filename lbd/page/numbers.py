"""Numbers as the page writes them: right to the digit that matters, and no data is never a zero."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from lbd.page.markup import Html, el

NONE = "·"
THIN = "\u202f"  # between number and unit
_SPANS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def seconds(value: float | None) -> str:
    """Return a latency without its unit: milliseconds below a second, else seconds. With it, see :func:`latency`."""
    if value is None:
        return NONE
    if value < 0.9995:
        return f"{value * 1000:.0f}"
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def latency(value: float | None) -> str:
    """Return a latency with its unit."""
    if value is None:
        return NONE
    return f"{seconds(value)}{THIN}{'ms' if value < 0.9995 else 's'}"


def micros(value: float | None) -> str:
    """Return microseconds with their unit."""
    if value is None:
        return NONE
    return f"{value:.0f}{THIN}µs" if value < 9999.5 else f"{value / 1000:.1f}{THIN}ms"


def percent(ratio: float | None, digits: int = 1) -> str:
    """Return a ratio in per cent; what is not all is never shown as all, and what is not nothing never as nothing."""
    if ratio is None:
        return NONE
    if ratio in (0, 1):
        return f"{ratio * 100:.0f}{THIN}%"
    shown = f"{ratio * 100:.{digits}f}"
    if 0 < ratio < 1 and float(shown) in (0, 100):
        step = 10**-digits
        shown = f"<{step:.{digits}f}" if ratio < 0.5 else f"{100 - step:.{digits}f}"
    return f"{shown}{THIN}%"


def usd(value: float | None) -> str:
    """Return US dollars; small sums keep two digits that count."""
    if value is None:
        return NONE
    size = abs(value)
    sign = "-" if value < 0 else ""
    if size == 0:
        return "$0"
    if size >= 0.995:
        return f"{sign}${size:,.0f}" if size >= 9999.5 else f"{sign}${size:,.2f}"
    if size < 1e-9:
        return f"{sign}<$0.000000001"
    places = 2
    while places < 10 and round(size, places) < 10 ** (1 - places):
        places += 1
    return f"{sign}${size:.{places}f}"


def rate(value: float | None) -> str:
    """Return how often a second."""
    if value is None:
        return NONE
    return f"{value:.0f}" if value >= 99.95 or value == 0 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def count(value: float | None) -> str:
    """Return a whole number, its thousands apart."""
    return NONE if value is None else f"{value:,.0f}".replace(",", THIN)


def span(value: float) -> str:
    """Return a time that has passed, in its largest unit: ``7 s``, ``3 min``."""
    for size, unit in _SPANS:
        if value >= size:
            return f"{value / size:.0f}{THIN}{unit}"
    return f"0{THIN}s"


def epoch(time: str) -> float:
    """Return an RFC 3339 time as seconds since the epoch."""
    return datetime.fromisoformat(time).timestamp()


def ago(since: float, now: float, *, told: bool = True) -> Html:
    """Return how long ago something was, kept true by the page's script; times are seconds since the epoch.

    ``told``: the instant is shown to who points at it.
    """
    at = _iso(round(since))
    return el("time", span(max(0.0, now - since)), data_t=True, datetime=at, title=at if told else None)


def due(at: float, now: float) -> Html:
    """Return in how long something is to come; what is past is due now."""
    left = at - now
    words = f"in {span(left)}" if left >= 0.5 else "now"
    told = _iso(round(at))
    return el("time", words, data_t=True, data_due=True, datetime=told, title=told)


def clock(at: float) -> Html:
    """Return a time of day in UTC."""
    return el("time", _iso(at)[11:19], datetime=_iso(at), title=_iso(at))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def finite(values: Iterable[Any]) -> list[float]:
    """Return the values that are there."""
    return [float(v) for v in values if v is not None]
