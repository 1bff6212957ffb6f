"""The adaptive limit before a real model server that hides its slots: what it finds, and what a flood then costs.

    python -m tests.bench.slots
    python -m tests.bench.slots --whole
    python -m tests.bench.slots --sweep [--whole]

The server is llama.cpp under the name of another, so that nothing is read of its slots or its queue. Told is the limit
second by second from several starts, after a restart with four slots and one with two again, and beside it the truth:
how many requests waited inside the server. Then the interactive requests that had their first content in time: alone,
with three background requests for each of them, and with these in the same class. ``--whole``: the answers that find
the limit come whole, and so do those of the flood.

``--sweep`` asks the same of simulated servers in virtual time, many times: the share of runs that are within one of the
truth from the end of the first minute on, by load and number of slots.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import random
import signal
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import aiohttp
import msgspec

from lbd.demo.servers import ModelServers, ModelSpec
from lbd.demo.weights import fetch
from tests.e2e.conftest import Daemon
from tests.fakes.slots import LOADS, STARTS, Slots

ROW = "hidden/m"
WORDS = (
    "river",
    "stone",
    "cloud",
    "market",
    "window",
    "garden",
    "letter",
    "summer",
    "silver",
    "bridge",
    "paper",
    "engine",
)
BACKGROUND = {"x-lbd-class": "background"}
SLICE_S = 30.0


def prompt(draw: random.Random) -> list[dict[str, str]]:
    """Return a prompt of 10 to 60 words that no other begins like."""
    words = " ".join(draw.choices(WORDS, k=round(math.exp(draw.uniform(math.log(10), math.log(60))))))
    return [{"role": "user", "content": f"{draw.random()} Tell a story of: {words}"}]


@dataclass
class Told:
    """What became of requests: the first content of each, None where there was none."""

    firsts: list[float | None] = field(default_factory=list)
    totals: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def within(self, seconds: float) -> float:
        """Return the share that had its first content so soon."""
        return sum(first is not None and first <= seconds for first in self.firsts) / max(1, len(self.firsts))


async def ask(
    session: aiohttp.ClientSession,
    url: str,
    draw: random.Random,
    told: Told,
    headers: dict[str, str] | None = None,
    *,
    whole: bool = False,
) -> None:
    """Make one request, of which the answer is streamed, or comes ``whole``."""
    body = {"model": "m", "messages": prompt(draw), "stream": not whole, "max_tokens": draw.randint(8, 24)}
    began, first, rest = time.monotonic(), None, b""
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
            async for piece in response.content.iter_any():
                rest += piece
                if first is None and b'"content":"' in rest:
                    first = time.monotonic() - began
        if (b"[DONE]" if not whole else b'"finish_reason":"') not in rest:
            told.errors.append(rest.decode(errors="replace")[-200:])
    except aiohttp.ClientError as e:
        told.errors.append(type(e).__name__)
    told.firsts.append(first)
    told.totals.append(time.monotonic() - began)


@contextlib.contextmanager
def before(servers: ModelServers, start: float | None = None) -> Iterator[Daemon]:
    """Run a daemon before the server, with its limit at ``start``."""
    provider = {
        "name": "hidden",
        "shape": "vllm",
        "base_url": servers.base_url("a"),
        "deployments": [{"model": "m", "name": "m", "upstream_model": "a", "tier": "primary"}],
    }
    config = {
        "providers": [provider],
        "probes": {"completion": "never"},
        "deadlines": {"interactive_first_content_s": 300},
    }
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder), config)
        daemon.start()
        if start is not None:
            daemon.stop()
            preset(daemon.folder / "state.db", start)
            daemon.start()
        try:
            yield daemon
        finally:
            daemon.stop()


def preset(path: Path, start: float) -> None:
    """Let the row that is kept have this limit, and no memory of how it came by it."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for table, key, value in db.execute("SELECT * FROM kept").fetchall():
            if key == ROW and (kept := msgspec.msgpack.decode(value)).get("limit") is not None:
                kept.update(limit=start, limit_found=False)
                db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (table, key, msgspec.msgpack.encode(kept)))


