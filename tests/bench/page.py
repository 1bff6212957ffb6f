"""What the operator's page costs: bytes and milliseconds of a picture, 1,000 open viewers, and requests beside 100.

    python -m tests.bench.page --viewers 1000 --seconds 20

Twelve stub providers are asked 20 times a second. Prints the bytes of the first paint and of each update, the
milliseconds that drawing takes, the daemon's share of a core without viewers, with one and with all of them, what each
message cost for each viewer, and the latency of requests with 100 viewers over that without any, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from lbd.page import home, shell, timeline
from tests.e2e.conftest import MESSAGES, Daemon
from tests.fakes import console_server, scenes
from tests.fakes.stub_provider import StubProvider

ROWS = 12
STATIC = Path(home.__file__).with_name("static")
RATE = 20.0
OFTEN = 200.0  # where the slowest are looked for: a hundredth of them are still some dozens
TURNS = 8
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Return the processor time that a process has taken, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def drawing() -> None:
    """Print what one picture takes, by the number of rows."""
    files = sum((STATIC / name).stat().st_size for name in ("page.css", "page.js"))
    for count in (4, 14, 40):
        events = [console_server.event(n) for n in range(1, timeline.SHOWN + 1)]
        scene = scenes.scene(scenes.fleet(count, down=1, slow=1), events=events)
        assets = shell.Assets("/a.css", "/a.js")
        took = []
        for _ in range(30):
            began = time.perf_counter()
            drawn = home.drawn(scene)
            took.append(time.perf_counter() - began)
        page = home.page(drawn, assets=assets, visitor=shell.Visitor(), live="/live?since=1")
        packed = len(gzip.compress(page, 4))
        print(
            f"{count} rows: drawn in {min(took) * 1000:.1f} ms (median {statistics.median(took) * 1000:.1f}), "
            f"page {len(page):,} bytes, {packed:,} packed; {len(page) + files:,} with style and script"
        )


class Crowd:
    """Viewers in a process of their own, so that what they read costs neither the daemon nor the clock."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    async def join(self, port: int, count: int) -> None:
        """Open so many."""
        if not count:
            return
        command = [sys.executable, "-m", "tests.bench.page", "--crowd", f"{port}:{count}"]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        while await self._process.stdout.readline() != b"all there\n":
            assert self._process.returncode is None
        self._task = asyncio.get_running_loop().create_task(self._count(self._process.stdout))

    async def _count(self, told: asyncio.StreamReader) -> None:
        async for line in told:
            self.messages += 1
            self.bytes += int(line)

    async def leave(self) -> None:
        """Close all."""
        if self._process is not None and self._task is not None:
            self._process.terminate()
            await self._process.wait()
            await self._task


async def crowd(port: int, count: int) -> None:
    """Be the viewers; the first tells the size of each message."""

    async def read(reader: asyncio.StreamReader, *, tells: bool) -> None:
        if not tells:
            while await reader.read(2**18):
                pass
        async for line in reader:
            if line.startswith(b"data: "):
                print(len(line), flush=True)

    tasks, writers = [], []  # a writer that nobody holds closes its connection
    for n in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
        writer.write(b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        writers.append(writer)
        tasks.append(asyncio.get_running_loop().create_task(read(reader, tells=n == 0)))
    print("all there", flush=True)
    await asyncio.gather(*tasks)


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> float:
    """Make one request on a kept connection; returns how long it took."""
    began = time.perf_counter()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    headers = await reader.readuntil(b"\r\n\r\n")
    length = int(headers.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return time.perf_counter() - began


async def latencies(port: int, seconds: float, rate: float = RATE) -> list[float]:
    """Make requests one after the other; returns what each took."""
    body = json.dumps({"model": "auto", "messages": MESSAGES, "max_tokens": 4}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    out = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        took = await post(reader, writer, body)
        out.append(took)
        await asyncio.sleep(max(0.0, 1 / rate - took))
    writer.close()
    return out


@contextlib.asynccontextmanager
async def traffic(port: int) -> AsyncIterator[None]:
    """Keep requests going."""
    task = asyncio.get_running_loop().create_task(latencies(port, 1e9))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def share(daemon: Daemon, looking: Crowd, seconds: float) -> tuple[float, int, int]:
    """Return the daemon's share of a core, and the messages and bytes that one viewer got."""
    assert daemon.process is not None
    before, messages, size = cpu(daemon.process.pid), looking.messages, looking.bytes
    await asyncio.sleep(seconds)
    used = (cpu(daemon.process.pid) - before) / seconds
    return used, looking.messages - messages, looking.bytes - size


async def measure(daemon: Daemon, viewers: int, seconds: float) -> None:
    """Print it all."""
    async with traffic(daemon.api):
        await asyncio.sleep(3)
        found: dict[int, float] = {}
        for count in (0, 1, viewers):
            looking = Crowd()
            await looking.join(daemon.admin_port, count)
            await asyncio.sleep(2)
            used, messages, size = await share(daemon, looking, seconds)
            await looking.leave()
            await asyncio.sleep(1)
            found[count] = used
            each = f", {messages} messages of {size // max(1, messages):,} bytes each" if count else ""
            print(f"{count} viewers: {used:.2%} of a core{each}")
        crowd_cost = found[viewers] - found[1]
        print(f"drawing and encoding, once for all: {found[1] - found[0]:.2%} of a core")
        each_us = crowd_cost / (viewers - 1) * 1e6
        print(f"{viewers - 1} more viewers: {crowd_cost:.2%} of a core, {each_us:.1f} us a second each")
    without: list[float] = []
    beside: list[float] = []
    for _ in range(TURNS):
        without += await latencies(daemon.api, seconds / TURNS, OFTEN)
        looking = Crowd()
        await looking.join(daemon.admin_port, 100)
        beside += await latencies(daemon.api, seconds / TURNS, OFTEN)
        await looking.leave()
    for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        a, b = (sorted(of)[int(q * (len(of) - 1))] for of in (without, beside))
        print(f"requests, {name}: {a * 1000:.2f} ms alone, {b * 1000:.2f} ms beside 100 viewers, ratio {b / a:.2f}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--drawing", action="store_true", help="only the bytes and milliseconds of a picture")
    parser.add_argument("--crowd", help=argparse.SUPPRESS)  # port:count; the process of the viewers
    told = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if told.crowd:
        port, _, count = told.crowd.partition(":")
        asyncio.run(crowd(int(port), int(count)))
        return
    drawing()
    if told.drawing:
        return
    with tempfile.TemporaryDirectory() as folder, StubProvider("p") as stub:
        price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
        providers = [
            {
                "name": f"p{n}",
                "shape": "openai",
                "base_url": f"http://127.0.0.1:{stub.port}/v1",
                "deployments": [
                    {"model": f"m{n}", "tier": ("primary", "secondary", "tertiary")[n % 3], "price": price}
                ],
            }
            for n in range(ROWS)
        ]
        daemon = Daemon(Path(folder), {"providers": providers, "probes": {"completion": "never"}})
        daemon.start()
        try:
            asyncio.run(measure(daemon, told.viewers, told.seconds))
        finally:
            daemon.stop()


if __name__ == "__main__":
    main()
