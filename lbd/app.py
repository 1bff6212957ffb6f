"""The composition root: from a configuration to objects that serve it, and from one configuration to the next.

Everything that can fail in a reload (reading, checking, resolving secrets, building lines) is done before
anything is swapped; then the swap is a handful of assignments with no await between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

import msgspec

from lbd import plugins
from lbd.admit.auth import Clients
from lbd.admit.judge import Judge
from lbd.batch.shelf import Shelf
from lbd.config.compiled import Compiled
from lbd.config.diff import Diff, diff, forbidden
from lbd.decide import names
from lbd.effect import Reloads, alternative, journal_place, known, rules, shipped_judge
from lbd.ingress.api import Api, Limits
from lbd.ingress.deferred import Deferred
from lbd.ingress.feedback import Take
from lbd.ingress.files import Filing
from lbd.ingress.paths import ROUTES
from lbd.loops.alerts import Alerts
from lbd.loops.batch import Batches
from lbd.loops.errand import Errands
from lbd.loops.evaluate import AT_ONCE, Evaluating, budget
from lbd.loops.exporting import Export
from lbd.loops.grading import Grader
from lbd.loops.heartbeat import Heartbeat
from lbd.loops.hours import Peak
from lbd.loops.journaling import Journaling
from lbd.loops.money import Money
from lbd.loops.persist import Persistence
from lbd.loops.posting import Post
from lbd.loops.probing import ProbeSettings, Probing
from lbd.loops.tracing import Tracing
from lbd.loops.trials import Keeping
from lbd.loops.watching import Watching
from lbd.loops.worker import Worker
from lbd.model import money
from lbd.model.batch import ENDPOINTS
from lbd.model.ledger import Kind
from lbd.model.outcome import Usage
from lbd.model.plan import TargetKind
from lbd.model.problem import ConfigError, Problem
from lbd.model.provider import ProviderSpec
from lbd.model.record import RequestRecord
from lbd.model.table import Snapshot
from lbd.model.units import NANO_PER_USD, DeploymentId, Instant, NanoUsd, Seconds, WallTime
from lbd.observe import log, provenance
from lbd.observe.journal import Journal
from lbd.observe.ledger import Ledger
from lbd.observe.meter import Meter
from lbd.observe.pulse import Pulse
from lbd.observe.telling import Telling
from lbd.observe.timeline import Timeline
from lbd.pipeline import Pipeline
from lbd.ports import Books, Env, Store, StoreError, Timer, Transport
from lbd.state import past
from lbd.state.spend import ProbeSpend
from lbd.store import STORES, blobs, books
from lbd.table.offered import offers
from lbd.table.owner import Owner
from lbd.table.scoring import Scoring
from lbd.table.trials import Trials
from lbd.tasks import Tasks
from lbd.upstream import line as lines
from lbd.upstream.call import Flights
from lbd.upstream.service import Settings

T = TypeVar("T")
TICK: Seconds = 1.0

PINNED = f"{TargetKind.PIN}:"  # how the target of a pinned request begins


class RealEnv:
    """Implements :class:`lbd.ports.Env` on the running loop and the machine's clocks."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.uniform = random.random
        self.bits: Callable[[], int] = partial(random.getrandbits, 64)
        self.now: Callable[[], Instant] = time.monotonic
        self.wall: Callable[[], WallTime] = time.time

    def call_at(self, when: Instant, call: Callable[[], object]) -> Timer:
        """Schedule ``call``. The loop's own clock may be a millisecond behind, so the delay is what counts."""
        return self._loop.call_later(max(0.0, when - time.monotonic()), call)

    async def sleep(self, seconds: Seconds) -> None:
        """Pause the current task, never for less: what is due then must find its time come."""
        until = time.monotonic() + seconds
        await asyncio.sleep(seconds)
        left = until - time.monotonic()
        if left > 0:  # timers of the loop are coarse, and may fire a little early
            await asyncio.sleep(left + 0.002)


async def _stay(_compiled: Compiled) -> None:
    """Go on listening as before: there are no sockets."""


