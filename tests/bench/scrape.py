"""How long a scrape and a look at the alerts hold the event loop: ``python -m tests.bench.scrape [deployments]``.

A daemon with many deployments under traffic, on a real event loop; a heartbeat beside it measures how late it is woken
while pages are written. The target is less than 0.5 ms at 50 deployments.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import structlog
import uvloop

from lbd.app import App, RealEnv
from lbd.console import Console
from lbd.facts import facts
from lbd.model.outcome import Outcome, Usage
from lbd.observe.alerting import readings
from lbd.observe.metrics import page
from tests.fakes.harness import compiled
from tests.fakes.records import attempt, record
from tests.fakes.stage import Stage

ROUNDS = 30
BEAT = 0.0002


def config(count: int) -> dict[str, Any]:
    rows = []
    for i in range(count):
        price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
        deployment = {"model": f"m{i}", "price": price, "tier": ("primary", "secondary", "tertiary")[i % 3]}
        rows.append(
            {"name": f"p{i}", "shape": "openai", "base_url": f"http://10.0.0.{i}:80/v1", "deployments": [deployment]}
        )
    return {"providers": rows, "surfaces": [{"name": "support"}, {"name": "drafts", "class": "background"}]}


def filled(app: App) -> None:
    """Give every row a past: latencies of all sizes, failures, requests of every surface."""
    for i, row in enumerate(app.owner.rows):
        for n in range(120):
            outcome = Outcome(None, n % 4, 0.4 + n / 90 + i / 100, 0.1 + n / 200 + i / 900, Usage(900, 60))
            lease = app.owner.lease(i, app.env.now())
            if not isinstance(lease, str):
                lease.settle(outcome)
        for surface in ("support", "drafts", ""):
            for kind in (None, "server_error", "timeout_first", "rate_limited"):
                made = record(surface=surface, served_by=row.spec.id, attempts=(attempt(row.spec.id, failure=kind),))
                app.meter.later(made)
                app.pulse.later(made)
    app.owner.fold()


def took(work: Any) -> float:
    """Return the best of some rounds, in ms."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times) * 1e3


def longest(pieces: Iterator[str]) -> float:
    """Return how long the longest piece took to write, in ms."""
    most, begin = 0.0, time.perf_counter()
    for _ in pieces:
        most = max(most, time.perf_counter() - begin)
        begin = time.perf_counter()
    return most * 1e3


class Turns:
    """An Env that notes when others had their turn."""

    def __init__(self, env: RealEnv) -> None:
        self.now, self.wall = env.now, env.wall
        self.begin = time.perf_counter()
        self.longest = 0.0

    async def sleep(self, _seconds: float) -> None:
        self.longest = max(self.longest, time.perf_counter() - self.begin)
        self.begin = time.perf_counter()


async def slices(make: Callable[[Turns], Coroutine[Any, Any, Any]], env: RealEnv) -> float:
    """Return the longest stretch without a turn for others, in ms: the best of some rounds."""
    out = []
    for _ in range(ROUNDS):
        turns = Turns(env)
        await make(turns)
        await turns.sleep(0)
        out.append(turns.longest)
    return min(out) * 1e3


async def late(work: Any) -> list[float]:
    """Return how late a heartbeat was while ``work`` went on, in ms."""
    out: list[float] = []
    task = asyncio.ensure_future(work)
    while not task.done():
        begin = time.perf_counter()
        await asyncio.sleep(BEAT)
        out.append((time.perf_counter() - begin - BEAT) * 1e3)
    await task
    return out


async def main(count: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    env = RealEnv()
    app = App(Path("bench.yaml"), compiled(config(count)), env, Stage(env))
    app._apply(app.compiled)
    filled(app)
    console = Console(app)
    watching = app.alerts._watching
    print(f"{count} deployments")
    print(f"  what the page shows, read on the loop   {took(lambda: facts(app)):8.3f} ms")
    print(f"  the counters' copy                      {took(app.meter.copy):8.3f} ms")
    print(f"  a look at what alerts go by             {took(lambda: watching.sight(env.now(), env.wall())):8.3f} ms")
    sight = watching.sight(env.now(), env.wall())
    print(f"  the rules                               {took(lambda: list(readings(app.alerts._spec, sight))):8.3f} ms")
    spans = await slices(watching.seen, env)  # type: ignore[arg-type]
    print(f"  the longest piece of that look          {spans:8.3f} ms")
    for openmetrics in (False, True):
        worst, whole, lines = [], [], 0
        for _ in range(ROUNDS):
            console._metrics.clear()
            begin = time.perf_counter()

            async def scrape(form: bool = openmetrics) -> None:
                nonlocal lines
                written, _ = await console.metrics(openmetrics=form)
                lines = written.count(b"\n")

            worst.append(max(await late(scrape())))
            whole.append((time.perf_counter() - begin) * 1e3)
        piece = min(longest(page(app.meter.copy(), facts(app), openmetrics=openmetrics)) for _ in range(ROUNDS))
        word = "OpenMetrics" if openmetrics else "text"
        print(
            f"  {word:11} {lines} lines in {min(whole):.1f} ms, in pieces of {piece:.3f}; the loop was late by at most"
            f" {min(worst):.3f} (best), {statistics.median(worst):.3f} (median) ms"
        )


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50))
