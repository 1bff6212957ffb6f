"""What alert rules go by, gathered from the parts that know it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol

from lbd.loops.money import Money
from lbd.loops.persist import Persistence
from lbd.loops.probing import Probing
from lbd.loops.trials import Keeping
from lbd.model.failure import TABLE
from lbd.model.table import AdminState
from lbd.model.units import Instant, Seconds, WallTime
from lbd.observe.alerting import WINDOWS, BudgetSight, Lost, RowSight, Sight, TierSight
from lbd.observe.meter import Meter
from lbd.observe.pulse import Pulse
from lbd.ports import Env
from lbd.state import scores
from lbd.state.quality import Phase
from lbd.state.quantile import merged
from lbd.state.row import Row
from lbd.state.window import FINE, FIVE_MINUTES, HOUR, MINUTE, Mergeable, Rolling
from lbd.table import verdict
from lbd.table.owner import Owner
from lbd.upstream.call import Flights

TOGETHER = 5  # rows that are looked at before others have their turn
PACE_FROM: Seconds = 600.0  # a budget is watched for so long before its pace is told
_MISSES = frozenset(str(kind) for kind, row in TABLE.items() if row.slo)


class Reloads(Protocol):
    """How loading the configuration went."""

    last_ok: bool
    last_error: str | None


class Daemon(Protocol):
    """The parts that are looked at."""

    @property
    def owner(self) -> Owner:
        """Return the table."""

    @property
    def meter(self) -> Meter:
        """Return counters."""

    @property
    def pulse(self) -> Pulse:
        """Return how requests fared of late."""

    @property
    def flights(self) -> Flights:
        """Return those under way, and budgets."""

    @property
    def probing(self) -> Probing:
        """Return probes."""

    @property
    def persistence(self) -> Persistence:
        """Return the table's keeping."""

    @property
    def money(self) -> Money:
        """Return money's keeping."""

    @property
    def keeping(self) -> Keeping:
        """Return the experiments' keeping."""

    @property
    def reloads(self) -> Reloads:
        """Return how the last reload went."""


class Fates(Mergeable):
    """Requests that failed, and all that were to be served, by surface."""

    __slots__ = ("of",)

    def __init__(self, of: dict[str, tuple[int, int]] | None = None) -> None:
        self.of: dict[str, tuple[int, int]] = of or {}

    def add(self, surface: str, bad: int, n: int) -> None:
        """Count requests of one surface."""
        before = self.of.get(surface, (0, 0))
        self.of[surface] = (before[0] + bad, before[1] + n)

    def merge(self, other: Fates) -> None:
        """Add another slot's counts."""
        for surface, (bad, n) in other.of.items():
            self.add(surface, bad, n)

    def copy(self) -> Fates:
        """Return an independent copy."""
        return Fates(dict(self.of))


