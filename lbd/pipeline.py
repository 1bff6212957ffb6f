"""The life of a request. Read this first.

    ingress   bytes            -> Inbound      (headers and body; never decides)
    admit     key              -> ClientSpec   | no
    shapes    body             -> Head         | no
    decide    Head, Wishes     -> Ask          | no
    upstream  Ask, Body, Reply -> RequestRecord (choose, attempt, relay, move on)
    observe   RequestRecord    -> journal, metrics, log  (called by the flight when it ends)

The pipeline holds no rules of its own, and does not know the loops that run beside it (probing, reload,
persistence): they meet in the provider table.
"""

from __future__ import annotations

import itertools
import secrets
import zlib
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from lbd.admit import stating
from lbd.admit.asks import Asks
from lbd.admit.auth import LOCAL, Clients
from lbd.admit.chooser import Chooser
from lbd.admit.rate import Rates
from lbd.decide import explain
from lbd.decide.classify import NO_WISHES
from lbd.decide.experiment import NOBODY, assigned, under
from lbd.model.evaluation import EVALUATOR
from lbd.model.experiment import Arm, Assigned, ExperimentSpec
from lbd.model.failure import Failure, LbdError
from lbd.model.judged import NOT_JUDGED, Judged
from lbd.model.peer import Peer
from lbd.model.provider import AutoSpec, ClientSpec, Deadlines, RuleSpec, SurfaceSpec
from lbd.model.record import RequestRecord
from lbd.model.request import Ask, Body, Head, Urgency, Wishes
from lbd.model.units import Instant, Seconds
from lbd.model.validation import joined
from lbd.ports import Reply, Sends
from lbd.shapes.clients import ClientShape
from lbd.shapes.validate.check import applies
from lbd.upstream.call import Flights
from lbd.upstream.respond import JSON, answer, own_fields
from lbd.upstream.tape import Tape
from lbd.upstream.ticket import Ticket
from lbd.upstream.trace import Ids

ESTIMATED = JSON + b"x-lbd-estimated: 1\r\n"


class Inbound(Protocol):
    """A request as ingress hands it over."""

    arrived: Instant
    peer: Peer  # what its connection shows of its client

    def header(self, name: str) -> str | None:
        """Return a header's value."""

    def wishes(self) -> Mapping[str, str]:
        """Return the ``x-lbd-*`` headers, without their prefix."""


class Rules(msgspec.Struct, frozen=True):
    """What of a configuration the pipeline reads; swapped as one on reload."""

    clients: Clients
    surfaces: Mapping[str, SurfaceSpec]
    deadlines: Deadlines
    choosing: tuple[RuleSpec, ...] = ()  # rules that take requests by themselves
    auto: AutoSpec = AutoSpec()
    variants: Mapping[str, Rules] = {}  # of those whom experiments treat


class Errand(msgspec.Struct, frozen=True):
    """Work that a client left here to be done: always background, with what is left of its time as its deadline."""

    client: ClientSpec
    within_s: Seconds


class Dry(NamedTuple):
    """A request that only wants to know what would be decided on."""

    ask: Ask
    head: Head
    judged: Judged


class Sampler(Protocol):
    """Keeps some answers beside, to have them scored. See :class:`lbd.loops.evaluate.Evaluating`."""

    def tape(self, ticket: Ticket, reply: Reply) -> Tape | None:
        """Return what keeps the answer to a request that is sampled."""

    def taken(self, ticket: Ticket, tape: Tape, record: RequestRecord | None) -> None:
        """Take the answer, once its flight is over; None where that broke."""


