"""The daemon's side of the operator's page: what it shows beside the provider table, and who keeps it drawn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from lbd.app import App
from lbd.model import service as out
from lbd.model.failure import FailureKind
from lbd.model.units import NANO_PER_USD, Instant, Seconds, WallTime
from lbd.observe.pulse import OBJECTIVE, budget_left
from lbd.state import past
from lbd.state.row import Row
from lbd.state.window import FIVE_MINUTES, HOUR, MINUTE
from lbd.table.report import rfc3339

ERRORS = 20  # of one deployment that are shown, the last


def service(app: App) -> out.ServiceOut:
    """Return how the daemon itself does."""
    overhead = app.pulse.overhead()
    p50, p95, p99 = (None if q is None else round(q * 1e6, 1) for q in overhead.quantiles((0.5, 0.95, 0.99)))
    kept = app.pulse.promises()
    return out.ServiceOut(
        rps=round(app.pulse.rate(), 3),
        inflight=len(app.flights.running),
        overhead_us=out.OverheadOut(p50, p95, p99, overhead.n),
        slo=[_attainment(urgency, *kept[urgency]) for urgency in sorted(kept, reverse=True)],
        store=out.StoreOut(app.compiled.config.store.url.partition(":")[0], app.persistence.up),
        loop_lag_s=round(app.loop_lag_s, 4),
    )


def _attainment(urgency: str, kept: int, n: int) -> out.AttainmentOut:
    left = budget_left(kept, n)
    share = round(kept / n, 6) if n else None
    return out.AttainmentOut(urgency, kept, n, share, OBJECTIVE, None if left is None else round(left, 4))


def flow(app: App) -> list[out.FlowOut]:
    """Return which ways requests took in the last five minutes."""
    tiers = {row.spec.id: row.spec.tier for row in app.owner.rows}
    span = app.pulse.span(FIVE_MINUTES)
    return [
        out.FlowOut(
            way.surface or None,
            way.urgency,
            None if way.deployment is None else tiers.get(way.deployment),
            way.deployment,
            round(n / span, 4),
            round(cost / NANO_PER_USD * HOUR / span, 6),
            way.moved,
            way.treated,
            way.outcome or None,
        )
        for way, n, cost in app.pulse.ways()
    ]


def floors(app: App) -> dict[str, float]:
    """Return the quality floors of surfaces that have one."""
    return {name: s.quality_floor for name, s in app.compiled.surfaces.items() if s.quality_floor}


def history(row: Row, now: Instant, wall: WallTime) -> dict[str, Any]:
    """Return what became of a row minute by minute in six hours, oldest first."""
    told = past.minutes(row, past.KEPT, now)
    return {
        "step_s": MINUTE,
        "since": rfc3339(wall - now % MINUTE - past.KEPT * MINUTE),
        "ttft_p50_s": [_rounded(m.p50_s) for m in told],
        "ttft_p95_s": [_rounded(m.p95_s) for m in told],
        "ttft_p99_s": [_rounded(m.p99_s) for m in told],
        "error_ratio": [_rounded(m.error_ratio) for m in told],
        "rps": [round(m.attempts / MINUTE, 4) for m in told],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def errors(app: App, deployment: str) -> list[dict[str, Any]]:
    """Return the last attempts at a deployment that failed, of the requests that are kept; youngest first."""
    return [
        {
            "time": rfc3339(record.time),
            "request": record.id,
            "kind": attempt.failure,
            "status": attempt.status,
            "message": attempt.message,
            "after_s": round(attempt.ended_s - attempt.started_s, 6),
            "outcome": record.outcome,
            "served_by": record.served_by,
        }
        for record in app.journal.last(2 * app.compiled.config.limits.journal_records)
        for attempt in reversed(record.attempts)
        if attempt.failure is not None
        and attempt.failure is not FailureKind.HEDGED  # another was sooner: that is no failure
        and attempt.decision.chosen == deployment
        and attempt.refused is None
    ][:ERRORS]


class Overview:
    """Implements :class:`lbd.ingress.page.Scenery`."""

    def __init__(self, app: App) -> None:
        self._app = app

    def now(self) -> Instant:
        """Return the monotonic time."""
        return self._app.env.now()

    def wall(self) -> WallTime:
        """Return the time of day."""
        return self._app.env.wall()

    async def sleep(self, seconds: Seconds) -> None:
        """Pause."""
        await self._app.env.sleep(seconds)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that may end by itself."""
        return self._app.tasks.once(name, work)

    def listen(self, call: Callable[[object], None]) -> None:
        """Have every event told to ``call``, for good."""
        self._app.owner.listeners.append(call)

    def find(self, deployment: str) -> Row | None:
        """Return the row with this id."""
        return self._app.owner.find(deployment)

    def events(self, count: int) -> list[dict[str, Any]]:
        """Return the last events, oldest first."""
        return [dict(msgspec.to_builtins(e)) for e in self._app.timeline.last(count)]

    def one_deployment(self, row: Row) -> Mapping[str, Any]:
        """Return the history of a row, and its last failures."""
        return {
            "history": history(row, self.now(), self.wall()),
            "failures": errors(self._app, row.spec.id),
        }
