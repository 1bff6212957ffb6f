"""Choose a deployment and take a slot there; wait where everything is only busy, limited or tripped.

A lease may be refused, since it re-checks live; then another pick is made without that row. When nothing is
left, the request waits in the queue if what stands in the way passes by itself within the deadline, and
otherwise is told why nobody serves it and when asking again may help.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from lbd.decide import pick
from lbd.model.failure import Failure, FailureKind
from lbd.model.plan import Choice, Decision, Query, Ranking, Seed
from lbd.model.record import AttemptRecord
from lbd.model.request import Ask, Urgency
from lbd.model.units import DeploymentId, Instant, Seconds
from lbd.state import flight as flights
from lbd.state.flight import Flight
from lbd.table.lease import Lease
from lbd.upstream.queue import Full

if TYPE_CHECKING:
    from lbd.upstream.call import Flights

LOOK_AGAIN: Seconds = 1.0  # a request that waits looks at the table at least this often
MOST_REFUSALS = 32  # kept in the record
# Exclusions that pass by themselves: worth waiting for.
PASSING = frozenset({"breaker_open", "trials_under_way", "quota_exhausted", "at_limit"})
# Not the request itself but an operator or a provider stands in the way.
_OTHERS = ("admin_", "locked_", "weight_zero")


class Acquired(NamedTuple):
    """A decision and the slot that was taken on it."""

    choice: Choice
    lease: Lease
    decision: Decision


class Desk:
    """Acquires for one request. ``waited_s`` and ``refusals`` are what it cost so far."""

    __slots__ = ("_affinity", "_arrived", "_ask", "_service", "refusals", "waited_s")

    def __init__(self, service: Flights, ask: Ask, arrived: Instant, affinity: int) -> None:
        self._service = service
        self._ask = ask
        self._arrived = arrived
        self._affinity = affinity
        self.waited_s = 0.0
        self.refusals: list[AttemptRecord] = []

    def at_once(self, query: Query) -> Acquired | None:
        """Decide and take a lease, None where the lease is refused or nothing is left."""
        service = self._service
        ranking = service.ranking(self._ask)
        now = service.env.now()
        seed = service.env.bits()
        choice = pick.choose(ranking, query, seed, service.owner.live)
        if choice is None:
            return None
        lease = service.owner.lease(choice.candidate.row, now, last_resort=choice.manner == "trial")
        if isinstance(lease, str):
            return None  # acquire() decides again, and keeps a record of the refusal
        return Acquired(choice, lease, self._decision(choice, ranking.generation, now, query, seed))

    async def acquire(self, flight: Flight, query: Query) -> Acquired | Failure:
        """Decide and take a lease."""
        service = self._service
        refused: tuple[DeploymentId, ...] = ()
        while True:
            ranking = service.ranking(self._ask)
            now = service.env.now()
            asked = query if not refused else query._replace(out=query.out + refused)
            seed = service.env.bits()
            choice = pick.choose(ranking, asked, seed, service.owner.live)
            if choice is None:
                if query.model is not None:  # no twin can take it: any other model
                    query = query._replace(model=None)
                else:
                    failure = await self._wait(flight, ranking, query, refused, now)
                    if failure is not None:
                        return failure
                refused = ()
                continue
            lease = service.owner.lease(choice.candidate.row, now, last_resort=choice.manner == "trial")
            decision = self._decision(choice, ranking.generation, now, asked, seed)
            if not isinstance(lease, str):
                return Acquired(choice, lease, decision)
            refused = (*refused, choice.candidate.id)
            if len(self.refusals) < MOST_REFUSALS:
                at = now - self._arrived
                self.refusals.append(AttemptRecord(decision, at, at, None, None, refused=lease))

    async def again(self, flight: Flight, choice: Choice) -> Acquired | Failure:
        """Take a lease at the same row once more; if it is refused, decide anew."""
        service = self._service
        now = service.env.now()
        snapshot = service.owner.snapshot
        i = snapshot.catalogue.index.get(choice.candidate.id)
        lease = service.owner.lease(i, now) if i is not None else "removed"
        if isinstance(lease, str):
            return await self.acquire(flight, Query(flight.tried, affinity=self._affinity))
        repeated = replace(choice, reason="again", live=())
        decision = self._decision(repeated, snapshot.generation, now, Query(flight.tried), 0)
        return Acquired(repeated, lease, decision)

    def _decision(self, choice: Choice, generation: int, now: Instant, asked: Query, seed: Seed) -> Decision:
        return Decision(
            generation,
            now,
            self._ask,
            asked,
            seed,
            choice.live,
            choice.candidate.id,
            choice.stage,
            choice.manner,
            choice.reason,
        )

    # --- waiting -------------------------------------------------------------------------------------

    async def _wait(
        self, flight: Flight, ranking: Ranking, query: Query, refused: Sequence[DeploymentId], now: Instant
    ) -> Failure | None:
        """Wait until one of the rows that could serve may be free; a Failure when waiting does not help."""
        service = self._service
        rows, soonest = self._waitable(ranking, query, refused, now)
        if self._limit_over(rows, now):
            return None
        for i in rows:  # somebody needs them: whether they are well again should be known at once
            if service.owner.snapshot.rows[i].refusal == "breaker_open":
                service.silent(service.owner.rows[i].provider.name)
        # the wait for a deployment is part of the wait for the first content, of unary answers too
        by = min(flight.total_by, flight.arrived + self._ask.first_content_s)
        if not rows or soonest >= by or now >= by:
            return self._nobody(flight, ranking, rows, soonest, now)
        look = min(by, max(soonest, now + 0.005) if soonest > now else now + LOOK_AGAIN)
        rank = 1 if self._ask.urgency is Urgency.BACKGROUND else 0
        try:
            await service.queue.wait(rows, look, deadline=by, rank=rank)
        except Full:
            return Failure(
                FailureKind.BUSY,
                f"every deployment is busy and {service.settings.queue_size} requests wait already",
                retry_after_s=self._expected(rows),
            )
        later = service.env.now()
        if service.closing:
            return Failure(FailureKind.DRAINING, "lbd is shutting down", retry_after_s=1.0)
        self.waited_s += later - now
        return self._nobody(flight, ranking, rows, soonest, later) if later >= by else None

    def _limit_over(self, rows: frozenset[int], now: Instant) -> bool:
        """Publish anew the rows whose rate limit ended since the last tick; tell whether one may be used now."""
        owner = self._service.owner
        views = [(i, owner.snapshot.rows[i]) for i in rows]
        ended = [
            i for i, v in views if v.refusal == "quota_exhausted" and v.usable_at is not None and v.usable_at <= now
        ]
        for i in ended:
            owner.touch(i, transition=True)
        return any(owner.snapshot.rows[i].refusal is None for i in ended)

    def _waitable(
        self, ranking: Ranking, query: Query, refused: Sequence[DeploymentId], now: Instant
    ) -> tuple[frozenset[int], Instant]:
        """Return the rows that could serve once something passes, and the soonest time that may be."""
        snapshot = self._service.owner.snapshot
        index = snapshot.catalogue.index
        waiting = {index[r] for r in refused if r in index and r not in query.out}
        waiting |= {e.row for e in ranking.excluded if e.reason in PASSING and e.id not in query.out}
        # a row without a time of its own waits for a slot or for evidence: that may come at any moment
        times = {i: snapshot.rows[i].usable_at for i in waiting}
        soonest = min((now if at is None else at for at in times.values()), default=math.inf)
        return frozenset(waiting), soonest

    def _expected(self, rows: frozenset[int]) -> Seconds:
        """Estimate the wait for a slot at one of ``rows``."""
        views = [self._service.owner.snapshot.rows[i] for i in rows]
        return max(0.05, min((v.wait_s or v.tpot_s * max(1, v.output_tokens) for v in views), default=1.0))

    def _nobody(
        self, flight: Flight, ranking: Ranking, rows: frozenset[int], soonest: Instant, now: Instant
    ) -> Failure:
        """Return the failure that says why nobody serves this request, and when asking again may help."""
        if flight.failures:
            last = flights.final(flight)
            wait = flights.all_limited(flight, now)
            return last if wait is None else replace(last, retry_after_s=wait)
        hard = [e for e in ranking.excluded if not e.soft]
        reasons = "; ".join(f"{e.id}: {e.reason}{f' ({e.detail})' if e.detail else ''}" for e in hard)
        target = self._service.owner.snapshot.catalogue.targets.get(self._ask.target)
        what = self._ask.target if target is None else f"{target.kind} {target.name!r}"
        passing = [e for e in hard if e.reason in PASSING]
        wait = None if soonest is math.inf else max(0.0, soonest - now)
        if passing and all(e.reason == "quota_exhausted" for e in passing):
            text = f"every deployment of {what} is rate limited: {reasons}"
            return Failure(FailureKind.LIMITED, text, retry_after_s=wait)
        if rows and not passing:
            text = f"every deployment of {what} was busy until the deadline"
            return Failure(FailureKind.BUSY, text, retry_after_s=self._expected(rows))
        if passing or any(e.reason.startswith(_OTHERS) for e in hard):
            text = f"no deployment of {what} is available: {reasons}"
            return Failure(FailureKind.UNAVAILABLE, text, retry_after_s=wait)
        text = f"no deployment of {what} may serve this request: {reasons or 'there is none'}"
        return Failure(FailureKind.NO_CANDIDATE, text)
