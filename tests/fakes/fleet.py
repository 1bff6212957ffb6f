"""A fleet of deployments without a wire: the real table and the real decisions, over answers that are drawn.

Hours of traffic pass in seconds, since nothing is parsed: a request is ranked, picked, leased and settled as the daemon
does it, and what its provider does is drawn from that provider's weather. Time moves from event to event. Every lease
is compared with the breaker that it was taken under.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lbd.decide import pick, route
from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Outcome, ProbeResult, Usage, Verdict
from lbd.model.plan import Query, Ranking
from lbd.state import breaker
from lbd.state.breaker import Phase
from lbd.state.row import LIVENESS
from lbd.table.lease import Lease
from tests.fakes.env import FakeEnv
from tests.fakes.tables import ask, deployment, owned, terms

K = FailureKind
USAGE = Usage(prompt=112, completion=120)
PROBE_EVERY = 20.0
REPROBE_EVERY = 10.0  # of a row that is not well
MOST_ATTEMPTS = 3


@dataclass
class Weather:
    """How one deployment behaves. Times to the first content are log-normal, with a Pareto tail now and then."""

    median_s: float = 0.35
    sigma: float = 0.5
    tail: float = 0.01  # share of answers whose time is multiplied by a Pareto number
    slow: float = 1.0
    errors: float = 0.0  # share of attempts that end in ``kind``
    kind: FailureKind = K.SERVER
    resets: float = 0.0  # share of connections that are lost before an answer
    lost_probes: float = 0.0

    def ttft(self, draw: random.Random) -> float:
        """Draw one."""
        drawn = draw.lognormvariate(math.log(self.median_s), self.sigma)
        if draw.random() < self.tail:
            drawn *= draw.paretovariate(1.5)
        return min(drawn * self.slow, 60.0)

    def failure(self, draw: random.Random) -> FailureKind | None:
        """Draw what an attempt ends in, None for an answer."""
        if draw.random() < self.errors:
            return self.kind
        return K.RESET if draw.random() < self.resets else None


def steady(rate: float) -> Callable[[float], float]:
    return lambda _at: rate


def daily(least: float, most: float) -> Callable[[float], float]:
    """Return a rate that is least at night and most in the afternoon, in requests a second by the time of day."""
    return lambda at: least + (most - least) * math.sin(math.pi * (at % 86400) / 86400) ** 64


@dataclass
class Fleet:
    """See the module. Rows 0.. are of the first tier and one model, the last one is of the second tier."""

    seed: int = 1
    peers: int = 4
    rate: Callable[[float], float] = field(default_factory=lambda: steady(1.0))
    most_rate: float = 1.0
    decisions: int = 0
    requests: int = 0
    served: int = 0
    trials: int = 0
    wrong: list[str] = field(default_factory=list)  # attempts at an open breaker that were no counted trial
    refusals: Counter[str] = field(default_factory=Counter)
    at: Counter[int] = field(default_factory=Counter)  # attempts by row

    def __post_init__(self) -> None:
        specs = [deployment(f"p{i}/m", model="m") for i in range(self.peers)]
        specs.append(deployment("q/n", model="n", tier="secondary"))
        self.env: FakeEnv
        self.env, self.owner = owned(*specs)
        self.draw = random.Random(self.seed)
        self.weather = [Weather(median_s=0.3 + 0.04 * i) for i in range(len(specs))]
        self._terms = terms()
        self._asks = [ask(stream=True), ask(stream=True, input_tokens=900), ask("model:m", stream=True)]
        self._rankings: dict[Any, Ranking] = {}
        self._generation = -1
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self.begin = self.env.now()
        self.later(0.0, self._arrive)
        self.later(1.0, self._tick)
        for i in range(len(specs)):
            self.later(self.draw.uniform(1, PROBE_EVERY), lambda i=i: self._probe(i))  # type: ignore[misc]

    # --- time ----------------------------------------------------------------------------------------

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self._events, (self.env.now() + seconds, next(self._serial), call))

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Let time pass; return how much did before ``until`` was so, ``inf`` where it never was."""
        began = self.env.now()
        end = began + seconds
        while self._events[0][0] <= end:
            at, _, call = heapq.heappop(self._events)
            if at > self.env.now():
                self.env.advance(at - self.env.now())
            call()
            if until():
                return self.env.now() - began
        self.env.advance(end - self.env.now())
        return math.inf

    def _tick(self) -> None:
        self.owner.tick()
        self.later(1.0, self._tick)

    # --- requests ------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        if self.draw.random() * self.most_rate < self.rate(self.env.now() - self.begin):
            self.requests += 1
            self._attempt(self.draw.choice(self._asks), ())
        self.later(self.draw.expovariate(self.most_rate), self._arrive)

    def _ranking(self, asked: Any) -> Ranking:
        snapshot = self.owner.snapshot
        if snapshot.generation != self._generation:
            self._rankings.clear()
            self._generation = snapshot.generation
        found = self._rankings.get(asked)
        if found is None:
            found = self._rankings[asked] = route.rank(snapshot, asked, self._terms)
        return found

    def _attempt(self, asked: Any, tried: tuple[str, ...]) -> None:
        """Decide, take a lease, and settle it when the answer has come; a failure goes to the next."""
        refused: tuple[str, ...] = ()
        while len(tried) < MOST_ATTEMPTS:
            query = Query((*tried, *refused))
            choice = pick.choose(self._ranking(asked), query, self.env.bits(), self.owner.live)
            self.decisions += 1
            if choice is None:
                self.refusals["nobody"] += 1
                return
            i, now = choice.candidate.row, self.env.now()
            before = self.owner.rows[i].breaker
            lease = self.owner.lease(i, now, last_resort=choice.manner == "trial")
            if isinstance(lease, str):
                self.refusals[lease] += 1
                refused = (*refused, choice.candidate.id)
                continue
            self._check(i, before, lease, last_resort=choice.manner == "trial")
            self.at[i] += 1
            self._play(i, lease, asked, (*tried, choice.candidate.id))
            return

    def _check(self, i: int, before: breaker.Breaker, lease: Lease, *, last_resort: bool) -> None:
        if before.phase is Phase.CLOSED:
            return
        self.trials += 1
        after = self.owner.rows[i].breaker
        counted = lease.trial and after.trials_out == before.trials_out + 1
        if before.phase is Phase.OPEN:
            allowed = last_resort and not before.trials_out and self.env.now() >= before.retry_at
        else:
            allowed = before.trials_out + before.trials_ok < breaker.TRIALS
        if not (counted and allowed):
            self.wrong.append(f"{self.env.now():.1f}: row {i} {before} -> {after}")

    def _play(self, i: int, lease: Lease, asked: Any, tried: tuple[str, ...]) -> None:
        weather = self.weather[i]
        kind, first_s = weather.failure(self.draw), weather.ttft(self.draw)
        if kind in (K.CONNECT, K.RESET):
            first_s = 0.01
        # silence is cut at twice what is usual; only then somebody else is asked
        cut_s = max(1.5, 2 * self.owner.snapshot.rows[i].ttft_p99_s[0])
        if kind is None and first_s > cut_s:
            kind, first_s = K.TIMEOUT_FIRST, cut_s

        def over() -> None:
            took = first_s if kind is not None else first_s + 120 * 0.012
            failure = None if kind is None else Failure(kind, "simulated")
            lease.settle(Outcome(failure, 0, took, None if failure else first_s, None if failure else USAGE))
            if failure is None:
                self.served += 1
            else:
                self._attempt(asked, tried)

        self.later(first_s if kind is not None else first_s + 120 * 0.012, over)

    # --- probes --------------------------------------------------------------------------------------

    def _probe(self, i: int) -> None:
        """Look at a row as the probes do: alive or not, and a completion where its breaker asks for one."""
        row, weather = self.owner.rows[i], self.weather[i]
        down = (weather.errors >= 1 and weather.kind is K.CONNECT) or self.draw.random() < weather.lost_probes
        verdict = Verdict.DOWN if down else Verdict.UP
        now = self.env.now()
        result = ProbeResult(LIVENESS, verdict, now, 0.02, failure=K.CONNECT if down else None)
        self.owner.probed(row, result, completion=False)
        unwell = row.breaker.phase is not Phase.CLOSED or row.suspect is not None
        if not down and unwell:
            kind = weather.failure(self.draw)
            told = Verdict.UP if kind is None else Verdict.DOWN
            result = ProbeResult("completion", told, now, 0.3, failure=kind, ttft_s=0.3)
            self.owner.probed(row, result, completion=True)
        wait = 1.0 if row.probes_lost else REPROBE_EVERY if unwell else PROBE_EVERY
        self.later(wait * self.draw.uniform(0.8, 1.2), lambda: self._probe(i))

    # --- what is asked of it -------------------------------------------------------------------------

    @property
    def opened(self) -> int:
        """Count how often any breaker opened."""
        return sum(row.breaker.opened_total for row in self.owner.rows)

    def share(self, i: int, since: Counter[int]) -> float:
        """Return the share of attempts since then that went to row ``i``."""
        gone = self.at - since
        return gone[i] / max(1, gone.total())

    @property
    def ejected(self) -> int:
        """Count how often any row was set aside for being unlike its peers."""
        return sum(row.ejection.times for row in self.owner.rows)

    def shares(self, seconds: float, i: int, until: Callable[[float], bool], window: float = 5.0) -> float:
        """Let time pass until row ``i`` gets a share of attempts, over the last ``window`` seconds, that is so.

        Returns when that window began, since now; ``inf`` where it never was so.
        """
        began = self.env.now()
        marks = [(began, Counter(self.at))]
        while self.env.now() < began + seconds:
            self.run(0.5)
            marks.append((self.env.now(), Counter(self.at)))
            while marks[1][0] <= self.env.now() - window:
                marks.pop(0)
            gone = self.at - marks[0][1]
            if self.env.now() - marks[0][0] >= window and until(gone[i] / max(1, gone.total())):
                return marks[0][0] - began
        return math.inf
