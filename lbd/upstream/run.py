"""One flight: decide, take a lease, attempt, and whatever the verdict says next.

This drives the pure parts: :mod:`lbd.decide` chooses, :mod:`lbd.state.flight` says what to do after a
failure, the table's leases re-check live. Each further attempt is a new decision on the current snapshot,
with what was tried excluded.
"""

from __future__ import annotations

import asyncio
import math
from operator import attrgetter

from lbd.decide import cutoff, pick
from lbd.model.failure import TIMEOUTS, Failure, FailureKind, Retry
from lbd.model.money import cost
from lbd.model.outcome import Usage
from lbd.model.plan import Candidate, Choice, Query
from lbd.model.record import AttemptRecord, RequestRecord
from lbd.model.request import Urgency
from lbd.model.units import DeploymentId, Instant, NanoUsd, Seconds, Tokens
from lbd.ports import Endpoint, Reply
from lbd.shapes.chat.hearsay import believed
from lbd.shapes.validate.check import judged
from lbd.shapes.wire import Wire
from lbd.state import flight as flights
from lbd.state.flight import Flight, Next, Step
from lbd.state.row import silent_since
from lbd.upstream import hedging
from lbd.upstream.acquire import SHUT_DOWN, Acquired, Desk
from lbd.upstream.attempt import Attempt
from lbd.upstream.bounds import bounds_of, longest, overdue
from lbd.upstream.headers import event_stream
from lbd.upstream.hedging import SOONER, Hedge
from lbd.upstream.line import Line, Way, forwarding, put
from lbd.upstream.manner import FORWARD, WHOLE, Manner, following, manner_of
from lbd.upstream.recording import Served, attempt_record, outcome_of, request_record
from lbd.upstream.respond import STREAMED, answer, own_fields
from lbd.upstream.service import Service
from lbd.upstream.splicing import Splicing
from lbd.upstream.ticket import Ticket
from lbd.upstream.usage import usage_of

KEEP_ALIVE_EVERY: Seconds = 15.0
_INTERACTIVE = Urgency.INTERACTIVE
_started = attrgetter("started_s")


