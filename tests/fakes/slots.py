"""A model server with slots, as events in virtual time: what queues inside it, and when first tokens come.

Like llama.cpp: no more than ``slots`` requests are computed at once, the rest wait inside the server without a word, in
the order in which they came, which is not that in which they were sent. A request has its first token when its prompt
has been read, and keeps its slot until its answer is complete. Demand is endless, or comes at random at a rate; what
the limit holds back waits outside.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lbd.state import limit, whole
from lbd.state.limit import Limit
from lbd.state.moment import LASTS, Moment, joined
from lbd.state.stays import Stay, Stays

BEGIN = 100.0
WRITES = 50.0  # tokens of an answer a second
LOOK = 0.5  # how often it is noted how many are admitted


@dataclass(frozen=True)
class Load:
    """What is asked of the server, and how fast it is. Times in seconds, rates a second."""

    decode_s: tuple[float, float] = (1.0, 3.0)
    spread: float | None = None  # log-normal about the first of these, with such a deviation of the logarithm
    tokens: tuple[int, int] = (20, 200)  # of prompts, evenly on a logarithmic scale
    heavy: float = 0.0  # share of prompts that have ``heavy_tokens``
    heavy_tokens: tuple[int, int] = (2000, 8000)
    reads: float = 2000.0  # tokens of a prompt a second
    overhead_s: float = 0.05
    noise: float | None = None  # of the time to read a prompt, log-normal; even, by 15 %, where it is not told
    cached: float = 0.0  # share of prompts of which nothing is left to read
    told: bool = True  # the server says how much of a prompt it had already
    contention: float = 0.0  # how much longer everything takes for each other request that is computed
    rate: float = math.inf  # arrivals
    way_s: float = 0.01  # within which a request comes to the server
    backlog: int = 0  # of others' requests that the server has at the beginning
    burst: int = 0  # so many requests at the beginning, within 50 ms, and none later
    written: int | None = None  # tokens of every answer, however long it takes


LOADS = {
    "short prompts": Load(),
    "all alike": Load(decode_s=(1.5, 1.5), tokens=(100, 100)),
    "log-normal": Load(decode_s=(1.5, 1.5), spread=0.8, noise=0.2),
    "heavy-tailed": Load(decode_s=(1.0, 1.0), spread=1.2, noise=0.3),
    "some heavy prompts": Load(heavy=0.15, decode_s=(1.5, 1.5), spread=0.5, noise=0.2),
    "all sizes": Load(tokens=(20, 8000)),
    "half cached": Load(tokens=(500, 1000), reads=500.0, cached=0.5, decode_s=(1.5, 1.5), spread=0.5),
    "half cached, untold": Load(
        tokens=(500, 1000), reads=500.0, cached=0.5, told=False, decode_s=(1.5, 1.5), spread=0.5
    ),
    "short answers": Load(tokens=(200, 1000), decode_s=(0.05, 0.15)),
    "short, noisy": Load(tokens=(200, 1000), decode_s=(0.1, 0.1), spread=0.5, noise=0.3),
    "contention": Load(tokens=(20, 2000), contention=0.5),
    "slow": Load(decode_s=(5.0, 5.0), spread=0.5, noise=0.2),
}
STARTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class _Request(NamedTuple):
    sent: float
    tokens: int
    cached: bool
    moment: Moment | None  # None: another's
    stay: Stay | None = None


@dataclass
class Slots:
    """See the module. ``start``: the limit at the beginning; ``fixed``: it stays there; ``whole``: so answers come."""

    slots: Callable[[float], int]
    start: float
    load: Load = field(default_factory=Load)
    seed: int = 1
    fixed: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.limit = Limit(self.start)
        self.now = BEGIN
        self.inflight = 0
        self.outside = 0
        self.inside: deque[_Request] = deque()
        self.running = 0
        self.moment = Moment(-math.inf, 0)
        self.stays = Stays()
        self._order = itertools.count()
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._noted = BEGIN
        self.seen: list[tuple[float, int]] = []  # instants since the beginning, and how many it is held to run
        self.ends: list[float] = []
        self.firsts: list[float] = []  # TTFT of each of them
        self.inside.extend(_Request(BEGIN, 100, False, None) for _ in range(self.load.backlog))
        for _ in range(self.load.burst):
            self._at(self.random.uniform(0, LASTS), self._one)
        if self.load.burst:
            return
        if self.load.rate < math.inf:
            self._at(self.random.expovariate(self.load.rate), self._demand)
        else:
            self.outside = 600

    def _at(self, delay: float, call: Callable[..., None], *what: Any) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._order), call, what))

    def run(self, seconds: float) -> Slots:
        """Let it run."""
        until = self.now + seconds
        self._work()
        while self._events and self._events[0][0] < until:
            at, _, call, what = heapq.heappop(self._events)
            self._note(at)
            self.now = at
            call(*what)
            self._work()
        self._note(until)
        self.now = until
        return self

    def _note(self, until: float) -> None:
        while self._noted < until:
            self.seen.append((self._noted - BEGIN, limit.slots(self.limit)))
            self._noted += LOOK

    def _one(self) -> None:
        self.outside += 1

    def _demand(self) -> None:
        self._one()
        self._at(self.random.expovariate(self.load.rate), self._demand)

    def _work(self) -> None:
        self._begin()
        load, draw = self.load, self.random
        while self.outside and limit.admits(self.limit, self.inflight):
            self.outside -= 1
            self.inflight += 1
            self.moment = joined(self.moment, self.inflight, self.now)
            stay = self.stays.came(self.moment, self.now) if self.whole else None
            low, high = load.heavy_tokens if draw.random() < load.heavy else load.tokens
            tokens = round(math.exp(draw.uniform(math.log(low), math.log(high))))
            request = _Request(self.now, tokens, draw.random() < load.cached, self.moment, stay)
            self._at(draw.uniform(0, load.way_s), self.inside.append, request)

    def _begin(self) -> None:
        load, draw = self.load, self.random
        while self.inside and self.running < self.slots(self.now - BEGIN):
            request = self.inside.popleft()
            slow = 1 + load.contention * self.running
            noise = draw.uniform(0.85, 1.15) if load.noise is None else draw.lognormvariate(0, load.noise)
            prefill = (load.overhead_s + (0 if request.cached else request.tokens / load.reads)) * slow * noise
            usual = load.decode_s[0]
            decode = (
                draw.uniform(*load.decode_s) if load.spread is None else usual * draw.lognormvariate(0, load.spread)
            )
            self.running += 1
            written = self.load.written
            if written is None:
                written = max(1, round(decode * WRITES * (1 if request.stay is None else draw.uniform(0.9, 1.1))))
            self._at(prefill + decode * slow, self._end, request, self.now + prefill - request.sent, written)

    def _end(self, request: _Request, ttft: float, written: int) -> None:
        self.running -= 1
        if request.moment is None:
            return
        self.inflight -= 1
        if self.load.rate == math.inf and not self.load.burst:
            self.outside += 1
        self.ends.append(self.now - BEGIN)
        self.firsts.append(ttft)
        inflight = request.moment.ended()
        known = 1 if request.cached and self.load.told else request.tokens
        if request.stay is not None:
            self.stays.ended(request.stay, self.now)
            self.stays.answer(request.stay, inflight - 1, known, written)
        if self.fixed:
            return
        if request.stay is not None:
            self.limit = whole.learned(self.limit, self.stays, self.now)
        else:
            self.limit = limit.sample(self.limit, ttft, self.now - request.sent, known, inflight, self.now)

    def between(self, after: float, before: float) -> list[int]:
        """Return how many it was held to run at once from then to then, in seconds since the beginning."""
        return [value for at, value in self.seen if after <= at <= before]

    def done(self, after: float, before: float) -> int:
        """Count the answers that were complete from then to then."""
        return sum(after <= at <= before for at in self.ends)

    def typical(self, after: float, before: float) -> float:
        """Return the median TTFT of the answers that were complete from then to then."""
        firsts = sorted(first for at, first in zip(self.ends, self.firsts, strict=True) if after <= at <= before)
        return firsts[len(firsts) // 2]
