"""How requests fared of late: which ways they took, what lbd itself cost them, and whether promises were kept.

Five minutes of ways and of lbd's own time, a day of promises; counted in batches from the records of requests that
ended, beside the meter, whose counters begin with the daemon and have no past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import methodcaller
from typing import NamedTuple

from lbd.model.failure import TABLE
from lbd.model.record import RequestRecord
from lbd.model.request import Urgency
from lbd.model.units import DeploymentId, Instant, NanoUsd, Ratio, Seconds
from lbd.state.quantile import Sketch
from lbd.state.window import COARSE, DAILY, FINE, FIVE_MINUTES, HOUR, MINUTE, Rolling

BATCH = 64
SHORTEST: Seconds = 10.0  # a pace is not told from less
OBJECTIVE: Ratio = 0.95  # targets are of the p95: one in twenty may come later
_MISSES = frozenset(str(kind) for kind, row in TABLE.items() if row.slo)
_OK = "ok"
_INTERACTIVE = str(Urgency.INTERACTIVE)


class Way(NamedTuple):
    """What a request went through. ``deployment`` None: nobody served it."""

    surface: str
    urgency: str
    deployment: DeploymentId | None
    moved: bool
    treated: bool
    outcome: str = ""  # where nobody served it


class Ways:
    """Requests and what they cost (nano-USD), by way."""

    __slots__ = ("of",)

    def __init__(self, of: dict[Way, tuple[int, NanoUsd]] | None = None) -> None:
        self.of: dict[Way, tuple[int, NanoUsd]] = of or {}

    def add(self, way: Way, cost: NanoUsd, requests: int = 1) -> None:
        """Count requests of one way."""
        n, spent = self.of.get(way, (0, 0))
        self.of[way] = (n + requests, spent + cost)

    def merge(self, other: Ways) -> None:
        """Add another slot's counts."""
        for way, (n, cost) in other.of.items():
            self.add(way, cost, n)

    def copy(self) -> Ways:
        """Return an independent copy."""
        return Ways(dict(self.of))


class Promises:
    """Requests that came as they should, and all that were to, by class."""

    __slots__ = ("of",)

    def __init__(self, of: dict[str, tuple[int, int]] | None = None) -> None:
        self.of: dict[str, tuple[int, int]] = of or {}

    def add(self, urgency: str, kept: int, n: int = 1) -> None:
        """Count requests of one class."""
        before = self.of.get(urgency, (0, 0))
        self.of[urgency] = (before[0] + kept, before[1] + n)

    def merge(self, other: Promises) -> None:
        """Add another slot's counts."""
        for urgency, (kept, n) in other.of.items():
            self.add(urgency, kept, n)

    def copy(self) -> Promises:
        """Return an independent copy."""
        return Promises(dict(self.of))


class Pulse:
    """See the module. ``target`` returns the target of the tier that a deployment is in, None where it is gone."""

    def __init__(self, now: Callable[[], Instant], target: Callable[[DeploymentId], Seconds | None]) -> None:
        self._now = now
        self._born = now()
        self._target = target
        self._pending: list[RequestRecord] = []
        self._ways: Rolling[Ways] = Rolling(Ways, (FINE,))
        self._overhead: Rolling[Sketch] = Rolling(Sketch, (FINE,), keep=methodcaller("closed"))
        self._promises: Rolling[Promises] = Rolling(Promises, (FINE, COARSE, DAILY))
        self.promised = Promises()  # since the daemon began

    def later(self, record: RequestRecord) -> None:
        """Note a request that ended."""
        self._pending.append(record)
        if len(self._pending) >= BATCH:
            self.fold()

    def fold(self) -> None:
        """Count what was noted: once a second, and before anybody looks."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        now = self._now()
        ways, overhead, promises = self._ways.at(now).of, self._overhead.at(now), self._promises.at(now)
        for record in pending:
            served, arms = record.served_by, record.arms
            treated = bool(arms) and any(arm.treated for arm in arms)
            ended = record.outcome if served is None else ""
            # a plain tuple finds what is kept under a Way, and costs a third of one
            way = (record.surface, record.urgency, served, record.moved > 0, treated, ended)
            known = ways.get(way)  # type: ignore[call-overload]
            if known is None:
                ways[Way(*way)] = (1, record.cost)
            else:
                ways[way] = (known[0] + 1, known[1] + record.cost)  # type: ignore[index]
            overhead.add(record.overhead_us / 1e6)
            kept = self._kept(record)
            if kept is not None:
                promises.add(record.urgency, kept)
                self.promised.add(record.urgency, kept)

    def _kept(self, record: RequestRecord) -> bool | None:
        """Tell whether a request came as it should; None where what became of it is no fault of this side."""
        if record.outcome != _OK:
            return False if record.outcome in _MISSES else None
        if record.slo_missed:
            return False
        if record.ttft_s is None or not record.stream or record.urgency != _INTERACTIVE:
            return True
        if record.served_by is None or record.attempts[-1].decision.ask.slo_s is not None:
            return True  # its own target was looked at above
        target = self._target(record.served_by)
        return target is None or record.ttft_s <= target

    def span(self, window: Seconds) -> Seconds:
        """Return over how much of a window there is anything to tell."""
        return min(window, max(SHORTEST, self._now() - self._born))

    # --- reading -------------------------------------------------------------------------------------

    def ways(self) -> Iterable[tuple[Way, int, NanoUsd]]:
        """Return each way of the last five minutes with its requests and their cost, the busiest first."""
        self.fold()
        found = self._ways.over(FIVE_MINUTES, self._now()).of
        return [(way, n, cost) for way, (n, cost) in sorted(found.items(), key=lambda of: (-of[1][0], _order(of[0])))]

    def rate(self) -> float:
        """Return requests a second that ended in the last minute."""
        self.fold()
        return sum(n for n, _ in self._ways.over(MINUTE, self._now()).of.values()) / self.span(MINUTE)

    def overhead(self) -> Sketch:
        """Return lbd's own time for each request of the last five minutes, in seconds."""
        self.fold()
        return self._overhead.over(FIVE_MINUTES, self._now())

    def promises(self, window_s: Seconds = HOUR) -> dict[str, tuple[int, int]]:
        """Return requests of a window up to a day by class: those that came as they should, and all that were to."""
        self.fold()
        return self._promises.over(window_s, self._now()).of


def budget_left(kept: int, n: int, objective: Ratio = OBJECTIVE) -> Ratio | None:
    """Return the part of what may be missed that is left; below 0 where more was missed, None without requests."""
    return 1 - (n - kept) / (n * (1 - objective)) if n else None


def _order(way: Way) -> tuple[str, ...]:
    return way.surface, way.urgency, way.deployment or "", way.outcome, f"{way.moved:d}{way.treated:d}"
