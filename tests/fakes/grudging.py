"""Providers that say nothing of their limits but 429: buckets, windows, chance, or nothing at all for a while."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random

from tests.fakes.harness import Asked
from tests.fakes.relay import Relay, row
from tests.fakes.stage import JSON, SSE, Taken, refusal, stream, whole
from tests.fakes.virtual import VirtualEnv, run

WAY = 0.05  # seconds until a request is there and refused
TTFT = 0.4  # until it is answered

# How a 429 tells the wait: by its length and the wall clock.
FORMS: dict[str, Callable[[float, float], dict[str, str]]] = {
    "ms": lambda wait, _wall: {"retry-after-ms": str(math.ceil(wait * 1000))},
    "s": lambda wait, _wall: {"retry-after": str(math.ceil(wait))},
    "date": lambda wait, wall: {"retry-after": formatdate(math.ceil(wall + wait), usegmt=True)},
    "always 1 s": lambda _wait, _wall: {"retry-after": "1"},
    "0": lambda _wait, _wall: {"retry-after": "0"},
    "none": lambda _wait, _wall: {},
}
Admit = Callable[[float], float | None]  # by the time: None, or the wait until it would be let through


@dataclass
class Filling:
    """Lets ``rate`` a second through, and as many at once as come back in a second."""

    rate: float
    level: float = -1.0
    at: float = 0.0

    def __call__(self, now: float) -> float | None:
        most = max(1.0, self.rate)
        self.level = most if self.level < 0 else min(most, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < 1 - 1e-9:
            return (1 - self.level) / self.rate
        self.level -= 1
        return None


@dataclass
class Window:
    """Lets ``most`` through in each ``seconds``."""

    most: int
    seconds: float
    number: float = -1.0
    taken: int = 0

    def __call__(self, now: float) -> float | None:
        number = now // self.seconds
        if number != self.number:
            self.number, self.taken = number, 0
        if self.taken >= self.most:
            return (number + 1) * self.seconds - now
        self.taken += 1
        return None


def by_chance(share: float, seed: int = 1) -> Admit:
    """Refuse so many, whenever they come."""
    draw = Random(seed)
    return lambda _now: 1.0 if draw.random() < share else None


def never(_now: float) -> float | None:
    """Refuse all, for a second each."""
    return 1.0


@dataclass
class Seen:
    """What clients and providers saw. Times are from the beginning."""

    asked: list[Asked] = field(default_factory=list)
    arrivals: list[tuple[float, str, bool]] = field(default_factory=list)  # when, at whom, whether refused
    began: float = 0.0

    @property
    def refused(self) -> int:
        """Count the 429s."""
        return sum(refused for _, _, refused in self.arrivals)

    @property
    def let_through(self) -> int:
        """Count what was not refused."""
        return len(self.arrivals) - self.refused

    @property
    def amplification(self) -> float:
        """Return the attempts a request."""
        return len(self.arrivals) / len(self.asked)

    def served(self, since: float = 0.0) -> float:
        """Return the share of those that came since then that were served."""
        asked = [a.status == 200 for a in self.asked if a.began - self.began >= since]
        return sum(asked) / len(asked)


def driven(
    admits: list[Admit],
    form: str,
    demand: float,
    seconds: float,
    *,
    until: float = math.inf,
    since: float = 0.0,
    seed: int = 1,
) -> Seen:
    """Send Poisson traffic for so long, to as many twins as there are; they refuse ``since`` then, ``until`` then."""
    seen = Seen()

    async def main(env: VirtualEnv) -> None:
        names = "abcdef"[: len(admits)]
        deadlines = {"interactive_first_content_s": 10.0, "interactive_total_s": 60.0}
        relay = Relay(env, *map(row, names), deadlines=deadlines)
        seen.began = env.now()

        def provider(name: str, admit: Admit) -> Callable[[Taken], None]:
            def act(taken: Taken) -> None:
                passed = env.now() - seen.began
                wait = admit(passed) if since <= passed < until else None
                seen.arrivals.append((passed, name, wait is not None))
                if wait is not None:
                    taken.head(429, {**JSON, **FORMS[form](wait, env.wall())})
                    taken.say(refusal("slow down", "rate_limit_exceeded"))
                    taken.end()
                else:
                    env.call_at(env.now() + TTFT, lambda: _answer(taken))

            return act

        for name, admit in zip(names, admits, strict=True):
            relay.stage.always(WAY, provider(name, admit), host=name)
        tasks: list[asyncio.Task[Asked]] = []
        while env.now() < seen.began + seconds:
            tasks.append(relay.start("m", stream=bool(len(tasks) % 2)))
            await env.sleep(env.random.expovariate(demand))
        seen.asked.extend([await task for task in tasks])
        assert {a.status for a in seen.asked} <= {200, 429}
        assert all("x-should-retry" not in a.headers for a in seen.asked if a.status == 429)
        relay.check()

    run(main, seed)
    return seen


def _answer(taken: Taken) -> None:
    streams = json.loads(taken.body).get("stream")
    taken.head(200, SSE if streams else JSON)
    taken.say(stream("hello") if streams else whole())
    taken.end()
