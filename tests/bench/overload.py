"""Overload: the limit that is found, what a flood costs interactive work, and what a crowd of clients costs the daemon.

Beside each figure stands the reference: no limit, or a queue without classes and clients.

python -m tests.bench.overload --connections 10000
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from pathlib import Path

import structlog

from lbd.ingress.crowd import most_connections
from tests.e2e.conftest import Daemon
from tests.fakes.crowd import CHAT, Crowd, chat, others, resident
from tests.fakes.slots import LOADS, Slots
from tests.fakes.stub_provider import StubProvider
from tests.sim.test_overload import attained

MIB = 1 << 20


def steps(at: float) -> int:
    """Two slots for a minute, four for the next, then two again."""
    return 4 if 60 <= at < 120 else 2


def limits() -> None:
    """Print what the limit was in the last third of each minute, and the time to the first token."""
    print("limit in the last 20 s of each minute, mean (lowest..highest); the server has 2, 4 and 2 slots")
    for name, load in LOADS.items():
        for start in (1, 2, 4, 8, 32, 64):
            server = Slots(steps, start, load).run(180)
            cells = []
            for end in (60, 120, 180):
                seen = server.between(end - 20, end)
                cells.append(f"{sum(seen) / len(seen):4.1f} ({min(seen)}..{max(seen)})")
            print(f"  {name:20} from {start:2}: " + "   ".join(cells))
    print("answers of minutes two and three from a start at 8, as a share of the best fixed limit, and the median TTFT")
    for slots in (1, 2, 4, 8, 16, 32):
        for name in ("short prompts", "short answers", "all sizes"):
            best = Slots(lambda _at, k=slots: k, slots, LOADS[name], fixed=True).run(180)  # type: ignore[misc]
            found = Slots(lambda _at, k=slots: k, 8, LOADS[name]).run(180)  # type: ignore[misc]
            without = Slots(lambda _at, k=slots: k, 512, LOADS[name], fixed=True).run(180)  # type: ignore[misc]
            share = found.done(60, 180) / best.done(60, 180)
            waits = [f"{of.typical(60, 180):.2f}" for of in (best, found, without)]
            print(
                f"  {slots:2} slots, {name:14}: {100 * share:5.1f} %, TTFT {waits[0]} best, {waits[1]} found, "
                f"{waits[2]} s without a limit"
            )


def floods() -> None:
    """Print what three background requests for each interactive one cost."""
    print("interactive requests with first content within 1.5 s: alone, with the flood, with it in a plain FIFO queue")
    for slots, use, seconds in ((1, 0.3, 600), (2, 0.3, 600), (4, 0.3, 300), (4, 0.5, 300), (8, 0.4, 200)):
        alone = attained(slots, use, 0, 1, seconds=seconds)
        flood = attained(slots, use, 3, 1, seconds=seconds)
        fifo = attained(slots, use, 3, 1, seconds=seconds, fifo=True)
        spare = seconds * slots * (1 - use) / 2.2
        print(
            f"  {slots} slots, {100 * use:.0f} % used: {100 * alone[0]:.1f} %, {100 * flood[0]:.1f} %, "
            f"{100 * fifo[0]:.1f} %; background answers {flood[1]:.0f} of {spare:.0f} that would fit"
        )


def hidden(seeds: int) -> None:
    """Print what such a flood costs where the server does not tell its slots, over many runs."""
    print(f"points that three background requests for each cost, of hidden slots from the start on, {seeds} runs each")
    for slots, use, seconds in ((2, 0.3, 300), (4, 0.5, 150)):
        for whole in (False, True):
            lost = []
            for seed in range(1, seeds + 1):
                alone, flood = (
                    attained(slots, use, times, seed, seconds=seconds, hidden=True, whole=whole)[0] for times in (0, 3)
                )
                lost.append(100 * (alone - flood))
            kind = "whole" if whole else "streamed"
            print(
                f"  {slots} slots, {100 * use:.0f} % used, {kind}: median {statistics.median(lost):.1f}, "
                f"mean {statistics.mean(lost):.1f}, worst {max(lost):.1f}",
                flush=True,
            )


def _told(took: list[float]) -> str:
    return f"p50 {1e3 * took[len(took) // 2]:.1f}, p99 {1e3 * took[int(0.99 * len(took))]:.1f} ms"


async def crowds(daemon: Daemon, count: int) -> None:
    """Print what others see of each kind of crowd, and what it costs in memory."""
    assert daemon.process is not None
    pid, port = daemon.process.pid, daemon.api
    print(f"others' requests: {_told(await others(port, 200))} without a crowd")
    quiet = resident(pid)

    async def tell(what: str) -> None:
        took = await others(port, 200)
        print(f"  {what}: {_told(took)}, {(resident(pid) - quiet) / MIB:+.1f} MiB", flush=True)

    async with Crowd(port) as crowd:
        await tell(f"{await crowd.many(count)} idle connections")
    async with Crowd(port) as crowd:
        head = await crowd.many(2000, b"POST /v1/chat/completions HTTP/1.1\r\nhost: loc")
        body = await crowd.many(2000, chat()[:-20])
        await tell(f"{head} half heads and {body} half bodies")
    async with Crowd(port) as crowd:
        huge = f"{CHAT}content-length: {32 * MIB}\r\n\r\n".encode() + b"x" * (24 * MIB)
        sent = 0
        for _ in range(6):
            sent += await crowd.many(10, huge)
        await tell(f"{sent} unfinished bodies of 24 MiB")
    async with Crowd(port) as crowd:
        for _ in range(20):
            await crowd.connect()
            crowd.open[-1][1].transport.pause_reading()  # type: ignore[attr-defined]
            crowd.open[-1][1].write(chat(stream=True, user="tokens=100000"))
        await asyncio.sleep(3)
        await tell("20 streams that nobody reads")
        began = time.monotonic()
        while daemon.rows()["p/m"]["inflight"] and time.monotonic() - began < 60:
            await asyncio.sleep(0.5)
        print(f"  their slots are free again after another {time.monotonic() - began:.0f} s")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--hidden", type=int, default=12, help="runs of each flood before hidden slots")
    parser.add_argument("--only-hidden", action="store_true")
    told = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if told.only_hidden:
        hidden(told.hidden)
        return
    limits()
    floods()
    hidden(told.hidden)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(told.connections, most_connections() - 100, soft - 500)
    with StubProvider("p") as stub, tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(Path(folder), {"providers": [stub.config()], "probes": {"completion": "never"}})
        daemon.start()
        try:
            asyncio.run(crowds(daemon, count))
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