class Pipeline:
    """Takes requests from ingress through admission and decision to their flight."""

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        self._prefix = secrets.token_hex(6)
        self._serial = itertools.count(1)
        self.rules = Rules(Clients(()), {}, Deadlines())
        self.chooser = Chooser()
        self.sampler: Sampler | None = None
        self.asks = Asks()
        self.traces = Ids()
        self.trying: tuple[ExperimentSpec, ...] = ()  # experiments that run
        self.entered: Callable[[tuple[Arm, ...]], None] = lambda _arms: None  # a request that counts in them flies
        self._rates = Rates()

    def configure(self, rules: Rules) -> None:
        """Take what a configuration says."""
        self.rules = rules
        variants = {name: (of.choosing, of.auto) for name, of in rules.variants.items()}
        self.chooser.configure(rules.choosing, rules.auto, variants)
        self.asks.clear()

    def next_id(self) -> str:
        """Return a request id: unique over restarts, in order within one run."""
        return f"req_{self._prefix}{next(self._serial):08x}"

    async def handle(
        self, inbound: Inbound, raw: bytes, shape: ClientShape, reply: Reply, *, errand: Errand | None = None
    ) -> None:
        """Serve one request; ``errand`` says whose it is where nobody is connected."""
        request_id = self.next_id()
        ticket = self.prepare(request_id, inbound, raw, shape, errand=errand)
        if isinstance(ticket, Ticket):
            if shape.estimate is not None and not self._flights.ranking(ticket.ask).stages:
                tokens = round(ticket.body.head.text_bytes * self._flights.owner.snapshot.tokens_per_byte)
                self.forgo(ticket)
                reply.send(200, self.told(request_id, inbound) + ESTIMATED, shape.estimate(max(1, tokens)))
                return
            if ticket.arms:
                self.entered(ticket.arms)
            await (
                self._flights.fly(ticket, reply) if self.sampler is None else self._sampled(self.sampler, ticket, reply)
            )
        elif isinstance(ticket, Failure):
            self.refuse(request_id, inbound, ticket, shape, reply)
        else:
            reply.send(200, self.told(request_id, inbound) + JSON, msgspec.json.encode(self.plan(*ticket)))

    def forgo(self, ticket: Ticket) -> None:
        """Make good what a request was counted for that does not fly, now at least."""
        self._rates.settle(ticket.id, self.rules.clients.named(ticket.client), (), self._flights.env.now())

    async def _sampled(self, sampler: Sampler, ticket: Ticket, reply: Reply) -> None:
        tape = sampler.tape(ticket, reply)
        if tape is None:
            await self._flights.fly(ticket, reply)
            return
        record = None
        try:
            record = await self._flights.fly(ticket, tape)
        finally:
            sampler.taken(ticket, tape, record)

    def told(self, request_id: str, inbound: Inbound) -> bytes:
        """Return the header lines of an answer that no provider gave."""
        return own_fields(request_id, 0, (self._flights.env.now() - inbound.arrived) * 1e6)

    def refuse(
        self,
        request_id: str,
        inbound: Inbound,
        failure: Failure,
        shape: ClientShape,
        reply: Sends,
        more: bytes = b"",
    ) -> None:
        """Answer a request that gets no flight; ``more`` are further header lines."""
        status, told, body = answer(failure, shape)
        reply.send(status, b"%b%b%b" % (self.told(request_id, inbound), told, more), body)

    def prepare(
        self,
        request_id: str,
        inbound: Inbound,
        raw: bytes,
        shape: ClientShape,
        *,
        trusted: bool = False,
        errand: Errand | None = None,
    ) -> Ticket | Failure | Dry:
        """Return the ticket of a request, why it is refused, or for a dry run what would be decided on."""
        try:
            if errand is not None:
                client = errand.client
            else:
                client = LOCAL if trusted or self.rules.clients.open else self._client(inbound)
            return self._prepared(request_id, inbound, raw, shape, client, errand)
        except LbdError as e:
            return e.failure

    def _prepared(
        self,
        request_id: str,
        inbound: Inbound,
        raw: bytes,
        shape: ClientShape,
        client: ClientSpec,
        errand: Errand | None,
    ) -> Ticket | Dry:
        head = shape.read(raw)
        if isinstance(head, Failure):
            raise LbdError(head)
        stated = inbound.wishes()
        wish = stating.wishes(stated, head, client) if stated or head.metadata is not None else NO_WISHES
        rules, (variant, arms) = self._tried(request_id, wish, client) if self.trying else (self.rules, NOBODY)
        surface, validation = None, wish.validation
        if wish.surface is not None or client.surface is not None:
            surface = stating.surface(rules.surfaces, wish, client)
            validation = joined(surface.validation, validation)
        if validation is not None and not applies(shape.name, stream=head.stream):
            validation = None
        deadlines = rules.deadlines
        if errand is not None:
            wish = replace(wish, urgency=Urgency.BACKGROUND)
            surface = None if surface is None else replace(surface, deadline_s=None)
            deadlines = Deadlines(background_total_s=errand.within_s)
        snapshot, peak = self._flights.owner.snapshot, self.chooser.peak
        seen = under(snapshot, variant) if variant else snapshot
        judged = NOT_JUDGED
        if surface is not None or variant or not self.chooser.idle:
            judged = self.chooser.judged(seen, inbound, raw, shape, head, wish, client, surface, variant)
        ask = self.asks.of(
            snapshot, head, wish, client, surface, shape.name, deadlines, rules.auto, judged, peak=peak, variant=variant
        )
        if wish.dry_run:
            return Dry(ask, head, judged)
        if errand is None:  # what a batch does has its own pace
            refused = self._rates.admit(client, ask, self._flights.env.now(), request_id)
            if refused is not None:
                raise LbdError(refused)
        affinity = zlib.crc32(wish.session.encode()) if wish.session is not None else head.prefix_hash
        body = Body(shape.name, raw, head)
        forward: tuple[tuple[str, str], ...] = ()
        if shape.forwards:
            forward = tuple((n, v) for n in shape.forwards if (v := inbound.header(n)) is not None)
        told = None if judged is NOT_JUDGED else judged
        sampled = surface is None or surface.evaluate
        after = stating.after_content(wish, surface)
        rest = (affinity, forward, validation, sampled, told, arms, after, self.traces.trace(inbound))
        return Ticket(request_id, inbound.arrived, body, ask, shape, client.name, *rest)

    def _tried(self, request_id: str, wish: Wishes, client: ClientSpec) -> tuple[Rules, Assigned]:
        """Return what holds for a request while experiments run, and where it counts; what lbd asks itself does not."""
        if client.name == EVALUATOR:
            return self.rules, NOBODY
        surface = wish.surface if wish.surface is not None else client.surface or ""
        found = assigned(self.trying, surface, wish.session, client.name, request_id)
        return self.rules.variants.get(found.variant, self.rules), found

    def settle(self, record: RequestRecord) -> None:
        """Make good what a request that ended was counted for, where its client's tokens are counted."""
        if not self._rates.owes:
            return
        usages = (a.usage for a in record.attempts)
        self._rates.settle(record.id, self.rules.clients.named(record.client), usages, self._flights.env.now())

    def who(self, inbound: Inbound) -> ClientSpec | Failure:
        """Return whose key a request carries, or whose certificate its connection shows."""
        return self.rules.clients.who(
            inbound.header("authorization"), inbound.header("x-api-key") or inbound.header("api-key"), inbound.peer
        )

    def _client(self, inbound: Inbound) -> ClientSpec:
        found = self.who(inbound)
        if isinstance(found, Failure):
            raise LbdError(found)
        return found

    def plan_for(self, inbound: Inbound, raw: bytes, shape: ClientShape) -> dict[str, object] | Failure:
        """Return what would be decided for a request; ``inbound`` asks for a dry run and needs no key."""
        prepared = self.prepare("", inbound, raw, shape, trusted=True)
        if isinstance(prepared, Failure):
            return prepared
        if isinstance(prepared, Ticket):
            return self.plan(prepared.ask, prepared.body.head, prepared.judged)
        return self.plan(*prepared)

    def plan(self, ask: Ask, head: Head, judged: Judged | None) -> dict[str, object]:
        """Return what would be decided for ``ask`` now; nothing is sent."""
        flights = self._flights
        snapshot = flights.owner.snapshot
        ranking = flights.ranking(ask)
        facts = explain.ranking_facts(ranking, snapshot)
        told = None if judged is None or judged is NOT_JUDGED else msgspec.to_builtins(judged)
        asked = msgspec.to_builtins(ask)
        return {"object": "lbd.plan", "asked": head.model, "ask": asked, "judged": told, **facts}
