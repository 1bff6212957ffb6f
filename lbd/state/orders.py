"""When an operator's order ends by itself: a drain or a weight that was given for a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lbd.model.units import Instant, Seconds
from lbd.state.row import Row

LONGEST: Seconds = 30 * 86400.0  # an order for longer than this is one without an end
OVER = "its time is over"
BY = "lbd"  # who takes back what has ended


def states_over(rows: Iterable[Row], now: Instant) -> Iterator[Row]:
    """Yield the rows whose ordered state has ended: they are ready again."""
    return (row for row in rows if row.admin_until is not None and now >= row.admin_until)


def weights_over(rows: Iterable[Row], now: Instant) -> Iterator[Row]:
    """Yield the rows whose ordered weight has ended: the configured one holds again."""
    return (row for row in rows if row.weight_until is not None and now >= row.weight_until)


def end(for_s: Seconds | None, now: Instant) -> Instant | None:
    """Return when an order for so many seconds ends, None for one that waits for a person."""
    return None if for_s is None else now + for_s


def told(for_s: Seconds | None) -> dict[str, object]:
    """Return the evidence of an order's event."""
    return {} if for_s is None else {"for_s": for_s}
