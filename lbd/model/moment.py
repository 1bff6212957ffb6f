"""Times as people tell them."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from lbd.model.units import Seconds, WallTime

_UNITS: dict[str, Seconds] = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def instant(text: str, now: WallTime) -> WallTime:
    """Return a time that is told as 90m, 24h, 7d, 4w (back from now), in seconds since the epoch, or by RFC 3339.

    Raises ValueError.
    """
    number, unit = text[:-1], text[-1:]
    if unit in _UNITS and number.isascii() and number.isdigit() and len(number) < 7:
        return now - int(number) * _UNITS[unit]
    try:
        found = float(text)
    except ValueError:
        at = datetime.fromisoformat(text)
        found = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(found):
        raise ValueError(text)
    return found
