"""The daemon's side of the admin API: what it shows, read from the parts that own it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from lbd import __version__, facts, overview
from lbd.accounts import Accounts
from lbd.app import App
from lbd.config.diff import diff, forbidden
from lbd.decide import explain
from lbd.decide.classify import PREFIX
from lbd.ingress import queue
from lbd.ingress.alerts import Alarms
from lbd.ingress.money import Books
from lbd.ingress.page import Scenery
from lbd.ingress.problem import Problem
from lbd.model import address
from lbd.model import report as out
from lbd.model.event import Event
from lbd.model.failure import Failure
from lbd.model.peer import STRANGER
from lbd.model.record import AttemptRecord, RequestRecord
from lbd.model.secret import Secret
from lbd.model.units import Instant, NanoUsd
from lbd.observe.metrics import OPENMETRICS, TEXT, page
from lbd.overview import Overview
from lbd.plugins import read_config
from lbd.ports.turns import Turns
from lbd.state import health, spend
from lbd.state.row import Row
from lbd.table import report, verdict
from lbd.table.blame import remote

TICK_LATE_S = 5.0


class _Asked:
    """A hypothetical request: headers only."""

    peer = STRANGER

    def __init__(self, headers: Mapping[str, str], arrived: Instant) -> None:
        self._headers = {k.lower(): v for k, v in headers.items()}
        self.arrived = arrived

    def header(self, name: str) -> str | None:
        return self._headers.get(name)

    def wishes(self) -> Mapping[str, str]:
        stated = {k.removeprefix(PREFIX): v for k, v in self._headers.items() if k.startswith(PREFIX)}
        return {**stated, "dry-run": "1"}


class _Built(NamedTuple):
    """The dashboard's document: the how manyth it is, of what moment, its tag, its text."""

    number: int = 0
    key: tuple[int, int, int] | None = None
    etag: str = ""
    body: bytes = b""