def waiting(servers: ModelServers) -> int | None:
    """Return how many requests wait inside the server: it tells us, not the daemon."""
    with contextlib.suppress(OSError), urlopen(servers.base_url("a")[:-3] + "/metrics", timeout=2) as response:
        for line in response.read().decode().splitlines():
            if line.startswith("llamacpp:requests_deferred "):
                return int(float(line.split()[1]))
    return None


async def flooded(
    daemon: Daemon, servers: ModelServers, slots: list[int], seconds: float, clients: int, *, whole: bool
) -> None:
    """Keep it busy, change the slots each time so many seconds have passed, and print what the limit was."""
    draw, told = random.Random(1), Told()
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client() -> None:
            while True:
                count = len(told.errors)
                await ask(session, daemon.url, draw, told, whole=whole)
                if len(told.errors) > count:
                    await asyncio.sleep(1)

        tasks = [asyncio.create_task(client()) for _ in range(clients)]
        for i, k in enumerate(slots):
            if i:
                await asyncio.to_thread(restarted, servers, k)
            trace: list[int] = []
            inside: list[int | None] = []
            count, began = len(told.totals), time.monotonic()
            while time.monotonic() - began < seconds:
                trace.append(int((await asyncio.to_thread(daemon.rows))[ROW]["limit"]))
                inside.append(await asyncio.to_thread(waiting, servers))
                await asyncio.sleep(1)
            late = trace[-len(trace) // 4 :]
            near = sum(abs(value - k) <= 1 for value in late) / len(late)
            print(f"  {k} slots: {' '.join(map(str, trace))}")
            print(f"    waiting inside: {' '.join('-' if n is None else str(n) for n in inside)}")
            print(
                f"    {100 * near:.0f} % of the last {seconds / 4:.0f} s within one, mean {statistics.mean(late):.1f}; "
                f"{len(told.totals) - count} answers",
                flush=True,
            )
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if told.errors:
            print(f"    {len(told.errors)} failed, the last: {told.errors[-1]}")


def restarted(servers: ModelServers, slots: int) -> None:
    """Start the server anew with so many slots."""
    servers.signal("a", signal.SIGKILL)
    servers.specs["a"].slots = slots
    servers.start("a")
    servers.wait_ready("a")


async def attained(
    daemon: Daemon, seconds: float, rate: float, flood: float, headers: dict[str, str], seed: int, *, whole: bool
) -> tuple[Told, Told]:
    """Send interactive requests at random, ``flood`` others for each of them, and return what became of both."""
    users, others = Told(), Told()
    draw = random.Random(seed)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        pending: list[asyncio.Task[None]] = []

        async def traffic(rate: float, told: Told, headers: dict[str, str]) -> None:
            gaps, end = random.Random(seed + len(headers)), time.monotonic() + seconds
            while time.monotonic() < end:
                not_streamed = whole and told is others
                task = asyncio.create_task(ask(session, daemon.url, draw, told, headers, whole=not_streamed))
                if told is users:
                    pending.append(task)
                else:
                    rest.append(task)
                await asyncio.sleep(gaps.expovariate(rate))

        rest: list[asyncio.Task[None]] = []
        streams = [traffic(rate, users, {})]
        if flood:
            streams.append(traffic(flood * rate, others, headers))
        await asyncio.gather(*streams)
        await asyncio.gather(*pending)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
    return users, others


async def floods(servers: ModelServers, seconds: float, use: float, *, whole: bool) -> None:
    """Print what three background requests for each interactive one cost, once the limit is found.

    With and without them in turns, since the machine is not the same at all times.
    """
    with before(servers) as daemon:
        warm, draw = Told(), random.Random(4)
        began = time.monotonic()
        async with aiohttp.ClientSession() as session:

            async def client() -> None:
                for _ in range(6):
                    await ask(session, daemon.url, draw, warm)

            await asyncio.gather(client(), client())
        most = len(warm.totals) / (time.monotonic() - began)
        firsts = sorted(first for first in warm.firsts if first is not None)
        first = firsts[len(firsts) // 2]
        slo, rate = max(1.5, 4 * first), use * most
        print(f"two at once: {most:.2f} answers a second, first content after {first:.2f} s; target {slo:.2f} s")
        ways: dict[str, tuple[float, dict[str, str]]] = {
            "alone": (0.0, {}),
            "with three background requests for each": (3.0, BACKGROUND),
            "with three of its own class for each": (3.0, {}),
        }
        users: dict[str, list[Told]] = {name: [] for name in ways}
        count = dict.fromkeys(ways, 0)
        await attained(daemon, SLICE_S, rate, 3.0, BACKGROUND, 0, whole=whole)
        for turn in range(1, 1 + max(1, round(seconds / SLICE_S))):
            for name, (flood, headers) in ways.items():
                mine, others = await attained(daemon, SLICE_S, rate, flood, headers, turn, whole=whole)
                users[name].append(mine)
                count[name] += sum(first is not None for first in others.firsts)
        for name, of in users.items():
            asked = sum(len(told.firsts) for told in of)
            met = sum(told.within(slo) * len(told.firsts) for told in of)
            failed = sum(len(told.errors) for told in of)
            each = ", ".join(f"{100 * told.within(slo):.0f}" for told in of)
            print(
                f"  {name}: {100 * met / max(1, asked):.1f} % of {asked} in time (by turn {each}), "
                f"{count[name]} others begun, {failed} failed"
            )
        print(f"  limit {daemon.rows()[ROW]['limit']:.0f}", flush=True)


def share(load: str, slots: int, seeds: int, *, whole: bool) -> tuple[float, float]:
    """Return the share of runs that are within one of the truth from the first to the second minute, and of time."""
    good, near = 0, 0.0
    for start in STARTS:
        for seed in range(seeds):
            seen = Slots(lambda _at: slots, start, LOADS[load], seed, whole=whole).run(90).between(60, 90)
            part = sum(abs(value - slots) <= 1 for value in seen) / len(seen)
            good, near = good + (part >= 0.95), near + part
    return good / (len(STARTS) * seeds), near / (len(STARTS) * seeds)


def sweep(seeds: int, *, whole: bool) -> None:
    """Print it for each load and number of slots."""
    starts = ", ".join(f"{start:g}" for start in STARTS)
    print(
        f"share of runs within one of the truth for 95 % of 60..90 s (and of the time); starts {starts}; {seeds} seeds"
    )
    for load in LOADS:
        cells = [share(load, slots, seeds, whole=whole) for slots in (1, 2, 4, 8)]
        told = "   ".join(
            f"{k} slots {100 * good:3.0f} % ({100 * near:3.0f} %)"
            for k, (good, near) in zip((1, 2, 4, 8), cells, strict=True)
        )
        print(f"  {load:20} {told}", flush=True)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=json.loads, default=[8, 1, 32, 64], help="a JSON list")
    parser.add_argument("--seconds", type=float, default=80.0, help="of each trial")
    parser.add_argument("--flood-seconds", type=float, default=240.0, help="of each way; 0 leaves them out")
    parser.add_argument("--use", type=float, default=0.3, help="of what it can do, by interactive work")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--seeds", type=int, default=30)
    asked = parser.parse_args()
    if asked.sweep:
        sweep(asked.seeds, whole=asked.whole)
        return
    with ModelServers([ModelSpec("a")], fetch(print)) as servers:
        for i, start in enumerate(asked.starts):
            restarted(servers, 2)
            print(f"from {start:g}", flush=True)
            with before(servers, start) as daemon:
                slots = [2] if i else [2, 4, 2]
                asyncio.run(flooded(daemon, servers, slots, asked.seconds, 16 + int(start), whole=asked.whole))
        if asked.flood_seconds:
            restarted(servers, 2)
            asyncio.run(floods(servers, asked.flood_seconds, asked.use, whole=asked.whole))


if __name__ == "__main__":
    main()
