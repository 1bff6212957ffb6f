"""A day of a configuration: the real application in virtual time, over simulated providers, with simulated clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter

import msgspec
import structlog

from lbd.app import App
from lbd.config.compiled import Compiled
from lbd.decide import names
from lbd.model.ledger import Kind, Total
from lbd.model.provider import ClientSpec
from lbd.model.record import RequestRecord
from lbd.model.units import BYTES_PER_TOKEN, Seconds, WallTime
from lbd.simulate import clock, stand
from lbd.simulate.caller import Caller, Inbound
from lbd.simulate.clock import VirtualEnv
from lbd.simulate.job import LENGTH
from lbd.simulate.report import Hour, Report
from lbd.simulate.scenario import Event, Scenario, Speed
from lbd.simulate.traffic import HOUR, Arrival
from lbd.simulate.world import World

SETTLED: Seconds = 5.0  # from the daemon's start to the day's beginning: every provider was probed
WRITE_EVERY: Seconds = 1.0  # of the ledger: nobody's crash is simulated, and every wake-up costs time
PATIENCE: Seconds = 3600.0  # after the day, for the last answers
EASY = "Say in one sentence what the capital of France is known for. "
HARD = (
    "Prove step by step that the sum of two odd integers is even, then design an algorithm that finds all pairs in a"
    " list of n integers whose sum is odd, analyse its complexity, and implement it with tests. "
)
FILLER = "The quick brown fox jumps over the lazy dog. "


class Day(msgspec.Struct, frozen=True):
    """What is simulated."""

    compiled: Compiled
    scenario: Scenario
    arrivals: Iterable[Arrival]
    hours: float
    measured: dict[str, Speed] = {}
    begins: WallTime = 1_767_571_200.0  # a Monday, 00:00 UTC
    seed: int = 1


def simulate(day: Day, progress: Callable[[float, float], object] = lambda _done, _all: None) -> Report:
    """Run it. ``progress`` is told the hours that have passed, of how many."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # what the daemon says is nobody's
    began = perf_counter()
    epoch = day.begins - clock.START - SETTLED
    report = clock.run(lambda env: _Running(env, day, progress).run(), day.seed, epoch)
    report.took_s = perf_counter() - began
    return report