class Console:
    """Implements :class:`lbd.ingress.admin.Views`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.owner = app.owner
        self.trials = app.trials
        self.alerts: Alarms = app.alerts
        self.accounts: Books = Accounts(app)
        self.scenery: Scenery = Overview(app)
        self._building = asyncio.Lock()
        self._builds = 0
        self._document = _Built()
        self._writing = asyncio.Lock()
        self._metrics: dict[bool, tuple[int, bytes]] = {}

    @property
    def token(self) -> Secret | None:
        """The admin token."""
        return self._app.compiled.admin_token

    @property
    def max_body(self) -> int:
        """Return the largest body that a client may send, in bytes."""
        return self._app.compiled.config.limits.max_body_bytes

    @property
    def local(self) -> bool:
        """Tell whether the TCP listener is reachable from this host only."""
        listen = self._app.compiled.config.admin.listen
        return "admin" not in self._app.beyond and (listen is None or address.parse(listen).local)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names accepted in Host and Origin."""
        return self._app.api.limits.allowed_hosts

    # --- health --------------------------------------------------------------------------------------

    def ready(self) -> tuple[bool, str]:
        """Tell whether requests should be sent here, and why not."""
        if self._app.draining:
            return False, "draining"
        serving = [row for row in self.owner.rows if verdict.serving(row)]
        if not serving:
            return False, "no deployment can serve"
        blame, now = self.owner.blame, self._app.env.now()
        wrong = "; ".join(blame.words(now))
        if blame.cut_off(now) and all(remote(row) for row in serving):
            return False, wrong
        return True, f"ready, but {wrong}" if wrong else "ready"

    def health(self) -> tuple[str, dict[str, Any]]:
        """Return pass, warn or fail, and the document behind it."""
        app = self._app
        env = app.env
        self.owner.fold()
        status, summary, notes = self._verdict()
        late = self._late()
        time = report.rfc3339(env.wall())
        every = app.probing.settings.every_s
        checks: dict[str, list[dict[str, Any]]] = {}
        for row in self.owner.rows:
            checks.update(_checks(row, time, env.now(), stale=verdict.stale(row, env.now(), every)))
        checks["store:uptime"] = [_check("pass" if app.persistence.up else "warn", time, "datastore")]
        checks["ledger:uptime"] = [_check("pass" if app.money.up else "warn", time, "datastore")]
        if app.tracing.on:  # nobody is served worse, so it is no word of the whole
            traces = "pass" if app.tracing.error is None else "warn"
            checks["traces:export"] = [_check(traces, time, "component", why=app.tracing.error)]
        lag = round(app.loop_lag_s, 4)
        checks["loop:lag"] = [_check("warn" if late or lag > 0.25 else "pass", time, "system", lag, "s")]
        document: dict[str, Any] = {
            "status": status,
            "version": "1",
            "releaseId": __version__,
            "serviceId": "lbd",
            "notes": notes,
            "description": summary,
            "checks": checks,
        }
        if status != "pass":
            document["output"] = summary if not notes else "; ".join([summary, *notes])
        return status, document

    def _late(self) -> bool:
        return self._app.env.now() - self._app.ticked_at > TICK_LATE_S

    def _verdict(self) -> tuple[out.Status, str, list[str]]:
        """Return pass, warn or fail, one sentence on the deployments, and what else is wrong."""
        app = self._app
        status, summary = verdict.verdict(self.owner, app.env.now(), app.probing.settings.every_s)
        notes = []
        if app.draining:
            status, summary = "fail", "draining"
        if not app.persistence.up:
            notes.append("state is not being kept: the store fails")
        if not app.money.up:
            notes.append("money is not being written down: the ledger or the store fails")
        notes += self.owner.blame.words(app.env.now())
        if not app.reloads.last_ok:
            notes.append("the last reload was refused; the configuration before it is in force")
        failed = [s.name for s in app.tasks.loops.values() if not s.running]
        if failed:
            notes.append(f"loops that failed and wait to start again: {', '.join(sorted(failed))}")
        if status == "pass" and (notes or self._late()):
            status = "warn"
        return status, summary, notes

    def status_line(self) -> str:
        """Return one line for the service manager."""
        rows = self.owner.rows
        well = sum(verdict.serving(r) for r in rows)
        running = len(self._app.flights.running)
        return f"{well}/{len(rows)} deployments serve, {running} requests under way"

    # --- table ---------------------------------------------------------------------------------------

    def _probe_spend(self) -> out.ProbeSpendOut:
        probing = self._app.probing
        today = spend.at(probing.spend, self._app.env.wall())
        return out.ProbeSpendOut(today.spent / 1e9, probing.settings.budget / 1e9, today.total / 1e9)

    def _spent(self) -> Mapping[str, NanoUsd]:
        self._app.meter.fold()
        return self._app.meter.cost

    async def providers(self, turns: Turns | None = None) -> tuple[str, bytes]:
        """Return the dashboard's document and its ETag, built for all who wait for one, others having their turn.

        Built anew once a second, and where something has changed since.
        """
        turns = turns or Turns(self._app.env)
        before = self._builds
        await turns.wait(self._building.acquire())
        try:
            # what was begun meanwhile knows all that was so when this one came, though the table may have moved on
            if self._document.number <= before and self._document.key != self._moment():
                self._document = await self._build(turns)
        finally:
            self._building.release()
        return self._document.etag, self._document.body

    def _moment(self) -> tuple[int, int, int]:
        return self.owner.snapshot.generation, self._app.reloads.generation, int(self._app.env.now())

    async def _build(self, turns: Turns) -> _Built:
        app, r, key = self._app, self._app.reloads, self._moment()
        self._builds = number = self._builds + 1
        steps = report.building(
            self.owner,
            app.compiled.tiers,
            app.env.now(),
            app.env.wall(),
            probe_every_s=app.probing.settings.every_s,
            queue=len(app.flights.queue),
            config=out.ConfigOut(r.generation, app.compiled.hash, report.rfc3339(r.loaded_at), r.last_error),
            probe_spend=self._probe_spend(),
            spent=self._spent(),
            deadlines=app.compiled.deadlines,
            terms=app.plugins.terms,
        )
        document = await turns.all(steps)
        # the same verdict as /health: what is wrong with the daemon itself counts too
        document.status, summary, notes = self._verdict()
        document.summary = "; ".join([summary, *notes])
        await turns.rest()
        document.service, document.flow = overview.service(app), overview.flow(app)
        document.quality_floors, document.alerts = overview.floors(app), app.alerts.listed()
        await turns.rest()
        etag = f'"{key[0]}-{key[1]}-{key[2]}"'
        return _Built(number, key, etag, msgspec.json.encode(document))

    def probe_now(self, row: Row) -> None:
        """Have the row's provider probed at once."""
        self._app.probing.kick(row.provider.name)

    # --- events and decisions ------------------------------------------------------------------------

    def events(self, *, after: int, count: int, subject: str | None) -> list[Event]:
        """Return the last events."""
        return self._app.timeline.last(count, after=after, subject=subject)

    def follow(self) -> asyncio.Queue[Event | None]:
        """Follow events from now on."""
        return self._app.timeline.follow()

    def unfollow(self, follower: asyncio.Queue[Event | None]) -> None:
        """Stop following."""
        self._app.timeline.leave(follower)

    def decisions(self, count: int) -> list[dict[str, Any]]:
        """Return the last requests in short."""
        return [_short(r) for r in self._app.journal.last(count)]

    def decision(self, request_id: str) -> dict[str, Any] | None:
        """Return everything that is known of one request, each decision explained and executed again."""
        record = self._app.journal.get(request_id)
        if record is None:
            return None
        in_order = sorted(record.attempts, key=lambda a: (a.decision.chosen is None, a.decision.at))  # nobody: the last
        attempts = [self._attempt(a, in_order[:i]) for i, a in enumerate(in_order)]
        return {**_short(record), "provenance": self._app.provenance(record), "attempts": attempts}

    def _attempt(self, attempt: AttemptRecord, before: Sequence[AttemptRecord]) -> dict[str, Any]:
        decision = attempt.decision
        terms = self._app.plugins.terms
        snapshot = self._app.journal.snapshot(decision.generation)
        told: dict[str, Any] = {
            "deployment": decision.chosen,
            "stage": decision.stage,
            "manner": decision.manner,
            "reason": decision.reason,
            "generation": decision.generation,
            "ask": msgspec.to_builtins(decision.ask),
            "query": decision.query._asdict(),
            "seed": f"{decision.seed:016x}",
            "live": self._live(attempt),
            "refused": attempt.refused,
            "started_s": round(attempt.started_s, 6),
            "ended_s": round(attempt.ended_s, 6),
            "ttft_s": attempt.ttft_s,
            "failure": attempt.failure,
            "message": attempt.message,
            "upstream_status": attempt.status,
            "upstream_request_id": attempt.upstream_id,
            "fingerprint": attempt.fingerprint,
            "hedge": attempt.hedge,
            "prompt": attempt.prompt,
            "usage": None if attempt.usage is None else msgspec.to_builtins(attempt.usage),
            "cost_usd": attempt.cost / 1e9,
            "ranking": None,
            "replays": None,
        }
        if snapshot is not None:
            ranking = explain.rank_again(snapshot, decision, terms)
            begun = (a for a in before if a.failure is not None and a.ttft_s is not None)
            broken_s = max((a.ended_s for a in begun if a.ended_s <= attempt.started_s), default=None)
            left_s = explain.time_left(decision.ask, attempt.started_s, broken_s)
            told["ranking"] = explain.ranking_facts(
                ranking, snapshot, decision.chosen, tried=decision.query.out, left_s=left_s
            )
            told["replays"] = explain.replays(snapshot, decision, terms)
        return told

    def _live(self, attempt: AttemptRecord) -> dict[str, dict[str, float]]:
        snapshot = self._app.journal.snapshot(attempt.decision.generation)
        if snapshot is None:
            return {str(row): live._asdict() for row, live in attempt.decision.live}
        return {snapshot.rows[row].spec.id: live._asdict() for row, live in attempt.decision.live}

    def explain(self, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """Return what would be decided for a request with this body and these headers; nothing is sent."""
        app = self._app
        stated = {k: v for k, v in headers.items() if k.lower().startswith(PREFIX)}
        planned = app.pipeline.plan_for(_Asked(stated, app.env.now()), body, app.plugins.clients["openai.chat"])
        if isinstance(planned, Failure):
            raise Problem(422, planned.message, code=planned.code or str(planned.kind))
        return planned

    # --- configuration -------------------------------------------------------------------------------

    def queue(self) -> dict[str, Any]:
        """Return how the durable queue stands."""
        return queue.report(list(self._app.shelf.batches.values()), self._app.env.wall())

    def evaluation(self) -> dict[str, Any]:
        """Return how the scoring of answers goes."""
        return self._app.evaluating.report()

    def config(self) -> dict[str, Any]:
        """Return the configuration in force, secrets masked."""
        compiled = self._app.compiled
        r = self._app.reloads
        masked = msgspec.to_builtins(compiled.config, enc_hook=str)
        return {
            "path": str(self._app.path),
            "generation": r.generation,
            "hash": compiled.hash,
            "loaded_at": report.rfc3339(r.loaded_at),
            "last_reload_ok": r.last_ok,
            "last_error": r.last_error,
            "warnings": [str(w) for w in compiled.warnings],
            "overrides": [
                {"deployment": row.spec.id, "admin": row.admin, "weight": row.admin_weight, "by": row.admin_by}
                for row in self.owner.rows
                if health.admin_text(row) is not None
            ],
            "config": _mask(masked, _SECRET_KEYS.union(*(s.secrets for s in self._app.plugins.shapes.values()))),
        }

    async def reload(self, *, by: str) -> dict[str, Any]:
        """Reload; raises ConfigError."""
        change = await self._app.reload(by=by)
        warnings = [str(w) for w in self._app.compiled.warnings]
        return {"generation": self._app.reloads.generation, **msgspec.structs.asdict(change), "warnings": warnings}

    async def check(self) -> dict[str, Any]:
        """Check the file without taking it; raises ConfigError."""
        app = self._app
        new = await asyncio.get_running_loop().run_in_executor(None, read_config, app.path)
        change = diff(app.compiled, new)
        return {
            **msgspec.structs.asdict(change),
            "needs_restart": forbidden(app.compiled, new),
            "warnings": [str(w) for w in new.warnings],
        }

    # --- metrics -------------------------------------------------------------------------------------

    async def metrics(self, *, openmetrics: bool) -> tuple[bytes, str]:
        """Return the Prometheus page, written at most once a second, others having their turn in between."""
        app = self._app
        async with self._writing:  # who comes meanwhile takes what is being written
            second = int(app.env.now())
            known = self._metrics.get(openmetrics)
            if known is None or known[0] != second:
                app.meter.inflight = len(app.flights.running)
                meter, told = app.meter.copy(), facts.facts(app)
                turns, written = Turns(app.env), []
                for piece in page(meter, told, openmetrics=openmetrics):
                    written.append(piece)
                    await turns.rest()
                known = self._metrics[openmetrics] = (second, "".join(written).encode())
            return known[1], OPENMETRICS if openmetrics else TEXT


def _short(r: RequestRecord) -> dict[str, Any]:
    return {
        "id": r.id,
        "trace_id": r.trace or None,
        "time": report.rfc3339(r.time),
        "client": r.client,
        "surface": r.surface or None,
        "asked": r.asked,
        "target": r.target,
        "class": r.urgency,
        "stream": r.stream,
        "outcome": r.outcome,
        "status": r.status,
        "served_by": r.served_by,
        "tried": [a.decision.chosen for a in r.attempts if a.refused is None],
        "moved": r.moved,
        "ttft_s": r.ttft_s,
        "total_s": round(r.total_s, 6),
        "waited_s": round(r.waited_s, 6),
        "overhead_us": round(r.overhead_us, 1),
        "slo_missed": r.slo_missed,
        "splices": r.splices,
        "usage": None if r.usage is None else msgspec.to_builtins(r.usage),
        "cost_usd": r.cost / 1e9,
        "judged": None if r.judged is None else msgspec.to_builtins(r.judged),
        "arms": [{"experiment": a.experiment, "treated": a.treated, "unit": f"{a.unit:016x}"} for a in r.arms],
    }


def _check(
    status: str, time: str, kind: str, value: float | None = None, unit: str | None = None, why: str | None = None
) -> dict[str, Any]:
    told: dict[str, Any] = {"componentType": kind, "status": status, "time": time}
    if value is not None:
        told |= {"observedValue": value, "observedUnit": unit}
    if why is not None and status != "pass":
        told["output"] = why
    return told


def _checks(row: Row, time: str, now: Instant, *, stale: bool) -> dict[str, list[dict[str, Any]]]:
    status = "pass" if row.state in ("up", "unknown") else "fail" if row.state in ("down", "locked") else "warn"
    why = f"{row.reason.code}: {row.reason.text}" if row.reason.text else row.reason.code
    if status == "pass" and row.state == "up" and stale:
        status, why = "warn", "no_news: neither probed nor used of late"
    p95 = row.ttft[0].over(300.0, now).quantile(0.95)
    ratio = row.outcomes.over(300.0, now).ratio()
    name = row.spec.id
    return {
        f"{name}:state": [{**_check(status, time, "component", why=why), "observedValue": row.state}],
        f"{name}:responseTime": [_check(status, time, "component", p95, "s", why)],
        f"{name}:errorRate": [_check(status, time, "component", ratio, "ratio", why)],
        f"{name}:connections": [_check("pass", time, "component", row.inflight, "requests")],
    }


_USER_INFO = re.compile(r"://[^/@\s]*@")  # of a proxy's or a store's URL
_SECRET_KEYS = frozenset({"api_key", "key", "token", "provenance_key", "webhook", "alertmanager", "slack"})


def _mask(value: Any, secret: Collection[str], name: str = "") -> Any:
    """Replace inline secrets, which stand under the names in ``secret``; references stay, since they are none."""
    if isinstance(value, str):
        return "***" if name in secret else _USER_INFO.sub("://***@", value)
    if isinstance(value, dict):
        inner = {k: _mask(v, secret, k) for k, v in value.items()}
        # a configured header may well carry a credential
        return dict.fromkeys(inner, "***") if name == "headers" else inner
    if isinstance(value, list):
        return [_mask(v, secret, name) for v in value]
    return value