async def _elsewhere(work: Callable[[], T]) -> T:
    """Do long pure work in another thread. Implements :class:`lbd.ports.Offload`."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


class App:
    """The running daemon, less its sockets and signals. Who has those says what becomes of them at a reload.

    ``beyond``: the listeners, ``api`` and ``admin``, that other hosts reach.
    """

    beyond: frozenset[str] = frozenset()
    relisten: Callable[[Compiled], Awaitable[None]] = staticmethod(_stay)

    def __init__(
        self,
        path: Path,
        compiled: Compiled,
        env: Env,
        transport: Transport,
        writer: log.Writer | None = None,
    ) -> None:
        self.path = path
        self._writer = writer
        self.compiled = compiled
        self.plugins = plugins.load()
        self.env = env
        self.log = log.get()
        self.owner = Owner(self.env)
        self.heartbeat = Heartbeat(self.env, self.owner.blame.stalled)
        self.telling = Telling(self.owner.emit, self.log)
        self.tasks = Tasks(self.env, self.telling.task_failed)
        self.scoring = Scoring(self.env, self.owner)
        self.trials = Trials(self.env, self.owner.emit, self._priced)
        self.timeline = Timeline()
        self.journal = Journal(compiled.config.limits.journal_records)
        self.tracing = Tracing(env, self.owner, self.journal, self.plugins.terms, Export(), self.owner.emit)
        self.meter = Meter(self.tracing.shows)
        self.pulse = Pulse(self.env.now, self._target)
        self.ledger = Ledger(lambda: self.owner.snapshot)
        self.reloads = Reloads(loaded_at=self.env.wall(), last_at=self.env.wall())
        self.probing = Probing(self.env, self.owner, self._probe_settings(compiled), ProbeSpend())
        self.flights = Flights(self.env, self.owner, self.plugins.terms, self.probing.kick, self.tasks.once)
        self.pipeline = Pipeline(self.flights)
        self.peak = Peak(self.telling.peak_changed)
        self.store: Store = self._make_store(compiled)
        self.blobs = blobs.make(compiled.config.store.url)
        self.books: Books = books.make(compiled.config.store.url)
        kept = self.telling.kept_changed
        self.money = Money(self.env, self.ledger, self.books, self.flights.purses, self.store, partial(kept, "ledger"))
        self.journaling = Journaling(self.env, secrets.token_hex(8), partial(kept, "journal"))
        self.shelf = Shelf(self.env, self.store, self.blobs, self.telling.swept)
        errands = Errands(self.env, self.pipeline, self.telling.request_failed)
        self.worker = Worker()
        self.evaluating = Evaluating(
            self.env,
            self.owner,
            self.scoring,
            lambda room: Grader(errands, self.plugins.clients, self.worker.run, self.env.bits, room),
            self.flights.purses,
            partial(self.telling.task_failed, "task_failed", "evaluation"),
        )
        self.api = Api(
            self.pipeline,
            self.plugins.clients,
            lambda: self.owner.snapshot.catalogue,
            self.telling.request_failed,
            born=self.env.wall(),
            filing=Filing(self.shelf, self.pipeline, self.plugins.clients["openai.chat"], _elsewhere),
            waiting=Deferred(
                self.shelf, self.pipeline, self.plugins.clients["openai.responses"], self.tasks.once, _elsewhere
            ),
            rate=Take(self.scoring.feedback, self.evaluating.compare),
            offers=lambda rows: offers(self.owner, rows, self.env.now()),
        )
        self.batches = Batches(
            self.env,
            self.shelf,
            errands,
            {path: self.plugins.clients[ROUTES[path]] for path in ENDPOINTS},
            spawn=self.tasks.once,
            offload=_elsewhere,
            ended=self.telling.batch_ended,
            waits=lambda: self.peak.now and self.peak.background_waits,
        )
        self.keeping = Keeping(self.env, self.trials, self.store, partial(kept, "experiments"))
        self.persistence = Persistence(self.env, self.owner, self.store, partial(kept, "store"))
        self.alerts = Alerts(self.env, Watching(self), self.store, Post(), self.owner.emit, self.tasks.once)
        self.loop_lag_s: Seconds = 0.0
        self.ticked_at: Instant = self.env.now()
        self.draining = False
        self._prices_until: WallTime = math.inf
        self._direct = transport
        self._proxied: Transport | None = None
        self._reloading = asyncio.Lock()
        self._probed: dict[str, ProviderSpec] = {}
        self._connect()

    def _connect(self) -> None:
        """Tell the parts of each other."""
        self.owner.listeners += [self.timeline.add, self.telling.event]
        self.owner.suspected = self.probing.kick
        self.flights.done = self._done
        self.flights.keep = self._keep
        self.probing.charged = self._charged
        self.probing.purses = self.flights.purses
        self.scoring.arms_scored = self.trials.score
        self.trials.changed = partial(setattr, self.pipeline, "trying")
        self.pipeline.entered = self.trials.enter

    # --- life ----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring it to life: restore state, take the configuration, start the loops."""
        if self._judging(self.compiled):
            self._take_judge(shipped_judge())  # nobody waits yet
        self._apply(self.compiled)
        await self.persistence.restore()
        await self.keeping.restore()
        await self.alerts.restore()
        with contextlib.suppress(StoreError):  # then the batch loop tries again
            await self.shelf.restore()
        self.probing.spend = self.persistence.probe_spend
        await self.money.keep()
        self.heartbeat.start()
        self.tasks.loop("tick", self._tick)
        self.tasks.loop("persist", lambda: self.persistence.run(lambda: self.probing.spend))
        self.tasks.loop("experiments", self.keeping.run)
        self.tasks.loop("alerts", self.alerts.run)
        self.tasks.loop("money", self.money.run)
        self.tasks.loop("batches", self.batches.run)
        for n in range(AT_ONCE):
            self.tasks.loop(f"evaluate {n}", self.evaluating.run)
        self._write()
        await self._start_probes()

    async def drain(self, timeout_s: Seconds, more: Callable[[], bool] = lambda: False) -> None:
        """Let what runs finish, and what is yet to come; after ``timeout_s`` end what is left with a typed error."""
        self.draining = self.batches.closing = True
        self.owner.emit("draining", "lbd", "shutdown", level="info")
        await self.flights.drain(timeout_s, more)
        await self.batches.settle()

    async def stop(self) -> None:
        """End everything; state is saved last."""
        self.timeline.close()
        self.heartbeat.stop()
        await self.tasks.close()
        self.worker.close()
        await self.persistence.save(self.probing.spend)
        await self.keeping.save()
        await self.alerts.close()
        await self.tracing.close()
        await self.money.close()
        await self.journaling.close()
        await self.blobs.close()
        await self.books.close()
        await self.store.close()
        await self._direct.close()
        if self._proxied is not None:
            await self._proxied.close()

    # --- configuration -------------------------------------------------------------------------------

    async def reload(self, *, by: str) -> Diff:
        """Read the configuration again and take it as a whole. Raises ConfigError, and then nothing has changed."""
        async with self._reloading:
            try:
                new = await asyncio.get_running_loop().run_in_executor(None, plugins.read_config, self.path)
                self._refuse_fixed(new)
                if self._judging(new):
                    self._take_judge(await _elsewhere(shipped_judge))
            except ConfigError as e:
                self._reload_failed(e, by)
                raise
            change = diff(self.compiled, known(new, self.env.wall(), self.pipeline.chooser.judge))
            self.reloads.generation += 1
            self._apply(new)
            self._write()
            await self._start_probes()
            await self.relisten(new)
            self.reloads.ok += 1
            self.reloads.last_ok, self.reloads.last_error = True, None
            self.reloads.last_at = self.reloads.loaded_at = self.env.wall()
            self.owner.emit(
                "config_reloaded",
                "config",
                "nothing changed" if change.empty else "changed",
                evidence={**msgspec.structs.asdict(change), "hash": new.hash},
                by=by,
            )
            return change

    def _judging(self, new: Compiled) -> bool:
        """Tell whether a configuration asks for a judge of prompts, and there is none yet; others save its memory."""
        return self.pipeline.chooser.judge is None and new.judges

    def _take_judge(self, found: Judge | str) -> None:
        if isinstance(found, Judge):
            self.pipeline.chooser.judge = found
        else:  # requests are served all the same, by what else is known of them
            self.owner.emit("judge_failed", "router", "its weights", level="error", evidence={"error": found})

    def _refuse_fixed(self, new: Compiled) -> None:
        fixed = forbidden(self.compiled, new)
        if fixed:
            text = f"{self.path}: {', '.join(fixed)} cannot change while lbd runs: restart it"
            raise ConfigError([Problem(None, "", text)])
        # the file may name other addresses than those that the service manager passed
        for listener, key, there in (("api", "clients", new.clients), ("admin", "admin.token", new.admin_token)):
            if listener in self.beyond and not there:
                text = f"{self.path}: the {listener} listener is reachable from other hosts, which needs {key}"
                raise ConfigError([Problem(None, key, text)])

    def _reload_failed(self, error: ConfigError, by: str) -> None:
        self.reloads.failed += 1
        self.reloads.last_ok = False
        self.reloads.last_at = self.env.wall()
        self.reloads.last_error = str(error)
        self.owner.emit("config_rejected", "config", "refused", level="error", evidence={"error": str(error)}, by=by)

    def _apply(self, new: Compiled) -> None:
        """Swap the configuration. Nothing in here awaits or fails."""
        wall = self.env.wall()
        self._prices_until = money.next_change(new.deployments, wall)
        new = known(new, wall, self.pipeline.chooser.judge, self.compiled.deployments)
        built = self._lines(new)
        config = new.config
        catalogue = names.build(new.deployments, new.tiers, new.rules, new.aliases, self.reloads.generation)
        others = {name: alternative(new, variant, self.reloads.generation) for name, variant in new.variants.items()}
        self.owner.configure(new.deployments, new.providers, new.tiers, catalogue, new.scorer, others)
        limits = config.limits
        of = [p.budgets for p in new.providers] + [s.budgets for s in new.surfaces.values()]
        of += [*(c.budgets for c in new.clients), budget(new.evaluate)]
        self.flights.purses.configure(chain(*of), wall)
        self.ledger.baseline, self.money.days = config.ledger.baseline, config.ledger.keep_days
        self.flights.configure(
            built, Settings(limits.headers_after_s, limits.idle_gap_s, limits.queue_size, limits.hedge_share)
        )
        self.probing.lines = built
        self.probing.settings = self._probe_settings(new)
        clients = Clients(new.clients)
        variants = {name: rules(clients, variant) for name, variant in new.variants.items()}
        self.pipeline.configure(msgspec.structs.replace(rules(clients, new), variants=variants))
        self.trials.configure(new.experiments)
        self.peak.configure(new.peak)
        self.alerts.configure(new.alerts)
        self.tracing.configure(new.traces)
        self.evaluating.configure(new.evaluate, new.clients)
        self.pipeline.sampler = None if new.evaluate is None else self.evaluating
        hosts = frozenset(h.lower() for h in config.allowed_hosts)
        self.api.configure(Limits(limits.max_body_bytes, hosts, limits.recall_bytes, limits.keepalive_s))
        self.journal.set_bound(limits.journal_records)
        self.journaling.configure(journal_place(new, self.plugins.terms))
        if self._writer is not None:
            of_traces = () if new.traces is None else new.traces.secrets
            hidden = (new.admin_token, new.provenance_key, *of_traces)
            self._writer.hide = lines.veil_of_all(new.providers, *hidden).hide
        if config.log.level != self.compiled.config.log.level:  # at start whoever set up the log has seen to it
            log.set_level(config.log.level)
        self.compiled = new

    def _lines(self, compiled: Compiled) -> dict[DeploymentId, lines.Line]:
        providers = {p.name: p for p in compiled.providers}
        out = {}
        for spec in compiled.deployments:
            provider = providers[spec.provider]
            shape = self.plugins.shapes[provider.shape]
            out[spec.id] = lines.build(spec, provider, shape, self._transport(provider))
        return out

    def _transport(self, provider: ProviderSpec) -> Transport:
        if provider.proxy is None:
            return self._direct
        if self._proxied is None:
            from lbd.upstream.aio import AiohttpTransport  # only where a proxy is configured

            self._proxied = AiohttpTransport(self.env, self.tasks.once)
        return self._proxied

    def _probe_settings(self, compiled: Compiled) -> ProbeSettings:
        probes = compiled.config.probes
        return ProbeSettings(
            kinds=tuple(self.plugins.probes[name] for name in compiled.probe_kinds),
            every_s=probes.every_s,
            jitter=probes.jitter,
            timeout_s=probes.timeout_s,
            paid=probes.completion != "never",
            budget=round(probes.budget_usd_per_day * NANO_PER_USD),
        )

    async def _start_probes(self) -> None:
        wanted = {p.name: p for p in self.compiled.providers}
        for name, provider in list(self._probed.items()):
            if wanted.get(name) != provider:
                await self.tasks.stop(f"probe {name}")
                del self._probed[name]
        for name, provider in wanted.items():
            if name not in self._probed:
                shape = self.plugins.shapes[provider.shape]
                loop = self.probing.loop(provider, shape, self._transport(provider))
                self.tasks.loop(f"probe {name}", loop)
                self._probed[name] = provider

    def _write(self) -> None:
        if self.journaling.on and "journal" not in self.tasks.loops:
            self.tasks.loop("journal", self.journaling.run)
        if self.tracing.on and "traces" not in self.tasks.loops:
            self.tasks.loop("traces", self.tracing.run)

    def _make_store(self, compiled: Compiled) -> Store:
        url = compiled.config.store.url
        return STORES.load()[url.partition(":")[0]](url)

    # --- loops and listeners -------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            before = self.env.now()
            await self.env.sleep(TICK)
            self.ticked_at = self.env.now()
            self.loop_lag_s = max(0.0, self.ticked_at - before - TICK)
            self.owner.tick()
            self.meter.fold()
            self.pulse.fold()
            for row in self.owner.rows:
                past.note(row, self.ticked_at)
            self.trials.tick()
            self.pipeline.chooser.peak = self.peak.look(self.owner.snapshot.rows, self.env.wall())
            until = money.next_change(self.compiled.deployments, self.env.wall())
            if until != self._prices_until and not self._reloading.locked():  # it did, or the clock went back
                self._apply(self.compiled)
                self.owner.emit("prices_changed", "config", "a new price holds")

    def _keep(self, snapshot: Snapshot) -> None:
        self.journal.keep(snapshot)
        self.journaling.keep(snapshot)

    def _done(self, record: RequestRecord) -> None:
        self.journal.add(record)
        self.journaling.note(record)
        self.tracing.note(record)
        self.meter.later(record)
        self.pulse.later(record)
        self.ledger.note(record)
        self.scoring.served.note(record)
        if record.arms:
            self.trials.note(record)
        self.pipeline.settle(record)
        wanted = self.compiled.config.log.requests
        if wanted == "all" or (wanted == "failed" and record.outcome != "ok"):
            self.telling.request(record)
        if record.target.startswith(PINNED) and record.served_by is not None:
            told = self.provenance(record)
            if told is not None:
                self.log.info("provenance", **told)

    def provenance(self, record: RequestRecord) -> dict[str, str | None] | None:
        """Return the line that says where an answer came from, and its signature; None where nobody answered."""
        row = None if record.served_by is None else self.owner.find(record.served_by)
        if row is None:
            return None
        text = provenance.line(record, row.spec, row.provider)
        key = self.compiled.provenance_key
        return {"line": text, "signature": None if key is None else provenance.signature(text, key)}

    def _target(self, deployment: DeploymentId) -> Seconds | None:
        """Return the target of the tier that a deployment is in."""
        row = self.owner.snapshot.row(deployment)
        return None if row is None else row.tier_target_s

    def _priced(self, deployment: DeploymentId) -> bool:
        row = self.owner.snapshot.row(deployment)
        return row is not None and row.spec.price is not None

    def _charged(self, row: DeploymentId, usage: Usage, cost: NanoUsd) -> None:
        wall = self.env.wall()
        self.ledger.own(f"{self.pipeline.next_id()}/0", Kind.PROBE, row, wall, usage, cost)

    def log_dropped(self) -> int:
        """Return how many log lines were dropped because nobody took them."""
        return 0 if self._writer is None else self._writer.dropped
