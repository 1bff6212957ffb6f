"""Choose a deployment and take a slot there; wait where everything is only busy, limited or tripped.

A lease may be refused, since it re-checks live; then another pick is made without that row. When nothing is
left, the request waits in the queue if what stands in the way passes by itself within the deadline, and
otherwise is told why nobody serves it and when asking again may help.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from lbd.decide import pick
from lbd.model.failure import Failure, FailureKind
from lbd.model.money import most
from lbd.model.plan import Choice, Decision, Query, Ranking, Seed, TargetKind
from lbd.model.record import AttemptRecord
from lbd.model.request import Ask, Urgency
from lbd.model.units import DeploymentId, Instant, Seconds
from lbd.state import flight as flights
from lbd.state.flight import Flight
from lbd.state.health import service_s
from lbd.state.row import Row, capacity
from lbd.table.lease import Lease
from lbd.table.purses import Hold, Short
from lbd.upstream.queue import Full

if TYPE_CHECKING:
    from lbd.upstream.call import Flights

GRANT: Seconds = 0.01  # after so long a budget is asked again that waits for a word on the disk
LONGEST_GRANT: Seconds = 2.0  # a disk that does not answer for so long says nothing at all
LOOK_AGAIN: Seconds = 1.0  # a request that waits looks at the table at least this often
MOST_REFUSALS = 32  # kept in the record
NOBODY = "nobody"  # in the place of a lease's refusal: there was nobody to ask for one
SOONEST: Seconds = 0.05  # the shortest wait that a client is told
LATEST: Seconds = 60.0  # and the longest
# Exclusions that pass by themselves: worth waiting for.
PASSING = frozenset({"breaker_open", "trials_under_way", "quota_exhausted", "at_limit"})
# Not the request itself but an operator or a provider stands in the way.
_OTHERS = ("admin_", "locked_", "weight_zero")


class Acquired(NamedTuple):
    """A decision, the slot that was taken on it, and the money that is held for it where budgets are set."""

    choice: Choice
    lease: Lease
    decision: Decision
    hold: Hold | None = None


class Desk:
    """Acquires for one request. ``waited_s`` and ``refusals`` are what it cost so far."""

    __slots__ = ("_affinity", "_arrived", "_ask", "_client", "_service", "_short", "refusals", "waited_s")

    def __init__(self, service: Flights, ask: Ask, arrived: Instant, affinity: int, client: str = "") -> None:
        self._service = service
        self._ask = ask
        self._arrived = arrived
        self._affinity = affinity
        self._client = client
        self._short: Short | None = None  # the budget that kept a row out, and may soonest let it in
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
        taken = self._take(choice.candidate.row, now, trial=choice.manner == "trial")
        if not isinstance(taken, tuple):
            return None  # acquire() decides again, and keeps a record of the refusal
        return Acquired(choice, taken[0], self._decision(choice, ranking.generation, now, query, seed), taken[1])

    def _take(self, i: int, now: Instant, *, trial: bool = False) -> tuple[Lease, Hold | None] | Short | str:
        """Hold what an attempt at row ``i`` may cost at most, and take its slot; or say which of the two is missing."""
        service, ask = self._service, self._ask
        hold: Hold | None = None
        if service.purses.active:  # before the slot, which counts against the provider's rate limit
            spec = service.owner.rows[i].spec
            held = service.purses.hold(self._client, ask.surface, spec.provider, most(spec, ask), service.env.wall())
            if not isinstance(held, Hold):
                return held
            hold = held
        lease = service.owner.lease(i, now, last_resort=trial)
        if isinstance(lease, str):
            service.purses.settle(hold, 0)
            return lease
        return lease, hold

    async def acquire(self, flight: Flight, query: Query) -> Acquired | Failure:
        """Decide and take a lease."""
        service = self._service
        refused: tuple[DeploymentId, ...] = ()
        by = min(flight.total_by, service.env.now() + LONGEST_GRANT)
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
                    left = self._nobody_left(ranking, now, asked, seed)
                    try:
                        failure = await self._wait(flight, ranking, query, refused, now)
                    except asyncio.CancelledError:  # the client left the queue
                        self.refusals.append(left)
                        raise
                    if failure is not None:
                        self.refusals.append(left)
                        return failure
                refused = ()
                continue
            taken = self._take(choice.candidate.row, now, trial=choice.manner == "trial")
            decision = self._decision(choice, ranking.generation, now, asked, seed)
            if isinstance(taken, Short):
                if taken.dry and now < by:
                    await service.env.sleep(GRANT)
                    continue
                self._short = taken.sooner(self._short)
                query, taken = query._replace(out=(*query.out, choice.candidate.id)), "budget"
            elif isinstance(taken, str):
                refused = (*refused, choice.candidate.id)
            else:
                return Acquired(choice, taken[0], decision, taken[1])
            if len(self.refusals) < MOST_REFUSALS:
                at = now - self._arrived
                self.refusals.append(AttemptRecord(decision, at, at, None, None, refused=taken))

    async def again(self, flight: Flight, choice: Choice) -> Acquired | Failure:
        """Take a lease at the same row once more; if it is refused, decide anew."""
        service = self._service
        now = service.env.now()
        snapshot = service.owner.snapshot
        i = snapshot.catalogue.index.get(choice.candidate.id)
        taken = self._take(i, now) if i is not None else "removed"
        if not isinstance(taken, tuple):
            return await self.acquire(flight, Query(flight.tried, affinity=self._affinity))
        service.keep(snapshot)
        repeated = replace(choice, reason="again", live=())
        decision = self._decision(repeated, snapshot.generation, now, Query(flight.tried), 0)
        return Acquired(repeated, taken[0], decision, taken[1])

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

    def _nobody_left(self, ranking: Ranking, now: Instant, asked: Query, seed: Seed) -> AttemptRecord:
        """Return the decision for nobody, so that it can be asked why each one was left out."""
        decision = Decision(ranking.generation, now, self._ask, asked, seed, (), None, "", "", NOBODY)
        at = now - self._arrived
        return AttemptRecord(decision, at, at, None, None, refused=NOBODY)

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
        try:
            await service.queue.wait(rows, look, deadline=by, rank=_rank(self._ask))
        except Full:
            return Failure(
                FailureKind.BUSY,
                f"every deployment is busy and {service.settings.queue_size} requests wait already",
                retry_after_s=self._expected(rows, now),
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

    def _expected(self, rows: frozenset[int], now: Instant) -> Seconds:
        """Estimate how long a request that came now would wait for one of ``rows``.

        It would stand behind all who wait for them already: their time is up before its own.
        """
        owner, ask = self._service.owner, self._ask
        known = [(owner.rows[i], owner.snapshot.rows[i]) for i in rows if i < len(owner.rows)]  # a reload took others
        working = [row for row, view in known if view.refusal is None]
        pace = [(_slots(row, working), service_s(row, now)) for row in working]
        slots = sum(n for n, _ in pace if n < math.inf)
        if not slots:  # none is at its limit: they come back at a time of their own
            times = [view.usable_at - now for _, view in known if view.usable_at is not None]
            return min(LATEST, max(SOONEST, min(times, default=LOOK_AGAIN)))
        service = slots / sum(n / max(s, 1e-6) for n, s in pace if n < math.inf)
        rank = _rank(ask)
        told = self._service.queue.expected(rows, now + ask.first_content_s, rank=rank, slots=slots, service_s=service)
        # by the deadline whoever waits now is served or gone; then it is one service time at most
        return max(SOONEST, min(told, LATEST, max(ask.first_content_s, service / slots)))

    def _nobody(
        self, flight: Flight, ranking: Ranking, rows: frozenset[int], soonest: Instant, now: Instant
    ) -> Failure:
        """Return the failure that says why nobody serves this request, and when asking again may help."""
        if flight.failures:
            last = flights.final(flight)
            wait = flights.all_limited(flight, now)
            return last if wait is None else replace(last, retry_after_s=wait)
        if self._short is not None and not rows:
            return self._short.failure()
        hard = [e for e in ranking.excluded if not e.soft]
        reasons = "; ".join(f"{e.id}: {e.reason}{f' ({e.detail})' if e.detail else ''}" for e in hard)
        of = _of(self._ask.target)
        passing = [e for e in hard if e.reason in PASSING]
        if rows - {e.row for e in passing}:  # only a slot was missing there; with the others it is as it was
            text = f"every deployment{of} that could serve was busy until the deadline"
            text += f"; the others: {reasons}" if reasons else ""
            return Failure(FailureKind.BUSY, text, retry_after_s=self._expected(rows, now))
        wait = None if soonest is math.inf else max(0.0, soonest - now)
        if passing and all(e.reason == "quota_exhausted" for e in passing):
            text = f"every deployment{of} is rate limited: {reasons}"
            return Failure(FailureKind.LIMITED, text, retry_after_s=wait)
        if passing or any(e.reason.startswith(_OTHERS) for e in hard):
            text = f"no deployment{of} is available: {reasons}"
            return Failure(FailureKind.UNAVAILABLE, text, retry_after_s=wait)
        text = f"no deployment{of} may serve this request: {reasons or 'there is none'}"
        return Failure(FailureKind.NO_CANDIDATE, text)


def _rank(ask: Ask) -> int:
    return 1 if ask.urgency is Urgency.BACKGROUND else 0


def _of(target: str) -> str:
    """Return whose deployments a target's key means, for a sentence; ``auto`` means all."""
    kind, _, name = target.partition(":")
    if not name:
        return ""
    return f" of {name!r}" if kind == TargetKind.PIN else f" of {kind} {name!r}"


def _slots(row: Row, rows: Sequence[Row]) -> float:
    """Return the slots of ``row``, with its part of what its provider's deployments among ``rows`` share."""
    most, shared = capacity(row), row.provider.max_concurrency
    own = math.inf if most is None else max(1.0, most)
    return own if shared is None else min(own, shared / sum(r.provider is row.provider for r in rows))
