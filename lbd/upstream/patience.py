"""How long a request that came now would wait for a slot: what a client is told when the queue does not help."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lbd.model.request import Ask
from lbd.model.units import Instant, Seconds
from lbd.state import baseline
from lbd.state.health import service_s
from lbd.state.row import Row, concurrency
from lbd.state.window import FIVE_MINUTES
from lbd.table.owner import Owner
from lbd.upstream.queue import Place, Queue
from lbd.upstream.turn import rank

LOOK_AGAIN: Seconds = 1.0  # a request that waits looks at the table at least this often
SOONEST: Seconds = 0.05  # the shortest wait that a client is told
LATEST: Seconds = 60.0  # and the longest


def expected(owner: Owner, queue: Queue, ask: Ask, rows: frozenset[int], now: Instant, *, client: str = "") -> Seconds:
    """Estimate how long a request that came now would wait for one of ``rows``.

    It would stand behind all who wait for them already: their time is up before its own.
    """
    known = [(owner.rows[i], owner.snapshot.rows[i]) for i in rows if i < len(owner.rows)]  # a reload took others
    slots, service = _pace([row for row, view in known if view.refusal is None], now)
    if not slots:  # none is at its limit: they come back at a time of their own
        times = [view.usable_at - now for _, view in known if view.usable_at is not None]
        return min(LATEST, max(SOONEST, min(times, default=LOOK_AGAIN)))
    place = Place(now + ask.first_content_s, rank=rank(ask), client=client)
    told = queue.expected(rows, place, slots=slots, service_s=service)
    # by the deadline whoever waits now is served or gone; then it is one service time at most
    return max(SOONEST, min(told, LATEST, max(ask.first_content_s, service / slots)))


def hopeless(owner: Owner, queue: Queue, rows: frozenset[int], place: Place, now: Instant) -> Seconds | None:
    """Return how long one that does not wait yet would, where that is beyond its deadline; else None.

    None, too, where no answers are known to judge by, where anything but slots is waited for, and where nobody is
    before it: then nobody could be served sooner in its stead.
    """
    known = [owner.rows[i] for i in rows]
    if any(owner.snapshot.rows[i].refusal is not None for i in rows) or not queue.ahead(rows, place):
        return None
    if not all(row.total.over(FIVE_MINUTES, now).n for row in known):
        return None
    slots, service = _pace(known, now)
    told = queue.expected(rows, place, slots=slots, service_s=service) if slots else 0.0
    return told if now + told + min(_first_s(row, now) for row in known) > place.deadline else None


def fits(owner: Owner, queue: Queue, ask: Ask, rows: frozenset[int], by: Instant, now: Instant, client: str) -> bool:
    """Tell whether a request that came now would most likely have its first content from one of ``rows`` by then.

    They are full; of one that has answered nobody lately it is not known when it will not be.
    """
    known = frozenset(i for i in rows if owner.rows[i].total.over(FIVE_MINUTES, now).n)
    if not known:
        return False
    first_s = min(_first_s(owner.rows[i], now) for i in known)
    return now + expected(owner, queue, ask, known, now, client=client) + first_s < by


def _holds_s(row: Row, now: Instant) -> Seconds:
    """Return how long a request usually holds a slot: without what it waited inside a server that had too many."""
    whole = service_s(row, now)
    base = baseline.least(row.limit.line)
    firsts = [sizes.over(FIVE_MINUTES, now) for sizes in row.ttft]
    count, streams = row.total.over(FIVE_MINUTES, now).n, sum(f.n for f in firsts)
    if base is None or not count or 2 * streams < count:  # most came whole: when they began is not known
        return whole
    waited = sum(max(0.0, (f.mean() or 0.0) - base) * f.n for f in firsts) / count
    return max(whole - waited, base)


def _first_s(row: Row, now: Instant) -> Seconds:
    """Return how soon after it was sent a request may have its first content: of the sizes seen, the quickest."""
    means = (sizes.over(FIVE_MINUTES, now).mean() for sizes in row.ttft)
    return min((mean for mean in (*means, *row.limit.line.usual_s) if mean is not None), default=0.0)


def _pace(rows: Sequence[Row], now: Instant) -> tuple[float, Seconds]:
    """Return how many slots there are together, 0 where there is no limit, and how long a request holds one."""
    pace = [(_slots(row, rows), _holds_s(row, now)) for row in rows]
    slots = sum(n for n, _ in pace if n < math.inf)
    if not slots:
        return 0.0, 0.0
    return slots, slots / sum(n / max(s, 1e-6) for n, s in pace if n < math.inf)


def _slots(row: Row, rows: Sequence[Row]) -> float:
    """Return the slots of ``row``, with its part of what its provider's deployments among ``rows`` share."""
    most, shared = concurrency(row), row.provider.max_concurrency
    own = math.inf if most is None else max(1.0, most)
    return own if shared is None else min(own, shared / sum(r.provider is row.provider for r in rows))
