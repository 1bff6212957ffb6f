"""A model server with slots, as events in virtual time: what queues inside it, and when first tokens come.

Like llama.cpp: no more than ``slots`` requests are computed at once, the rest wait inside the server without a word, in
the order in which they came. A request has its first token when its prompt has been read, and keeps its slot until its
answer is complete. Demand is endless, or comes at random at a rate; what the limit holds back waits outside.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from lbd.state import limit
from lbd.state.limit import Limit

BEGIN = 100.0


@dataclass(frozen=True)
class Load:
    """What is asked of the server, and how fast it is. Times in seconds, rates a second."""

    decode_s: tuple[float, float] = (1.0, 3.0)
    tokens: tuple[int, int] = (20, 200)  # of prompts, evenly on a logarithmic scale
    reads: float = 2000.0  # tokens of a prompt a second
    overhead_s: float = 0.05
    cached: float = 0.0  # share of prompts of which nothing is left to read
    told: bool = True  # the server says how much of a prompt it had already
    contention: float = 0.0  # how much longer everything takes for each other request that is computed
    rate: float = math.inf  # arrivals


@dataclass
class Slots:
    """See the module. ``start``: the limit at the beginning; ``fixed``: it stays there."""

    slots: Callable[[float], int]
    start: float
    load: Load = field(default_factory=Load)
    seed: int = 1
    fixed: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.limit = Limit(self.start)
        self.now = BEGIN
        self.inflight = 0
        self.outside: deque[float] = deque()
        self.inside: deque[tuple[float, int, int, bool]] = deque()
        self.running: list[tuple[float, int, float, float, int, bool, int]] = []
        self.order = itertools.count()
        self.next_arrival = BEGIN
        self.seen: list[tuple[float, int]] = []  # instants since the beginning, and how many are admitted
        self.ends: list[float] = []
        self.firsts: list[float] = []  # TTFT of each of them

    def run(self, seconds: float) -> Slots:
        """Let it run."""
        until = self.now + seconds
        while self.now < until:
            self._step()
        return self

    def _step(self) -> None:
        self._arrive()
        self._admit()
        next_end = self.running[0][0] if self.running else math.inf
        arrival = self.next_arrival if self.load.rate < math.inf else math.inf
        if arrival < next_end:
            self.now = arrival
            return
        self.now, _, ttft, sent, tokens, cached, inflight = heapq.heappop(self.running)
        self.inflight -= 1
        self.ends.append(self.now - BEGIN)
        self.firsts.append(ttft)
        if not self.fixed:
            known = 1 if cached and self.load.told else tokens
            self.limit = limit.sample(self.limit, ttft, self.now - sent, known, inflight, self.now)
        self.seen.append((self.now - BEGIN, math.floor(self.limit.value)))

    def _arrive(self) -> None:
        if self.load.rate == math.inf:
            while len(self.outside) < 600:
                self.outside.append(self.now)
            return
        while self.next_arrival <= self.now:
            self.outside.append(self.next_arrival)
            self.next_arrival += self.random.expovariate(self.load.rate)

    def _admit(self) -> None:
        load, draw = self.load, self.random
        while self.outside and limit.admits(self.limit, self.inflight):
            self.outside.popleft()
            self.inflight += 1
            low, high = load.tokens
            tokens = round(math.exp(draw.uniform(math.log(low), math.log(high))))
            self.inside.append((self.now, tokens, self.inflight, draw.random() < load.cached))
        while self.inside and len(self.running) < self.slots(self.now - BEGIN):
            sent, tokens, inflight, cached = self.inside.popleft()
            slow = 1 + load.contention * len(self.running)
            noise = draw.uniform(0.85, 1.15)
            prefill = (load.overhead_s + (0 if cached else tokens / load.reads)) * slow * noise
            end = self.now + prefill + draw.uniform(*load.decode_s) * slow
            ttft = self.now + prefill - sent
            heapq.heappush(self.running, (end, next(self.order), ttft, sent, tokens, cached, inflight))

    def between(self, after: float, before: float) -> list[int]:
        """Return how many it admitted at once from then to then, in seconds since the beginning."""
        return [value for at, value in self.seen if after <= at <= before]

    def done(self, after: float, before: float) -> int:
        """Count the answers that were complete from then to then."""
        return sum(after <= at <= before for at in self.ends)

    def typical(self, after: float, before: float) -> float:
        """Return the median TTFT of the answers that were complete from then to then."""
        firsts = sorted(first for at, first in zip(self.ends, self.firsts, strict=True) if after <= at <= before)
        return firsts[len(firsts) // 2]
