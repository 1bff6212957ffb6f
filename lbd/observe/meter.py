"""Counters and histograms of requests: plain slots, added to on the request path, read when scraped."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable

from lbd.model.failure import FailureKind
from lbd.model.record import RequestRecord
from lbd.model.units import WallTime
from lbd.observe.exposition import Exemplar

LATENCY_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
OVERHEAD_BOUNDS = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25)


BATCH = 64
_CLIENT_GONE = str(FailureKind.CLIENT_GONE)
_HEDGED = {None: "won", FailureKind.HEDGED: "lost", FailureKind.CLIENT_GONE: "lost"}


class Histogram:
    """Counts per bucket, the last one open; of each bucket the last request that has a trace."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float, trace: str = "", at: WallTime = 0.0) -> None:
        """Count one value; ``trace``: of the request, that ended ``at``."""
        bucket = bisect_left(self.bounds, value)
        self.counts[bucket] += 1
        self.total += value
        if trace:
            self.exemplars[bucket] = Exemplar(trace, value, at)

    def copy(self) -> Histogram:
        """Return an independent copy."""
        new = Histogram(self.bounds)
        new.counts, new.exemplars = list(self.counts), list(self.exemplars)
        new.total = self.total
        return new


def _latencies() -> Histogram:
    return Histogram(LATENCY_BOUNDS)


class Meter:
    """Everything that is counted of requests. Labels are names from the configuration, never what clients send.

    ``shows`` tells whether a request's trace can be looked up: only such a one is an exemplar.
    """

    def __init__(self, shows: Callable[[RequestRecord], bool] = lambda _record: True) -> None:
        self._shows = shows
        self.requests: dict[tuple[str, str, str, str], int] = defaultdict(int)  # surface, class, deployment, outcome
        self.attempts: dict[tuple[str, str], int] = defaultdict(int)  # deployment, outcome
        self.moves: dict[tuple[str, str, str], int] = defaultdict(int)  # from, to, reason
        self.tokens: dict[tuple[str, str], int] = defaultdict(int)  # deployment, direction
        self.cost: dict[str, int] = defaultdict(int)  # deployment -> nano-USD
        self.seconds: dict[str, Histogram] = defaultdict(_latencies)  # class
        self.ttft: dict[str, Histogram] = defaultdict(_latencies)
        self.firsts: dict[str, Histogram] = defaultdict(_latencies)  # deployment: its own time to the first content
        self.overhead = Histogram(OVERHEAD_BOUNDS)
        self.slo_missed: dict[tuple[str, str], int] = defaultdict(int)
        self.splices: dict[str, int] = defaultdict(int)  # by what became of them
        self.hedges: dict[str, int] = defaultdict(int)  # the same: won, lost, failed
        self.stale_retries = 0
        self.inflight = 0
        self._pending: list[RequestRecord] = []

    def later(self, record: RequestRecord) -> None:
        """Note a request that ended; ``fold`` counts it. In batches, since counting many in a row is cheaper."""
        self._pending.append(record)
        if len(self._pending) >= BATCH:
            self.fold()

    def fold(self) -> None:
        """Count what was noted: once a second, and before anybody looks."""
        pending, self._pending = self._pending, []
        for record in pending:
            self.add(record)

    def add(self, record: RequestRecord) -> None:
        """Count one request that ended."""
        urgency = record.urgency
        self.requests[record.surface, urgency, record.served_by or "", record.outcome] += 1
        trace, at = record.trace if self._shows(record) else "", record.time
        self._attempts(record, trace)
        for result in record.splices:
            self.splices[result] += 1
        if record.slo_missed:
            self.slo_missed[urgency, record.target] += 1
        if record.outcome == _CLIENT_GONE:
            return
        self.seconds[urgency].add(record.total_s, trace, at)
        if record.ttft_s is not None:
            self.ttft[urgency].add(record.ttft_s, trace, at)
        self.overhead.add(record.overhead_us / 1e6)

    def _attempts(self, record: RequestRecord, trace: str) -> None:
        before = None
        for attempt in record.attempts:
            to = attempt.decision.chosen
            if attempt.refused is not None or to is None:
                continue
            ended = attempt.failure or "ok"
            if attempt.hedge:
                self.hedges[_HEDGED.get(attempt.failure, "failed")] += 1
            if attempt.resent:
                self.stale_retries += 1
            self.attempts[to, ended] += 1
            if before is not None and before[0] != to and not attempt.hedge:
                self.moves[before[0], to, before[1]] += 1
            before = (to, ended)
            if attempt.ttft_s is not None and attempt.failure is None:
                self.firsts[to].add(attempt.ttft_s, trace, record.time)
            usage = attempt.usage
            if usage is not None:
                self.tokens[to, "input"] += usage.prompt
                self.tokens[to, "output"] += usage.completion
                self.cost[to] += attempt.cost

    def copy(self) -> Meter:
        """Return an independent copy, to be read while more is counted."""
        self.fold()
        new = Meter()
        new.requests, new.attempts, new.moves = dict(self.requests), dict(self.attempts), dict(self.moves)
        new.tokens, new.cost, new.slo_missed = dict(self.tokens), dict(self.cost), dict(self.slo_missed)
        new.splices, new.hedges = dict(self.splices), dict(self.hedges)
        new.seconds = {k: h.copy() for k, h in self.seconds.items()}
        new.ttft = {k: h.copy() for k, h in self.ttft.items()}
        new.firsts = {k: h.copy() for k, h in self.firsts.items()}
        new.overhead = self.overhead.copy()
        new.stale_retries, new.inflight = self.stale_retries, self.inflight
        return new