class _Running:
    """One day under way."""

    def __init__(self, env: VirtualEnv, day: Day, progress: Callable[[float, float], object]) -> None:
        self._env = env
        self._day = day
        self._progress = progress
        compiled = stand.standing(day.compiled)
        self._world = World(env, stand.hosts(compiled, day.scenario, day.measured))
        self._app = App(Path("lbd.yaml"), compiled, env, self._world)
        self._app.money.every_s = WRITE_EVERY
        self._shape = self._app.plugins.clients["openai.chat"]
        self._hours = [Hour() for _ in range(max(1, -int(-day.hours // 1)))]
        self._clients = {c.name: c for c in compiled.clients}
        self._tasks: set[asyncio.Task[None]] = set()
        self._done = self._app.flights.done
        self._app.flights.done = self._ended
        self._begin = 0.0

    async def run(self) -> Report:
        app, env = self._app, self._env
        await app.start()
        await env.sleep(SETTLED)
        self._begin = env.now()
        for event in self._day.scenario.events:
            env.call_at(self._begin + event.begins_s, lambda event=event: self._befall(event))  # type: ignore[misc]
            env.call_at(self._begin + event.ends_s, lambda event=event: self._pass(event))  # type: ignore[misc]
        for arrival in self._day.arrivals:
            await env.sleep(max(0.0, self._begin + arrival.at_s - env.now()))
            task = asyncio.get_running_loop().create_task(self._ask(arrival))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._progress(arrival.at_s / HOUR, self._day.hours)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=PATIENCE)
        report = await self._report()
        await app.stop()
        return report

    def _hour(self, at_s: Seconds) -> Hour:
        return self._hours[min(len(self._hours) - 1, max(0, int(at_s // HOUR)))]

    # --- requests ------------------------------------------------------------------------------------

    async def _ask(self, arrival: Arrival) -> None:
        client = self._client(arrival)
        headers = {} if client is None else {"authorization": f"Bearer {stand.key(client)}"}
        if arrival.background:
            headers["x-lbd-class"] = "background"
        if arrival.surface and (client is None or client.surface != arrival.surface):
            headers["x-lbd-surface"] = arrival.surface
        caller = Caller()
        inbound = Inbound(self._env.now(), _permitted(headers, client))
        await self._app.pipeline.handle(inbound, self._body(arrival, client), self._shape, caller)
        hour = self._hour(arrival.at_s)
        hour.requests += 1
        if not caller.good:
            hour.failed += 1
            hour.codes[caller.error or "cut_off"] += 1

    def _client(self, arrival: Arrival) -> ClientSpec | None:
        if not self._clients:
            return None
        return self._clients.get(arrival.client) or next(iter(self._clients.values()))

    def _body(self, arrival: Arrival, client: ClientSpec | None) -> bytes:
        said = HARD if arrival.hard else EASY
        room = max(0, arrival.input_tokens * BYTES_PER_TOKEN - len(said))
        said += (FILLER * (room // len(FILLER) + 1))[:room] + f"{LENGTH.decode()}{arrival.output_tokens}#"
        message = {"role": "user", "content": said}
        model = self._model(arrival.model, client)
        return json.dumps({"model": model, "stream": arrival.stream, "messages": [message]}).encode()

    def _model(self, wanted: str, client: ClientSpec | None) -> str:
        """Return what is asked for: a client that may not ask for it asks for the first that it may."""
        if client is None or names.allowed(wanted, client.models):
            return wanted
        public = names.public_names(self._app.owner.snapshot.catalogue)
        return next((name for name in public if names.allowed(name, client.models)), wanted)

    def _ended(self, record: RequestRecord) -> None:
        self._done(record)
        hour = self._hour(self._env.now() - record.total_s - self._begin)
        hour.moves += record.moved
        hour.hedges += sum(a.hedge for a in record.attempts)
        if record.served_by is not None:
            hour.served[record.served_by] += 1
        in_time = self._in_time(record)
        if in_time is not None:
            hour.judged += 1
            hour.in_time += in_time

    def _in_time(self, record: RequestRecord) -> bool | None:
        """Tell whether a stream's first content was in time; None where it has no target, or nobody waits for it."""
        if not record.stream or not record.attempts:
            return None
        ask = record.attempts[0].decision.ask
        limit = ask.slo_s
        if limit is None:
            target = self._app.owner.snapshot.catalogue.targets.get(ask.target)
            stages = () if target is None else target.stages
            limit = next((stage.target_s for stage in stages if stage.target_s is not None), None)
        if limit is None or record.urgency == "background":
            return None
        return record.outcome == "ok" and record.ttft_s is not None and record.ttft_s <= limit

    # --- providers -----------------------------------------------------------------------------------

    def _befall(self, event: Event) -> None:
        weather = self._world.hosts[event.provider].weather
        match event.what:
            case "outage":
                self._world.kill(event.provider)
            case "hang":
                self._world.freeze(event.provider)
            case "brownout":
                weather.slow = event.slow
            case "errors":
                weather.status, weather.status_share = 503, event.share

    def _pass(self, event: Event) -> None:
        weather = self._world.hosts[event.provider].weather
        match event.what:
            case "outage":
                self._world.revive(event.provider)
            case "hang":
                self._world.thaw(event.provider)
            case "brownout":
                weather.slow = 1.0
            case "errors":
                weather.status, weather.status_share = 0, 1.0

    # --- the end -------------------------------------------------------------------------------------

    async def _report(self) -> Report:
        app, day = self._app, self._day
        await app.money.keep()
        period = (day.begins - 2 * HOUR, self._env.wall() + 1)
        clients = {"kind": str(Kind.CLIENT)}
        for total in await app.books.totals(*period, ("hour",), clients):
            hour = self._hour(float(total.of[0]) - day.begins)
            hour.cost += total.cost
            hour.premium += total.premium
            hour.saved += total.saved
        whole = await app.books.totals(*period, where=clients)
        own = await app.books.totals(*period, where={"kind": str(Kind.PROBE)})
        return Report(
            day.begins,
            day.seed,
            self._hours,
            whole[0] if whole else Total(),
            sum(total.cost for total in own),
            [msgspec.to_builtins(e) for e in day.scenario.events],
            sum(row.breaker.opened_total for row in app.owner.rows),
        )


def _permitted(headers: dict[str, str], client: ClientSpec | None) -> dict[str, str]:
    """Return the headers that a client may send: it would be refused for the others."""
    if client is None:
        return headers
    may = {f"x-lbd-{word}" for word in client.may}
    return {name: value for name, value in headers.items() if not name.startswith("x-lbd-") or name in may}
