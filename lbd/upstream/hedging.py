"""A second attempt beside one that is late: who may make it, and which of the two counts in the end.

:mod:`lbd.state.hedge` says from when on it is worth its tokens. Only streams are hedged, before their first content;
the first of the two that has some is the answer, the other one is stopped in the same call.
"""

from __future__ import annotations

import asyncio

from lbd.model.failure import Failure, FailureKind, Retry
from lbd.model.plan import Candidate, Query
from lbd.model.request import Ask
from lbd.model.units import Instant, Seconds
from lbd.state.flight import Flight
from lbd.state.hedge import BUSY
from lbd.upstream.acquire import Acquired, Desk
from lbd.upstream.attempt import Attempt
from lbd.upstream.service import Service

SOONER = Failure(FailureKind.HEDGED, "the attempt beside it had content sooner")


class Hedge:
    """One second attempt. ``attempt`` is None until it begins; ``task`` runs it."""

    __slots__ = ("acquired", "attempt", "task")

    def __init__(self, acquired: Acquired) -> None:
        self.acquired = acquired
        self.attempt: Attempt | None = None
        self.task: asyncio.Task[None] | None = None

    def decided(self, sooner: Attempt, first: Attempt | None) -> None:
        """One of the two has content: stop the other. ``first``: the attempt it is beside, None if that is over."""
        other = self.attempt if sooner is first else first
        if other is not None:
            other.stop(SOONER)

    def stop(self, failure: Failure) -> None:
        """Stop it, whatever it has brought."""
        if self.attempt is not None:
            self.attempt.stop(failure)

    async def over(self) -> None:
        """Wait until it is over."""
        if self.task is not None:
            await asyncio.wait({self.task})

    async def cancel(self) -> None:
        """Stop it at once: nobody waits for it any more."""
        if self.task is not None:
            self.task.cancel()
        await self.over()


def find(service: Service, desk: Desk, ask: Ask, flight: Flight, late: Candidate, now: Instant) -> Acquired | None:
    """Take a slot for a second attempt beside ``late``, or None: nobody is likely to be in time, or it costs too much.

    A deployment of the same model comes first. Nobody waits for a slot, and nobody who is busy takes one.
    """
    if ask.input_tokens > service.hedges.left or service.owner.awaited or service.closing:
        return None
    rest = late.target_s - (now - flight.arrived)
    out = list(flight.tried)
    twin = other = False
    for stage in service.ranking(ask).stages:
        for c in stage.candidates:
            if c.id in flight.tried:
                continue
            if stage.manner != "normal" or not _fits(service, ask, c, late, rest):
                out.append(c.id)
            elif c.model == late.model:
                twin = True
            else:
                other = True
    acquired = desk.at_once(Query(tuple(out), late.model)) if twin else None
    if acquired is None and other and ask.fallback:
        acquired = desk.at_once(Query(tuple(out)))
    if acquired is not None:
        service.hedges.take(ask.input_tokens)
    return acquired


def _fits(service: Service, ask: Ask, candidate: Candidate, late: Candidate, rest: Seconds) -> bool:
    """Tell whether it is in time, has room, and keeps both attempts together under the request's cost cap."""
    if candidate.predicted_s > rest:
        return False
    live = service.owner.live(candidate.row)
    if live.inflight >= BUSY * live.capacity:
        return False
    if ask.max_usd is None:
        return True
    return candidate.usd is not None and late.usd is not None and candidate.usd + late.usd <= ask.max_usd


def first_counts(first: Attempt, second: Attempt) -> bool:
    """Tell whether, of two attempts that are over, the first one's end is the one to go by.

    An answer, or content that the client has, counts. Of two failures one that no other attempt could mend does, else
    the later one.
    """
    if first.failure is None or first.committed:
        return True
    if second.failure is None or second.committed:
        return False
    if first.failure.row.retry is Retry.NEVER:
        return True
    return second.failure.row.retry is not Retry.NEVER and first.settled_at >= second.settled_at