class Run:
    """One flight under way: the state that the driver's steps share. It is the host of its attempts."""

    __slots__ = (
        "_acquired",
        "_attempting",
        "_closed",
        "_desk",
        "_env",
        "_flight",
        "_heard_to",
        "_hedge",
        "_hedged",
        "_keeping",
        "_larger",
        "_overhead_us",
        "_records",
        "_rejected",
        "_reply",
        "_room",
        "_served_by",
        "_service",
        "_shown",
        "_slo_at_risk",
        "_spent",
        "_splicing",
        "_ticket",
        "_ttft_s",
        "_upstream_s",
        "_usage",
    )

    def __init__(self, service: Service, ticket: Ticket, reply: Reply) -> None:
        self._service = service
        self._env = service.env
        self._ticket = ticket
        self._reply = reply
        ask = ticket.ask
        total_by = ticket.arrived + ask.total_s
        # an answer that comes whole has no first content to wait for: only its whole is bounded
        first_by = min(total_by, ticket.arrived + ask.first_content_s) if ask.stream else total_by
        self._flight = Flight(ticket.arrived, first_by, total_by)
        self._desk = Desk(service, ask, ticket.arrived, ticket.affinity, ticket.client)
        self._records: list[AttemptRecord] = []
        self._upstream_s: Seconds = 0.0  # spent waiting for providers
        self._heard_to: Instant = 0.0  # it is counted up to then
        self._slo_at_risk = False  # nobody was predicted to meet it
        self._closed = self._hedged = False
        self._keeping = False  # the client is told now and then that its answer is still awaited
        self._splicing: Splicing | None = None  # once the client has content
        self._shown: list[bytes] | None = None  # of it, where it is kept
        self._room = 0  # bytes that may be kept still
        self._acquired: Acquired | None = None  # of the attempt under way
        self._attempting: Attempt | None = None
        self._hedge: Hedge | None = None  # beside it
        self._larger: Tokens | None = None  # than which a context must be, since one was too small
        self._rejected: Attempt | None = None  # the last whose answer was not good enough
        self._served_by: DeploymentId | None = None
        self._ttft_s: Seconds | None = None
        self._usage: Usage | None = None
        self._spent: NanoUsd = 0
        self._overhead_us = 0.0

    def give_up(self) -> None:
        """The daemon ends: end this flight with a typed error."""
        if self._attempting is not None:
            self._attempting.stop(SHUT_DOWN)
        if self._hedge is not None:
            self._hedge.stop(SHUT_DOWN)

    async def fly(self) -> RequestRecord:
        """Serve the request; the client has its answer afterwards."""
        service = self._service
        service.budget.request(self._ticket.arrived)
        service.hedges.request(self._ticket.ask.input_tokens)
        query = Query(affinity=self._ticket.affinity)
        again: Choice | None = None
        try:
            while True:
                if service.closing:  # what is begun now would be cut off without a word
                    return self._fail(SHUT_DOWN)
                if again is not None:
                    acquired = await self._desk.again(self._flight, again)
                else:
                    acquired = self._desk.at_once(query) or await self._desk.acquire(self._flight, query)
                if isinstance(acquired, Failure):
                    return self._fail(acquired)
                attempt = await self._attempt(acquired)
                if self._hedge is not None:
                    acquired, attempt = await self._both(self._hedge, acquired, attempt)
                if attempt.failure is None:
                    return self._serve(attempt)
                then = await self._go_on(acquired, attempt.failure)
                if isinstance(then, RequestRecord):
                    return then
                query, again = then
        finally:
            if self._hedge is not None:
                if self._hedge.attempt is None:  # its task may never have begun
                    self._release(self._hedge.acquired)
                await self._hedge.cancel()

    async def _go_on(self, acquired: Acquired, failure: Failure) -> RequestRecord | tuple[Query, Choice | None]:
        """An attempt has failed: return how the next one is chosen, and where if at the same row; or end the flight."""
        now = self._env.now()
        verdict, query = self._next(acquired.choice.candidate, failure, now)
        over = verdict.step is Step.GIVE or (verdict.spend and not self._desk.pays(now))
        last = flights.final(self._flight) if over and verdict.step is not Step.GIVE else verdict.failure
        # once all were tried in vain, one try tells as much as all of them
        if over or self._flight.rounds:
            anew = await self._desk.outlast(self._flight, last, acquired, now, over=over)
            if anew is not None:
                self._flight = anew
                return Query(anew.tried, None, self._larger, self._ticket.affinity), None
        if over:
            return self._fail(self._desk.last_word(self._flight, last, now))
        if self._flight.committed:
            self._keep_open()
        if verdict.step is not Step.AGAIN:
            return query, None
        await self._env.sleep(verdict.wait_s)
        self._desk.waited_s += verdict.wait_s
        return query, acquired.choice

    def _next(self, candidate: Candidate, failure: Failure, now: Instant) -> tuple[Next, Query]:
        """Return what to do after a failure there, and what a pick is restricted to then."""
        small = flights.too_small(failure, candidate.context)
        larger = self._larger = self._larger if small is None else small
        twins = self._left(Query(self._flight.tried, candidate.model, self._larger if small is None else None))
        only = None if self._ticket.ask.fallback else candidate.model  # one model, or a clear error
        # one lost connection is no reason to go to a row that is only tried as a last resort
        trials = failure.kind not in flights.CUT_OFF or bool(self._flight.repeated)
        others = twins if only else self._left(Query(self._flight.tried, larger_than=larger), trials=trials)
        others = others or self._desk.returns(self._flight, failure, only, now)
        if self._splicing is not None:
            self._flight = self._splicing.broken(self._flight, failure, now, self._ticket.ask.first_content_s)
        self._flight, verdict = flights.after(self._flight, candidate.id, failure, now, twins=twins, others=others)
        model = candidate.model if twins and small is None else only
        return verdict, Query(self._flight.tried, model, larger, self._ticket.affinity)

    def _left(self, query: Query, *, trials: bool = True) -> int:
        return pick.left(self._service.ranking(self._ticket.ask), query, trials=trials)

    # --- one attempt ---------------------------------------------------------------------------------

    async def _attempt(self, acquired: Acquired, hedge: Hedge | None = None) -> Attempt:
        choice, lease = acquired.choice, acquired.lease
        if hedge is None:
            self._acquired = acquired
        service, head = self._service, self._ticket.body.head
        candidate = choice.candidate
        line = service.lines[candidate.id]
        way = line.ways[self._ticket.body.shape]
        manner = manner_of(line, way.wire, head)
        if hedge is None:
            self._slo_at_risk |= choice.manner == "slo_missed"
            self._flight = flights.sent(self._flight, candidate.id)
            attempt = self._attempting = self._prepare(line, way.wire, choice, manner)
        else:
            self._flight = flights.hedged(self._flight, candidate.id)
            attempt = hedge.attempt = self._prepare(line, way.wire, choice, manner)
        endpoint, ask_usage = self._asking(line, way, manner)
        service.watch(candidate.id, attempt)
        try:
            asked = self._ticket.body
            sent = put(
                line, way.wire, asked, endpoint, manner is not WHOLE, ask_usage, self._env.wall, self._ticket.trace
            )
            follow = None if manner is WHOLE else following(manner, way.wire, asked, ask_usage)
            if self._splicing is not None:
                follow = self._splicing.follow(follow)
            if isinstance(sent, Failure):
                attempt.refuse(sent)
            else:
                await attempt.run(*sent, follow)
        except BaseException as e:
            kind = FailureKind.CLIENT_GONE if isinstance(e, asyncio.CancelledError) else FailureKind.INTERNAL
            lease.ignore()
            self._record(attempt, acquired, kind, hedge)
            attempt.failure = attempt.failure or Failure(kind, "it was ended inside lbd")
            raise
        finally:
            if hedge is None:
                self._attempting = None
            service.unwatch(candidate.id, attempt)
        if self._ticket.validation is not None and attempt.failure is None and attempt.answer is not None:
            attempt.failure = judged(self._ticket.validation, self._ticket.body, attempt.answer)
            self._rejected = self._rejected if attempt.failure is None else attempt
        attempt.failure = attempt.failure or way.wire.lacking(self._ticket.body, attempt.answer)
        failure = attempt.failure and believed(attempt.failure, self._ticket.body.raw)
        attempt.failure = failure
        self._record(attempt, acquired, None if failure is None else failure.kind, hedge)
        if hedge is not None and failure is SOONER:
            lease.ignore()  # it had no time to show anything
        else:
            lease.settle(outcome_of(self._ticket, attempt, candidate))
        return attempt

    def hedge(self, attempt: Attempt) -> None:
        """It is late: begin another one beside it, where somebody is likely to be in time."""
        acquired = self._acquired
        if attempt is not self._attempting or acquired is None or self._hedge is not None:
            return
        late = acquired.choice.candidate
        found = hedging.find(self._service, self._desk, self._ticket.ask, self._flight, late, self._env.now())
        if found is not None:
            self._service.silent(attempt.line.provider.name)  # it may be more than late
            self._hedged = True
            hedge = self._hedge = Hedge(found)
            hedge.task = self._service.spawn("hedge", self._beside(hedge))

    async def _beside(self, hedge: Hedge) -> None:
        line = self._service.lines.get(hedge.acquired.choice.candidate.id)  # a reload may have come since
        gone = line is None or self._ticket.body.shape not in line.ways
        if gone or self._flight.committed or self._closed:  # or the first was soon enough, after all
            self._release(hedge.acquired)
        else:
            await self._attempt(hedge.acquired, hedge)

    def _release(self, acquired: Acquired) -> None:
        acquired.lease.ignore()
        self._service.purses.settle(acquired.hold, 0)

    async def _both(self, hedge: Hedge, acquired: Acquired, attempt: Attempt) -> tuple[Acquired, Attempt]:
        """The attempt is over: return it or the one beside it, whichever counts."""
        failure = attempt.failure
        if failure is not None and failure.row.retry is Retry.NEVER:
            hedge.stop(failure)  # the other one would be told the same
        await hedge.over()
        self._hedge = None
        other = hedge.attempt
        if other is None or hedging.first_counts(attempt, other):
            lost, row = other, hedge.acquired
        else:
            acquired, attempt, lost, row = hedge.acquired, other, attempt, acquired
        if lost is not None and lost.failure is not None and lost.failure is not SOONER:
            self._flight = flights.failed(self._flight, row.choice.candidate.id, lost.failure)
        return acquired, attempt

    def _asking(self, line: Line, way: Way, manner: Manner) -> tuple[Endpoint, bool]:
        """Return where it is sent, and whether usage is to be asked for."""
        endpoint = way.unary if manner is WHOLE else way.stream
        if self._ticket.forward and way.wire.native:
            endpoint = forwarding(endpoint, self._ticket.forward)
        return endpoint, manner is not WHOLE and line.provider.stream_usage

    def _prepare(self, line: Line, wire: Wire, choice: Choice, manner: Manner) -> Attempt:
        flight, settings, candidate = self._flight, self._service.settings, choice.candidate
        headers_at = math.inf if self._reply.started else flight.arrived + settings.headers_after_s
        view = self._service.owner.snapshot.row(candidate.id) if manner is WHOLE else None
        now, idle_s = self._env.now(), settings.idle_gap_s
        ask = self._ticket.ask
        hedged = choice.others and manner is FORWARD and self._splicing is None and ask.urgency is _INTERACTIVE
        hedge_s = candidate.hedge_s if hedged else math.inf
        next_s = cutoff.next_of(self._service.ranking(ask), candidate, flight.tried)
        bounds = bounds_of(
            flight, ask, candidate, manner, view, now, headers_at, idle_s, hedge_s=hedge_s, next_s=next_s
        )
        return Attempt(self._env, self._service.wheel, line, wire, manner, self, bounds)

    def longest(self, attempt: Attempt) -> Seconds:
        """Return how long even the longest answer may take there before it is overdue."""
        view, acquired = self._service.owner.snapshot.row(attempt.line.spec.id), self._acquired
        usual = attempt.bounds.usual_s
        # once a request: where the answer is as long as that, the next row will not be quicker
        slow = any(f.kind in TIMEOUTS for _, f in self._flight.failures)
        mute = acquired is not None and not slow and silent_since(acquired.lease.row, attempt.sent_at)
        most = longest(self._ticket.ask, view, usual)
        return min(most, overdue(usual)) if mute and usual is not None else most

    def may_move(self) -> bool:
        """Tell whether another candidate is left, may be asked in time, and could go on with what the client has."""
        flight, desk, now = self._flight, self._desk, self._env.now()
        return self._may_go_on() and desk.open_in_time(flight, Query(flight.tried), now) and desk.affords(flight, now)

    def _may_go_on(self) -> bool:
        splicing = self._splicing
        return splicing is None or (self._flight.resumed < flights.MOST_RESUMED and splicing.can())

    def may_leave(self, attempt: Attempt) -> bool:
        """Tell whether one that is only silent is left: another candidate takes the request over."""
        flight, desk, now, mute = self._flight, self._desk, self._env.now(), not self.heard(attempt)
        taken = self._may_go_on() and desk.takes_over(flight, Query(flight.tried), now, mute=mute)
        return taken and desk.affords(flight, now)

    def heard(self, attempt: Attempt) -> bool:
        """Tell whether the deployment has answered anybody since the attempt began."""
        row = self._service.owner.find(attempt.line.spec.id)
        return row is not None and not silent_since(row, attempt.sent_at)

    def silent(self, attempt: Attempt) -> None:
        """The provider is silent for suspiciously long: see whether anybody is there, if that is not known already."""
        self._service.silent(attempt.line.provider.name)
        if attempt.committed:
            view = self._service.owner.snapshot.row(attempt.line.spec.id)
            if view is not None and view.refusal == "breaker_open":
                attempt.rescue()

    def _since(self, attempt: Attempt) -> Instant:
        """Return from when on its time is not counted yet: two attempts are waited for at once."""
        first = self._attempting or attempt
        return max(first.sent_at, self._heard_to)

    def _record(self, attempt: Attempt, acquired: Acquired, failure: FailureKind | None, hedge: Hedge | None) -> None:
        arrived = self._ticket.arrived
        ended = attempt.settled_at or self._env.now()
        # what lbd did with the last bytes is its own time, not the provider's
        last = attempt.last_at if failure is None else ended
        if hedge is None or self._attempting is None:
            self._upstream_s += max(0.0, last - self._since(attempt))
            self._heard_to = last
        usage = usage_of(attempt, self._ticket.body.head, self._service.owner.snapshot.tokens_per_byte)
        attempt.usage = usage
        nano = cost(attempt.line.spec.price, usage)
        self._spent += nano
        self._service.purses.settle(acquired.hold, nano)
        beside = hedge is not None
        self._records.append(attempt_record(attempt, acquired.decision, failure, arrived, ended, usage, nano, beside))

    # --- answering -----------------------------------------------------------------------------------

    def _fields(self, attempt: Attempt | None, upstream_s: Seconds) -> bytes:
        elsewhere = upstream_s + self._desk.waited_s
        self._overhead_us = max(0.0, (self._env.now() - self._ticket.arrived - elsewhere) * 1e6)
        return own_fields(
            self._ticket.id,
            self._flight.attempts,
            self._overhead_us,
            b"" if attempt is None else attempt.line.field,
            None if attempt is None else attempt.upstream_id,
            slo_at_risk=self._slo_at_risk,
        )

    def commit(self, attempt: Attempt, first: bytes) -> None:
        """The first content is here: start the answer, or go on with it."""
        if attempt.quota:
            self._tell_limits(attempt)
        if self._splicing is not None:
            self._reply.flow(attempt.pause, attempt.resume)
            self.forward(self._splicing.resumed(self._flight, first))
            return
        if self._hedge is not None:
            self._hedge.decided(attempt, self._attempting)
        self._splicing = Splicing(self._service.room, self._ticket)
        self._shown = self._splicing.shown
        self._flight = flights.committed(self._flight)
        self._served_by = attempt.line.spec.id
        reply = self._reply
        if not reply.started:
            told = self._fields(attempt, self._upstream_s + attempt.last_at - self._since(attempt))
            kind = (event_stream(attempt.headers) or "text/event-stream").encode("latin-1", "replace")
            reply.start(200, b"%bcontent-type: %b\r\n%b" % (told, kind, STREAMED))
        reply.flow(attempt.pause, attempt.resume)
        self.forward(first)
        self._ttft_s = self._env.now() - self._ticket.arrived

    def _tell_limits(self, attempt: Attempt) -> None:
        """Tell the table now what the head said of rate limits: the end of the stream may be far."""
        hedge, acquired = self._hedge, self._acquired
        if hedge is not None and attempt is hedge.attempt:
            acquired = hedge.acquired
        if acquired is not None:
            self._service.owner.told(acquired.lease, attempt.quota, self._env.now() - attempt.head_at)
            attempt.quota = ()

    def forward(self, data: bytes) -> None:
        """Pass on a slice, and keep it for when the stream breaks."""
        self._reply.write(data)
        if (shown := self._shown) is not None:
            shown.append(data)
            self._room -= len(data)
            if self._room < 0:
                self._widen()

    def _widen(self) -> None:
        """More was kept than there is room for: take more, or keep nothing."""
        if self._splicing is not None:
            self._room += self._splicing.more(-self._room)
            self._shown = self._splicing.shown

    def finish(self, data: bytes) -> None:
        """Pass on the last slice and end the answer."""
        self._reply.end(data)

    def open_early(self) -> None:
        """No content for long: open the stream all the same, so that nobody in between gives it up."""
        if not self._reply.started:
            told = self._fields(None, self._env.now() - self._ticket.arrived)
            self._reply.start(200, told + b"content-type: text/event-stream\r\n" + STREAMED)
            self._keep_open()

    def _keep_open(self) -> None:
        if not self._keeping:
            self._keeping = True
            self._tell_alive()

    def _tell_alive(self) -> None:
        self._keeping = not self._closed and (self._splicing is None or self._splicing.silent)
        if self._keeping:
            self._reply.write(self._ticket.shape.keep_alive)
            self._env.call_at(self._env.now() + KEEP_ALIVE_EVERY, self._tell_alive)

    def _serve(self, attempt: Attempt) -> RequestRecord:
        self._served_by = attempt.line.spec.id
        self._usage = attempt.usage
        if self._splicing is not None:
            self._splicing.served()
        if attempt.answer is not None:
            kind = b"application/json"
            if attempt.manner is WHOLE:
                kind = attempt.headers.get("content-type", "application/json").encode("latin-1", "replace")
            told = self._fields(attempt, self._upstream_s)
            more = b"x-lbd-cost-usd: %.9f\r\ncontent-type: %b\r\n" % (self._spent / 1e9, kind)
            if attempt is self._rejected:
                more += b"x-lbd-validation: failed\r\n"
            answer, finish = attempt.answer, attempt.wire.finish
            if finish is not None:
                answer = finish(answer, self._ticket.body, attempt.line.spec, attempt.usage)
            self._reply.send(200, told + more, answer)
        return self._close("ok", 200)

    def _fail(self, failure: Failure) -> RequestRecord:
        shape, wanted = self._ticket.shape, self._ticket.validation
        if self._rejected is not None and wanted is not None and wanted.serve_last:
            return self._serve(self._rejected)
        if self._reply.started:
            self._reply.end(shape.error_event(failure))
            return self._close(failure.kind, 200)
        status, more, body = answer(failure, shape)
        self._reply.send(status, self._fields(None, self._upstream_s) + more, body)
        return self._close(failure.kind, status)

    def abandoned(self) -> RequestRecord:
        """Return the record of a flight whose client left."""
        return self._close(FailureKind.CLIENT_GONE, 499)

    def broken(self) -> RequestRecord:
        """Return the record of a flight that lbd itself failed."""
        if self._acquired is not None:
            self._service.purses.settle(self._acquired.hold, 0)  # where it was between the slot and the attempt
        return self._close(FailureKind.INTERNAL, 500)

    def _close(self, outcome: str, status: int) -> RequestRecord:
        self._closed = True
        splices = () if self._splicing is None else self._splicing.over(gone=outcome == FailureKind.CLIENT_GONE)
        if self._hedged:
            self._records.sort(key=_started)
        attempts = (*self._desk.refusals, *self._records) if self._desk.refusals else tuple(self._records)
        usage, spent, waited_s, moves = self._usage, self._spent, self._desk.waited_s, self._flight.moves
        served = Served(self._served_by, self._ttft_s, self._overhead_us, usage, spent, waited_s, moves, splices)
        return request_record(self._ticket, attempts, outcome, status, served, self._env.wall(), self._env.now())
