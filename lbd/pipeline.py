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
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from lbd.admit import stating
from lbd.admit.auth import LOCAL, Clients
from lbd.admit.chooser import Chooser
from lbd.admit.rate import Rates
from lbd.decide import classify, explain
from lbd.decide.classify import NO_WISHES
from lbd.model.failure import Failure, LbdError
from lbd.model.judged import NOT_JUDGED, Judged
from lbd.model.plan import Catalogue
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
from lbd.upstream.ticket import Ticket

REMEMBERED_ASKS = 4096
ESTIMATED = JSON + b"x-lbd-estimated: 1\r\n"


class Inbound(Protocol):
    """A request as ingress hands it over."""

    arrived: Instant

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


class Errand(msgspec.Struct, frozen=True):
    """Work that a client left here to be done: always background, with what is left of its time as its deadline."""

    client: ClientSpec
    within_s: Seconds


class Dry(NamedTuple):
    """A request that only wants to know what would be decided on."""

    ask: Ask
    head: Head
    judged: Judged


class Pipeline:
    """Takes requests from ingress through admission and decision to their flight."""

    def __init__(self, flights: Flights) -> None:
        self._flights = flights
        self._prefix = secrets.token_hex(6)
        self._serial = itertools.count(1)
        self.rules = Rules(Clients(()), {}, Deadlines())
        self.chooser = Chooser()
        self._asks: dict[tuple[object, ...], Ask] = {}
        self._asks_of: Catalogue | None = None
        self._rates = Rates()

    def configure(self, rules: Rules) -> None:
        """Take what a configuration says."""
        self.rules = rules
        self.chooser.configure(rules.choosing, rules.auto)
        self._asks.clear()

    def next_id(self) -> str:
        """Return a request id: unique over restarts, in order within one run."""
        return f"req_{self._prefix}{next(self._serial):08x}"

    async def handle(
        self, inbound: Inbound, raw: bytes, shape: ClientShape, reply: Reply, *, errand: Errand | None = None
    ) -> None:
        """Serve one request; ``errand`` says whose it is where nobody is connected."""
        request_id = self.next_id()
        ticket = self.prepare(request_id, inbound, raw, shape, errand=errand)
        if isinstance(ticket, Failure):
            self.refuse(request_id, inbound, ticket, shape, reply)
        elif isinstance(ticket, Ticket):
            if shape.estimate is not None and not self._flights.ranking(ticket.ask).stages:
                tokens = round(ticket.body.head.text_bytes * self._flights.owner.snapshot.tokens_per_byte)
                client = self.rules.clients.named(ticket.client)
                self._rates.settle(request_id, client, (), self._flights.env.now())
                reply.send(200, self.told(request_id, inbound) + ESTIMATED, shape.estimate(max(1, tokens)))
                return
            await self._flights.fly(ticket, reply)
        else:
            reply.send(200, self.told(request_id, inbound) + JSON, msgspec.json.encode(self.plan(*ticket)))

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
        surface, validation = None, wish.validation
        if wish.surface is not None or client.surface is not None:
            surface = stating.surface(self.rules.surfaces, wish, client)
            validation = joined(surface.validation, validation)
        if validation is not None and not applies(shape.name, stream=head.stream):
            validation = None
        deadlines = self.rules.deadlines
        if errand is not None:
            wish = replace(wish, urgency=Urgency.BACKGROUND)
            surface = None if surface is None else replace(surface, deadline_s=None)
            deadlines = Deadlines(background_total_s=errand.within_s)
        judged = self.chooser.judged(self._flights.owner.snapshot, inbound, raw, shape, head, wish, client, surface)
        ask = self._ask(head, wish, client, surface, shape.name, deadlines, judged)
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
        return Ticket(request_id, inbound.arrived, body, ask, shape, client.name, affinity, forward, validation, told)

    def settle(self, record: RequestRecord) -> None:
        """Make good what a request that ended was counted for, where its client's tokens are counted."""
        if not self._rates.owes:
            return
        usages = (a.usage for a in record.attempts)
        self._rates.settle(record.id, self.rules.clients.named(record.client), usages, self._flights.env.now())

    def who(self, inbound: Inbound) -> ClientSpec | Failure:
        """Return whose key a request carries."""
        return self.rules.clients.who(
            inbound.header("authorization"), inbound.header("x-api-key") or inbound.header("api-key")
        )

    def _client(self, inbound: Inbound) -> ClientSpec:
        found = self.who(inbound)
        if isinstance(found, Failure):
            raise LbdError(found)
        return found

    def _ask(
        self,
        head: Head,
        wish: Wishes,
        client: ClientSpec,
        surface: SurfaceSpec | None,
        shape: str,
        deadlines: Deadlines,
        judged: Judged,
    ) -> Ask:
        """Return the Ask; like requests share one, and with it their ranking."""
        snapshot = self._flights.owner.snapshot
        catalogue = snapshot.catalogue
        if catalogue is not self._asks_of or len(self._asks) > REMEMBERED_ASKS:
            self._asks.clear()
            self._asks_of = catalogue
        size = classify.round_up(head.text_bytes * snapshot.tokens_per_byte)
        key = (
            head.model,
            size,
            head.stream,
            head.max_output_tokens,
            head.n,
            head.needs,
            head.service_tier,
            client.name,
            shape,
            judged.rule,
            judged.family,
            judged.excess,
            judged.distance,
            self.chooser.peak,
        )
        plain = wish is NO_WISHES and surface is None
        known = self._asks.get(key) if plain else None
        if known is not None:
            return known
        made = classify.ask(
            head,
            wish,
            size,
            catalogue=catalogue,
            client=client,
            surface=surface,
            deadlines=deadlines,
            shape=shape,
            auto=self.rules.auto,
            judged=judged,
            peak=self.chooser.peak,
        )
        if isinstance(made, Failure):
            raise LbdError(made)
        if plain:
            self._asks[key] = made
        return made

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
