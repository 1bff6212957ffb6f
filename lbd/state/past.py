"""What became of a row minute by minute, for six hours: short sums that outlive the windows they are made of.

The windows keep an hour. A minute that is closed does not change any more, so it is summed up once, by whoever looks
first: the daemon's tick, or a reader. What nobody looked at for more than an hour is missing, never zero.
"""

from __future__ import annotations

from lbd.model.units import Instant, Ratio
from lbd.state.presence import Presence
from lbd.state.quantile import merged
from lbd.state.row import Minute, Row
from lbd.state.window import MINUTE

KEPT = 360  # minutes
REACH = 60  # closed minutes that the windows still hold
_QUANTILES = (0.5, 0.95, 0.99)


NOTHING = Minute(None, None, None, None, 0)


def note(row: Row, now: Instant) -> None:
    """Sum up the minutes that were closed since the last look."""
    last = now - now % MINUTE - MINUTE  # the start of the youngest closed one
    past = row.past
    if last in past:
        return
    sizes = [r.series(1, REACH, now) for r in row.ttft]
    for i, (start, counts) in enumerate(row.outcomes.series(1, REACH, now)):
        if start in past:
            continue
        p50, p95, p99 = merged(s for _, s in (size[i] for size in sizes) if s is not None).quantiles(_QUANTILES)
        ratio = None if counts is None else counts.ratio()
        past[start] = Minute(p50, p95, p99, ratio, 0 if counts is None else sum(counts.by_kind.values()))
    while len(past) > KEPT:
        del past[min(past)]


def minutes(row: Row, count: int, now: Instant) -> list[Minute]:
    """Return the last ``count`` closed minutes, oldest first."""
    note(row, now)
    end = now - now % MINUTE
    return [row.past.get(end - (count - i) * MINUTE, NOTHING) for i in range(count)]


def uptime(row: Row, level: int, each: int, count: int, now: Instant) -> list[Ratio | None]:
    """Return the uptime in ``count`` pieces of ``each`` slots of a level of the windows, oldest first."""
    slots = [presence for _, presence in row.presence.series(level, each * count, now)]
    pieces = [Presence() for _ in range(count)]
    for i, presence in enumerate(slots):
        if presence is not None:
            pieces[i // each].merge(presence)
    return [None if (share := piece.share()) is None else round(share, 4) for piece in pieces]
