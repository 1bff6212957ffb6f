"""The request path in virtual time on a scripted transport: pipeline, flights, and the table with its tick."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from lbd import plugins
from lbd.admit.auth import Clients
from lbd.decide import explain, names
from lbd.model.outcome import Outcome
from lbd.model.record import RequestRecord
from lbd.observe.journal import Journal
from lbd.pipeline import Pipeline, Rules
from lbd.state.row import Row
from lbd.table.lease import Lease
from lbd.table.owner import Owner
from lbd.tasks import Tasks
from lbd.upstream import line as lines
from lbd.upstream.call import Flights
from lbd.upstream.service import Settings
from tests.fakes.harness import Asked, SimInbound, SimReply, compiled
from tests.fakes.stage import Stage
from tests.fakes.virtual import VirtualEnv

PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}


def row(name: str, *, model: str = "m", tier: str = "primary", shape: str = "openai", **more: Any) -> dict[str, Any]:
    """Return the configuration of a provider with one deployment, at the host that is called like it."""
    deployment = {"model": model, "upstream_model": "up-m", "tier": tier, "price": PRICE, **more.pop("deployment", {})}
    return {"name": name, "shape": shape, "base_url": f"http://{name}/v1", "deployments": [deployment], **more}


class Heard(SimReply):
    """The client's side; notes whom it could stop."""

    def __init__(self, env: VirtualEnv, asked: Asked) -> None:
        super().__init__(env, asked)
        self.flows: list[tuple[Any, Any]] = []
        self.writes: list[tuple[float, bytes]] = []
        self.env = env

    def write(self, data: bytes) -> None:
        super().write(data)
        self.writes.append((self.env.now(), data))

    def flow(self, pause: Any, resume: Any) -> None:
        self.flows.append((pause, resume))


class Relay:
    """See the module."""

    def __init__(self, env: VirtualEnv, *rows: dict[str, Any], settings: Settings | None = None, **config: Any) -> None:
        self.env = env
        self.stage = Stage(env)
        self.owner = Owner(env)
        self.plugins = plugins.load()
        self.silences: list[str] = []
        self.flights = Flights(env, self.owner, self.plugins.terms, self.silences.append, Tasks(env, self._broke).once)
        self.pipeline = Pipeline(self.flights)
        self.journal = Journal()
        self.records: list[RequestRecord] = []
        self.flights.done = self.records.append
        self.flights.keep = self.journal.keep
        self.settings = settings or Settings()
        self.settled: Counter[int] = Counter()
        self.leases: list[Lease] = []
        self.generation = 0
        self._watch_leases()
        self.configure(*rows, **config)
        self.shape = self.plugins.clients["openai.chat"]
        self._tick()

    @staticmethod
    def _broke(_kind: str, _name: str, error: BaseException) -> None:
        raise error

    def _tick(self) -> None:
        self.owner.tick()
        self.env.call_at(self.env.now() + 1.0, self._tick)

    def _watch_leases(self) -> None:
        take, settle = self.owner.lease, self.owner.settle

        def lease(i: int, now: float, *, last_resort: bool = False, **more: Any) -> Lease | str:
            taken = take(i, now, last_resort=last_resort, **more)
            if isinstance(taken, Lease):
                self.leases.append(taken)
            return taken

        def settled(lease: Lease, outcome: Outcome | None) -> None:
            self.settled[id(lease)] += 1
            settle(lease, outcome)

        self.owner.lease = lease  # type: ignore[method-assign]
        self.owner.settle = settled  # type: ignore[method-assign]

    def configure(self, *rows: dict[str, Any], **config: Any) -> None:
        """Take a configuration, as the application does."""
        self.generation += 1
        new = compiled({"providers": list(rows), **config})
        providers = {p.name: p for p in new.providers}
        built = {
            d.id: lines.build(d, providers[d.provider], self.plugins.shapes[providers[d.provider].shape], self.stage)
            for d in new.deployments
        }
        catalogue = names.build(new.deployments, new.tiers, new.rules, new.aliases, self.generation)
        self.owner.configure(new.deployments, new.providers, new.tiers, catalogue, new.scorer)
        budgets = [b for p in new.providers for b in p.budgets] + [b for c in new.clients for b in c.budgets]
        budgets += [b for s in new.surfaces.values() for b in s.budgets]
        self.flights.purses.configure(budgets, self.env.wall())
        self.flights.configure(built, self.settings)
        self.pipeline.rules = Rules(Clients(new.clients), new.surfaces, new.deadlines)

    def grant(self) -> None:
        """Write down what is due of the budgets."""
        self.flights.purses.granted(self.flights.purses.due(self.env.wall()))

    async def ask(
        self, model: str = "auto", *, stream: bool = False, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Asked:
        """Make one request and wait for its end."""
        return await self.send(self.heard(stream=stream), model, stream=stream, headers=headers, **more)

    def heard(self, *, stream: bool = False) -> Heard:
        """Return a client's side for one request."""
        return Heard(self.env, Asked(self.env.now(), stream=stream))

    async def send(
        self,
        heard: Heard,
        model: str = "auto",
        *,
        stream: bool = False,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Asked:
        """Make one request for this client."""
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}], **more}
        inbound = SimInbound(self.env.now(), dict(headers or {}))
        try:
            await self.pipeline.handle(inbound, json.dumps(body).encode(), self.shape, heard)
        finally:
            heard.asked.took_s = self.env.now() - heard.asked.began
        return heard.asked

    def start(self, *args: Any, heard: Heard | None = None, **more: Any) -> asyncio.Task[Asked]:
        """Start one request."""
        work = self.ask(*args, **more) if heard is None else self.send(heard, *args, **more)
        return asyncio.get_running_loop().create_task(work)

    def find(self, name: str) -> Row:
        """Return the table's row of a host."""
        return next(r for r in self.owner.rows if r.provider.name == name)

    @property
    def last(self) -> RequestRecord:
        """The last request's record."""
        return self.records[-1]

    def check(self) -> None:
        """Check what holds after every request: nothing is held, every lease ended once, every decision replays."""
        assert not self.flights.running and not len(self.flights.queue)
        assert all(r.inflight == 0 for r in self.owner.rows)
        assert all(self.settled[id(lease)] == 1 for lease in self.leases)
        assert not any(self.flights._waiting.values())
        assert not any(b["reserved_usd"] for b in self.flights.purses.report(self.env.wall())), "money is left held"
        for taken in self.stage.taken:
            assert not taken.open, "an exchange is left open"
        for record in self.records:
            for attempt in record.attempts:
                snapshot = self.journal.snapshot(attempt.decision.generation)
                assert snapshot is not None
                assert explain.replays(snapshot, attempt.decision, self.plugins.terms), attempt
