"""Where a request stands among the others: whether a slot that is free is for it, and its place where it has to wait.

A free slot is not for a newcomer while others of its class wait for it, and not for background work where interactive
work needs it (:mod:`lbd.state.reserve`). Only deployments whose slots are known are guarded: with the others nobody
takes anything away from anybody.
"""

from __future__ import annotations

import math

from lbd.model.request import Ask
from lbd.model.units import Instant, Seconds
from lbd.state import limit, reserve
from lbd.state.health import service_s
from lbd.state.row import Row, adaptive, capacity, drains
from lbd.table.lease import Lease
from lbd.table.owner import Owner
from lbd.upstream.patience import LOOK_AGAIN, hopeless
from lbd.upstream.queue import Full, Place, Queue
from lbd.upstream.turn import rank

KEPT_FREE = "kept_free"  # for interactive work
AT_LIMIT = "at_limit"
CROWD = 50


class Standing:
    """See the module."""

    __slots__ = ("_counted", "_owner", "_queue", "place")

    def __init__(self, owner: Owner, queue: Queue, ask: Ask, client: str) -> None:
        self._owner = owner
        self._queue = queue
        self._counted = False  # among the interactive arrivals
        self.place = Place(math.inf, rank=rank(ask), client=client)

    def refusal(self, i: int, now: Instant) -> str | None:
        """Return why a slot of row ``i`` that may be free is not for this one."""
        row = self._owner.rows[i]
        if row.calm:
            return None
        limits = self._limits(row)
        free = min((most - sum(r.inflight for r in rows) for most, rows in limits), default=0.0)
        if free <= 0:
            return None  # the lease itself says so; or there is no limit
        if self.place.rank and not all(_spare(_known(most, rows, now), rows, now) for most, rows in limits):
            return KEPT_FREE
        if self.place.rank and drains(row) and row.inflight >= limit.admitted(row.limit):
            return AT_LIMIT
        if not self.place.called and self._queue.claimed(i, free, rank=self.place.rank):
            return AT_LIMIT
        return None

    def _limits(self, row: Row) -> list[tuple[float, list[Row]]]:
        """Return how many may run at once, and at which rows: its own limit, and what it shares with its siblings."""
        own, shared = capacity(row), row.provider.max_concurrency
        limits = [] if own is None else [(own, [row])]
        if shared is not None:
            limits.append((float(shared), [r for r in self._owner.rows if r.provider is row.provider]))
        return limits

    def took(self, lease: Lease, i: int, now: Instant) -> None:
        """Note that a slot was taken; where more are free that nobody knows of, wake the next."""
        row = lease.row
        if row.calm:
            return
        if self.place.rank:
            lease.in_background()
        elif not self._counted:
            self._counted = True
            row.reserve.arrived(row.inflight - row.reserve.background, now)
        if self.place.called and row.inflight < (capacity(row) or 0):
            self._queue.freed(i)

    @property
    def look_again_s(self) -> Seconds:
        """After how long it looks at the table again: background work less often, the more requests wait."""
        return LOOK_AGAIN * (1 + len(self._queue) // CROWD if self.place.rank else 1)

    async def wait(self, rows: frozenset[int], until: Instant, by: Instant, now: Instant) -> str | None:
        """Wait for one of ``rows`` until then, or say why it may not. ``by``: its deadline, in whose order it waits."""
        queue, place = self._queue, self.place
        place.deadline = by
        if not place.came and (told := hopeless(self._owner, queue, rows, place, now)) is not None:
            return f"every deployment is busy, and its turn in the queue would come in {told:.3g} s, too late for it"
        if not place.rank and not self._counted:
            self._counted = True
            for i in rows:
                row = self._owner.rows[i]
                waiting = math.ceil(queue.waiting(i, rank=0) / len(rows)) + 1
                row.reserve.arrived(row.inflight - row.reserve.background + waiting, now, waits=True)
        try:
            await queue.wait(rows, until, place)
        except Full:
            return f"every deployment is busy and {queue.bound} requests wait already"
        return None


def _known(most: float, rows: list[Row], now: Instant) -> float:
    """Return how many of ``most`` slots of a row the server is known to have.

    Whether it has more is tried by interactive work, which would wait otherwise, or where there is none any more.
    """
    row = rows[0]
    if len(rows) > 1 or not adaptive(row):
        return most
    idle = row.inflight == row.reserve.background and row.reserve.gone(now)
    return most if idle and row.limit.found else min(most, float(limit.relied_on(row.limit)))


def _spare(most: float, rows: list[Row], now: Instant) -> bool:
    """Tell whether one more background request leaves interactive work what it needs of ``most`` slots."""
    background = sum(r.reserve.background for r in rows)
    share = reserve.taken(int(most), max(service_s(r, now) for r in rows))
    kept = sum(r.reserve.kept(now, share) for r in rows)
    return reserve.admits(int(most), background, kept, lull=all(r.reserve.lull(now, int(most)) for r in rows))
