"""Choose a deployment and take a slot there; wait where everything is only busy, limited or tripped.

A lease may be refused, since it re-checks live; then another pick is made without that row. When nothing is
left, the request waits in the queue if what stands in the way passes by itself within the deadline, and
otherwise is told why nobody serves it and when asking again may help.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from lbd.decide import pick
from lbd.model.failure import Failure, FailureKind
from lbd.model.money import most
from lbd.model.plan import Choice, Decision, Excluded, Query, Ranking, Seed, TargetKind
from lbd.model.record import AttemptRecord
from lbd.model.request import Ask
from lbd.model.units import DeploymentId, Instant, Seconds
from lbd.state import flight as flights
from lbd.state.claims import ANY
from lbd.state.flight import Flight
from lbd.state.uplink import RESOLVING, UNREACHED
from lbd.table.lease import Lease
from lbd.table.purses import Hold, Short
from lbd.upstream.patience import expected, fits
from lbd.upstream.service import Service
from lbd.upstream.standing import Standing
from lbd.upstream.turn import LIMITED, Turn

GRANT: Seconds = 0.01  # after so long a budget is asked again that waits for a word on the disk
LONGEST_GRANT: Seconds = 2.0  # a disk that does not answer for so long says nothing at all
OUTAGE_LOOK: Seconds = 0.1  # whether this host reaches anybody again
OUTAGE_PROBE: Seconds = 1.0  # a probe looks, one for all who wait
SHORT: Seconds = 1.0  # a wait for a rate limit that nobody asks about
MOST_REFUSALS = 32  # kept in the record
SHUT_DOWN = Failure(FailureKind.DRAINING, "lbd was shut down before the answer was complete", retry_after_s=1.0)
NOT_REACHED = RESOLVING | UNREACHED
NOBODY = "nobody"  # in the place of a lease's refusal: there was nobody to ask for one
# Exclusions that pass by themselves: worth waiting for.
PASSING = frozenset({"breaker_open", "trials_under_way", LIMITED, "at_limit"})
# Not the request itself but an operator or a provider stands in the way.
_OTHERS = ("admin_", "locked_", "weight_zero")


_tuple = tuple.__new__


class Acquired(NamedTuple):
    """A decision, the slot that was taken on it, and the money that is held for it where budgets are set."""

    choice: Choice
    lease: Lease
    decision: Decision
    hold: Hold | None = None


class Desk:
    """Acquires for one request. ``waited_s`` and ``refusals`` are what it cost so far."""

    __slots__ = (
        *("_affinity", "_arrived", "_ask", "_client", "_found", "_paid", "_service", "_short"),
        *("refusals", "waited_s"),
    )

    def __init__(self, service: Service, ask: Ask, arrived: Instant, affinity: int, client: str = "") -> None:
        self._service = service
        self._ask = ask
        self._arrived = arrived
        self._affinity = affinity
        self._client = client
        self._found: tuple[Standing, Turn] | None = None  # once a row was asked that has limits
        self._paid = False  # the next move is
        self._short: Short | None = None  # the budget that kept a row out, and may soonest let it in
        self.waited_s = 0.0
        self.refusals: list[AttemptRecord] = []

    @property
    def _standing(self) -> Standing:
        """Where it stands among the others."""
        return self._places()[0]

    @property
    def _turn(self) -> Turn:
        """Its turn under rate limits."""
        return self._places()[1]

    def _places(self) -> tuple[Standing, Turn]:
        if self._found is None:
            service = self._service
            standing = Standing(service.owner, service.queue, self._ask, self._client)
            self._found = standing, Turn(service.owner, service.queue, standing.place, self._ask, service.lines)
        return self._found

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
        lease, hold = taken
        # half the time of calling the class
        return _tuple(Acquired, (choice, lease, self._decision(choice, ranking.generation, now, query, seed), hold))

    def _take(self, i: int, now: Instant, *, trial: bool = False) -> tuple[Lease, Hold | None] | Short | str:
        """Hold what an attempt at row ``i`` may cost at most, and take its slot; or say which of the two is missing."""
        service, ask = self._service, self._ask
        calm = service.owner.rows[i].calm  # it has no limits: nobody takes anything away from anybody there
        refusal = None if calm else self._standing.refusal(i, now)
        if refusal is not None:
            return refusal
        hold: Hold | None = None
        if service.purses.active:  # before the slot, which counts against the provider's rate limit
            spec = service.owner.rows[i].spec
            held = service.purses.hold(self._client, ask.surface, spec.provider, most(spec, ask), service.env.wall())
            if not isinstance(held, Hold):
                return held
            hold = held
        lease = service.owner.lease(i, now, last_resort=trial, bid=ANY if calm else self._turn.bid(i))
        if isinstance(lease, str):
            service.purses.settle(hold, 0)
            return lease
        if not calm:
            self._standing.took(lease, i, now)
        return lease, hold

    async def acquire(self, flight: Flight, query: Query) -> Acquired | Failure:
        """Decide and take a lease; wait for one where that helps."""
        try:
            return await self._acquire(flight, query)
        finally:
            if self._found is not None:
                self._turn.over()

    async def _acquire(self, flight: Flight, query: Query) -> Acquired | Failure:
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
                if query.model is not None and self._ask.fallback:  # no twin can take it: any other model
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
        """Take a lease at the same row once more; if it is refused, decide anew. For its rate limit it is waited."""
        service = self._service
        now = service.env.now()
        snapshot = service.owner.snapshot
        i = snapshot.catalogue.index.get(choice.candidate.id)
        taken = self._take(i, now) if i is not None else "removed"
        if not isinstance(taken, tuple):
            model = None if self._ask.fallback else choice.candidate.model
            out = tuple(name for name in flight.tried if taken != LIMITED or name != choice.candidate.id)
            return await self.acquire(flight, Query(out, model, affinity=self._affinity))
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
        times = self._waitable(ranking, query, refused, now)
        rows, soonest = frozenset(times), min(times.values(), default=math.inf)
        if self._turn.reopened(rows, now) or (soonest > now + SHORT and self._turn.doubted(rows, now)):
            return None
        for i in rows:  # somebody needs them: whether they are well again should be known at once
            if service.owner.snapshot.rows[i].refusal == "breaker_open":
                service.silent(service.owner.rows[i].provider.name)
        # the wait for a deployment is part of the wait for the first content, of unary answers too
        by = flights.waits_until(flight, self._ask.first_content_s)
        awaited = self._turn.awaited(times, now)
        if not rows or now >= by or not self._turn.in_time(awaited, now, by):
            return self._nobody(flight, ranking, times, now)
        soonest = min(awaited.values())
        if soonest > now:
            self._turn.take(min(times, key=times.__getitem__))
        last = self._turn.last(awaited, now, by)
        look = min(last, max(soonest, now + 0.005) if soonest > now else now + self._standing.look_again_s)
        refusal = await self._standing.wait(rows, look, by, now)
        if refusal is not None:
            return self._busy(refusal, rows, service.env.now())
        later = service.env.now()
        if service.closing:
            return Failure(FailureKind.DRAINING, "lbd is shutting down", retry_after_s=1.0)
        self.waited_s += later - now
        if later < last:
            return None
        times = self._waitable(ranking, query, refused, later)
        if self._turn.taken and min(times.values(), default=math.inf) <= later:
            return None  # its turn came with the deadline
        return self._nobody(flight, ranking, times, later)

    def _busy(self, text: str, rows: frozenset[int], now: Instant) -> Failure:
        service = self._service
        wait = expected(service.owner, service.queue, self._ask, rows, now, client=self._client)
        return Failure(FailureKind.BUSY, text, retry_after_s=wait)

    def _waitable(
        self, ranking: Ranking, query: Query, refused: Sequence[DeploymentId], now: Instant
    ) -> dict[int, Instant]:
        """Return the rows that could serve once something passes, each with the soonest time that may be."""
        snapshot = self._service.owner.snapshot
        index = snapshot.catalogue.index
        waiting = {index[r] for r in refused if r in index and r not in query.out}
        # by their names: a reload may have come since they were ranked
        passing = (e.id for e in ranking.excluded if e.reason in PASSING and e.id not in query.out)
        waiting |= {index[name] for name in passing if name in index}
        if query.model is not None:
            waiting = {i for i in waiting if snapshot.rows[i].spec.model == query.model}
        return {i: self._turn.time(i, now) for i in waiting}

    def returns(self, flight: Flight, failure: Failure, only: str | None, now: Instant) -> int:
        """Count the rows that were not tried, after a 429, whose own limit ends in time; of ``only`` that model."""
        if failure.kind is not FailureKind.RATE:
            return 0
        views, by = self._service.owner.snapshot.rows, flights.waits_until(flight, self._ask.first_content_s)
        limited = [e for e in self._service.ranking(self._ask).excluded if e.reason == LIMITED]
        rows = [e.row for e in limited if e.id not in flight.tried and only in (None, views[e.row].spec.model)]
        return sum(self._turn.in_time({i: self._turn.time(i, now)}, now, by) for i in rows)

    def open_in_time(self, flight: Flight, query: Query, now: Instant) -> bool:
        """Tell whether the rate limits of one that a pick could choose from let it in while that helps."""
        by = flights.waits_until(flight, self._ask.first_content_s)
        return any(self._opens(i, now, by) for i in self._remaining(query))

    def takes_over(self, flight: Flight, query: Query, now: Instant, *, mute: bool) -> bool:
        """Tell whether one of those has a slot for it now, or, where the row that has it is ``mute``, likely in time.

        Whoever leaves a row that is only slow for the queue at others that are busy has lost what was done for it, and
        so has whoever leaves it for one whose breaker is open.
        """
        service, standing, left = self._service, self._standing, self._remaining(query, trials=False)
        owner, by = service.owner, flights.waits_until(flight, self._ask.first_content_s)
        free = (i for i in left if not owner.full(owner.rows[i]))
        if any(standing.refusal(i, now) is None and self._opens(i, now, by) for i in free):
            return True
        if not mute:
            return False
        soon = frozenset(i for i in left if self._opens(i, now, by))
        return fits(owner, service.queue, self._ask, soon, by, now, self._client)

    def affords(self, flight: Flight, now: Instant) -> bool:
        """Tell whether a request that leaves a silent row may be sent elsewhere, and take that from the retry budget.

        Where nothing is left of it the row may answer yet; whoever left it would only be told that it did not.
        """
        if not flights.costs(flight):
            return True
        self._paid = self._paid or self._service.budget.spend(now)
        return self._paid

    def pays(self, now: Instant) -> bool:
        """Take one more attempt from the retry budget, unless that is done."""
        paid, self._paid = self._paid, False
        return paid or self._service.budget.spend(now)

    def _remaining(self, query: Query, *, trials: bool = True) -> list[int]:
        return [c.row for c in pick.remaining(self._service.ranking(self._ask), query, trials=trials)]

    def _opens(self, i: int, now: Instant, by: Instant) -> bool:
        return self._service.owner.rows[i].calm or self._turn.in_time({i: self._turn.time(i, now)}, now, by)

    async def outlast(
        self, flight: Flight, failure: Failure, acquired: Acquired, now: Instant, *, over: bool
    ) -> Flight | None:
        """Wait a little where this host reaches nobody: that is nobody else's fault, and may pass in time.

        Returns the flight for one more round, None where it is no use.
        """
        found = flights.anew(flight, now, self._ask.first_content_s, over=over)
        service, blame, env, row = self._service, self._service.owner.blame, self._service.env, acquired.lease.row
        # a connection that was begun in an outage fails for it, also where that is over by now
        late = failure.kind in NOT_REACHED and blame.excused(row, failure.kind, acquired.decision.at, now)
        if found is None or not (late or blame.explains(row, failure.kind, now)):
            return None
        again, until = found
        look = now + OUTAGE_PROBE
        while env.now() < until and blame.explains(row, failure.kind, env.now()) and not service.closing:
            await env.sleep(OUTAGE_LOOK)
            if env.now() >= look:
                look += OUTAGE_PROBE
                service.silent(row.provider.name)  # whoever reaches it lets all go on who wait
        self.waited_s += env.now() - now
        return None if service.closing else again

    def last_word(self, flight: Flight, failure: Failure, now: Instant) -> Failure:
        """Return what a client is told last; where every attempt was limited, the wait for the first to open."""
        if not flights.all_limited(flight):
            return failure
        owner = self._service.owner
        opens = [owner.opens(row, now) or now for name, _ in flight.failures if (row := owner.find(name)) is not None]
        return replace(failure, retry_after_s=min(opens) - now) if opens else failure

    def _nobody(self, flight: Flight, ranking: Ranking, times: Mapping[int, Instant], now: Instant) -> Failure:
        """Return the failure that says why nobody serves this request, and when asking again may help."""
        if flight.failures:
            return self.last_word(flight, flights.final(flight), now)
        if self._short is not None and not times:
            return self._short.failure()
        views = self._service.owner.snapshot.rows
        # without a refusal, what has a time of its own has it by its rate limit
        full = {i: views[i].spec.id for i, at in times.items() if views[i].refusal is None and at > now}
        hard = [e for e in ranking.excluded if not e.soft]
        told = [f"{e.id}: {e.reason}{f' ({e.detail})' if e.detail else ''}" for e in hard]
        reasons = "; ".join([*told, *(f"{name}: {LIMITED}" for name in full.values())])
        of = _of(self._ask.target)
        passing = [e for e in hard if e.reason in PASSING]
        if times.keys() - full.keys() - {e.row for e in passing}:  # only a slot was missing; others are as they were
            text = f"every deployment{of} that could serve was busy until the deadline"
            text += f"; the others: {reasons}" if reasons else ""
            return self._busy(text, frozenset(times), now)
        wait = max(0.0, min(times.values()) - now) if times else None
        if (passing or full) and all(e.reason == LIMITED for e in passing):
            text = f"every deployment{of} is rate limited: {reasons}"
            return Failure(FailureKind.LIMITED, text, retry_after_s=wait)
        if passing or any(e.reason.startswith(_OTHERS) for e in hard):
            text = f"no deployment{of} is available: {reasons}"
            wait = self._lifted(hard, now) if wait is None else wait
            return Failure(FailureKind.UNAVAILABLE, text, retry_after_s=wait)
        text = f"no deployment{of} may serve this request: {reasons or 'there is none'}"
        return Failure(FailureKind.NO_CANDIDATE, text)

    def _lifted(self, out: Sequence[Excluded], now: Instant) -> Seconds | None:
        """Return when the first of the orders ends that keep deployments out; None where each waits for a person."""
        rows, index = self._service.owner.rows, self._service.owner.snapshot.catalogue.index
        ends: list[Instant | None] = []
        for e in out:
            if (i := index.get(e.id)) is not None:  # a reload may have taken it meanwhile
                row = rows[i]
                ends += [row.admin_until] if e.reason.startswith("admin_") else []
                ends += [row.weight_until] if e.reason == "weight_zero" else []
        return min((max(0.0, end - now) for end in ends if end is not None), default=None)


def _of(target: str) -> str:
    """Return whose deployments a target's key means, for a sentence; ``auto`` means all."""
    kind, _, name = target.partition(":")
    if not name:
        return ""
    return f" of {name!r}" if kind == TargetKind.PIN else f" of {kind} {name!r}"