class Watching:
    """Looks at the daemon; keeps what it takes to tell how fast something moves."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._counted: dict[tuple[str, str, str, str], int] = {}
        self._fates: Rolling[Fates] = Rolling(Fates, (FINE,))
        self._spent: dict[str, deque[tuple[WallTime, float]]] = {}

    async def seen(self, env: Env) -> Sight:
        """Return what there is to see; between rows others have their turn, as a hundred of them take milliseconds."""
        self._daemon.owner.fold()
        rows = []
        for i, row in enumerate(list(self._daemon.owner.rows)):
            rows.append(self._row(row, env.now()))
            if i % TOGETHER == TOGETHER - 1:
                await env.sleep(0)
        return self._sight(rows, env.now(), env.wall())

    def sight(self, now: Instant, wall: WallTime) -> Sight:
        """Return what there is to see, at once."""
        self._daemon.owner.fold()
        return self._sight([self._row(row, now) for row in self._daemon.owner.rows], now, wall)

    def _row(self, row: Row, now: Instant) -> RowSight:
        return _row(row, now, probed=bool(self._daemon.probing.settings.kinds))

    def _sight(self, rows: Sequence[RowSight], now: Instant, wall: WallTime) -> Sight:
        daemon = self._daemon
        self._count(now)
        windows = sorted({window for pair in WINDOWS.values() for window in pair})
        stores = {"state": daemon.persistence.up, "ledger": daemon.money.up, "experiments": daemon.keeping.up}
        return Sight(
            rows=rows,
            tiers=tiers(daemon.owner),
            fates=self._fates.over(FIVE_MINUTES, now).of,
            promises={window: daemon.pulse.promises(window) for window in windows},
            budgets=self._budgets(wall),
            reload_error=None if daemon.reloads.last_ok else daemon.reloads.last_error or "refused",
            stores_down=[name for name, up in stores.items() if not up],
            own_faults=daemon.owner.blame.words(now),
        )

    def _count(self, now: Instant) -> None:
        """Take in the requests that have ended since the last look, by what the meter has counted."""
        self._daemon.meter.fold()
        slot = self._fates.at(now)
        for key, n in self._daemon.meter.requests.items():
            new = n - self._counted.get(key, 0)
            if new:
                self._counted[key] = n
                surface, _, _, outcome = key
                bad = str(outcome) in _MISSES
                if bad or outcome == "ok":
                    slot.add(surface, new if bad else 0, new)

    def _budgets(self, wall: WallTime) -> list[BudgetSight]:
        out = []
        for told in self._daemon.flights.purses.report(wall):
            key = f"{told['scope']}/{told['name']}/{told['period']}"
            spent, limit, left = (float(str(told[k])) for k in ("spent_usd", "limit_usd", "resets_in_s"))
            out.append(BudgetSight(key, _words(told), limit, spent, left, self._pace(key, wall, spent)))
        self._spent = {b.key: self._spent[b.key] for b in out}
        return out

    def _pace(self, key: str, wall: WallTime, spent: float) -> float | None:
        """Return USD a second over the last hour; None where it was not watched for long enough."""
        seen = self._spent.setdefault(key, deque(maxlen=int(HOUR / MINUTE) + 1))
        if seen and spent < seen[-1][1]:
            seen.clear()  # it has begun anew
        first = seen[0] if seen else None
        if not seen or wall - seen[-1][0] >= MINUTE:
            seen.append((wall, spent))
        if first is None or wall - first[0] < PACE_FROM:
            return None
        return (spent - first[1]) / (wall - first[0])


def _words(told: Mapping[str, object]) -> str:
    return f"{told['scope']} {told['name']}, {float(str(told['limit_usd'])):g} USD by the {told['period']}"


def probe_age(row: Row, now: Instant) -> Seconds | None:
    """Return the age of the youngest result of a probe, None for a row that is not to be probed."""
    if row.admin is AdminState.MAINT:
        return None
    last = max((p.at for p in row.probes.values()), default=row.watched_from)
    return max(0.0, now - last)


def _row(row: Row, now: Instant, *, probed: bool) -> RowSight:
    outcomes = row.outcomes.over(FIVE_MINUTES, now)
    first = merged(r.over(FIVE_MINUTES, now) for r in row.ttft)
    return RowSight(
        row.spec.id,
        row.admin is AdminState.READY,
        outcomes.ratio(),
        outcomes.judged,
        first.quantile(0.95),
        first.n,
        row.tier.ttft_p95_s,
        probe_age(row, now) if probed else None,
        lost(row, now),
    )


def lost(row: Row, now: Instant) -> list[Lost]:
    """Return the families in which its answers have become worse."""
    return [
        Lost(told.family or scores.EVERY, None if told.level is None else told.level.value, told.standing.reference)
        for told in (scores.told(row, now) if row.scores else ())
        if told.standing.phase is not Phase.IN_USE
    ]


def tiers(owner: Owner) -> list[TierSight]:
    """Return how many deployments of each tier are meant to serve, and how many do."""
    by_tier: dict[str, list[Row]] = {}
    for row in owner.rows:
        by_tier.setdefault(row.spec.tier, []).append(row)
    out = []
    for name, rows in by_tier.items():
        meant = [row for row in rows if row.admin is AdminState.READY]
        why = ", ".join(f"{r.spec.id} {r.state} ({r.reason.code})" for r in meant if not verdict.serving(r))
        out.append(TierSight(name, len(meant), sum(map(verdict.serving, meant)), why))
    return out
