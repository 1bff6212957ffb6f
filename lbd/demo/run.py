"""Put the demonstration together: weights, three servers, lbd before them, a screen; and the outage."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from rich.console import Console
from rich.text import Text

from lbd.demo import mixed, screen
from lbd.demo.load import Load
from lbd.demo.servers import ModelServers, ModelSpec, free_port
from lbd.demo.traffic import Fate, Traffic, measured
from lbd.demo.weights import DemoError, fetch
from lbd.display.money import headline

NAMES = ("large", "medium", "small")
# when (seconds), what happens, to whom
OUTAGE: tuple[tuple[float, str, str], ...] = (
    (5.0, "freeze", "large"),
    (14.0, "kill", "medium"),
    (22.0, "thaw", "large"),
    (24.0, "restart", "medium"),
)
LENGTH_S = 48.0
_DIRECT = build_opener(ProxyHandler({}))  # a proxy of the environment does not reach this host's loopback


def config(servers: ModelServers, api: int, admin: int, folder: Path, load: Load, *, rules: bool = True) -> str:
    """Return lbd's configuration for the demonstration, as patient as a machine under this load needs it.

    ``rules``: requests to auto take the routing guide's rules by their difficulty; else the best tier answers them.
    """
    tiers = ("primary", "secondary", "tertiary")
    prices = ((2.0, 8.0), (0.4, 1.6), (0.05, 0.2))
    lines = [
        f"listen: 127.0.0.1:{api}",
        f"admin: {{listen: 127.0.0.1:{admin}, socket: {folder}/admin.sock}}",
        f"store: {{url: 'sqlite://{folder}/state.db'}}",
        "probes: {every_s: 15}",
        f"deadlines: {{interactive_first_content_s: {load.first_content_s():g}}}",
        "tiers:",
        *(f"  - {{name: {t}, ttft_p95_s: {s:g}}}" for t, s in zip(tiers, load.targets_s(), strict=True)),
    ]
    if rules:
        lines += [
            "evaluate: {share: 1, budget_usd_per_day: 1, score: validators, metrics: [chrf], reference: demo-large}",
            "routing_rules:",
            "  simple_queries: {primary: demo-small, fallback: demo-medium, max_cost_per_1k: 0.002}",
            "  complex_reasoning: {primary: demo-large, fallback: [demo-medium]}",
        ]
    lines.append("providers:")
    for name, tier, (cost_in, cost_out), quality in zip(NAMES, tiers, prices, (0.9, 0.7, 0.5), strict=True):
        lines += [
            f"  - name: {name}",
            "    shape: llamacpp",
            f"    base_url: {servers.base_url(name)}",
            f"    deployments: [{{model: demo-{name}, tier: {tier}, quality: {{default: {quality}}},",
            f"      price: {{input_usd_per_mtok: {cost_in}, output_usd_per_mtok: {cost_out}}}}}]",
        ]
    return "\n".join(lines) + "\n"


def _pick_port(wanted: int) -> int:
    import socket

    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last demonstration's connections take no port
        try:
            sock.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
    return wanted


class Demo:
    """The running demonstration."""

    def __init__(self, servers: ModelServers, api: int, admin: int, folder: Path) -> None:
        self.servers = servers
        self.url = f"http://127.0.0.1:{api}"
        self.admin = f"http://127.0.0.1:{admin}"
        self.folder = folder

    def document(self) -> dict[str, Any]:
        """Return the provider table's document."""
        try:
            with _DIRECT.open(f"{self.admin}/v1/providers", timeout=10) as response:
                return dict(json.load(response))
        except OSError as e:
            raise DemoError(f"lbd does not answer any more ({e}): {self.log()}") from None

    def log(self) -> str:
        """Return the end of the daemon's log."""
        return (self.folder / "lbd.log").read_text()[-2000:]


@contextlib.contextmanager
def endable() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (the terminal was closed) end the block as Ctrl-C does, so that nothing is left behind."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if before[number] != signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    _deaf()
    raise SystemExit(128 + number)


def _deaf() -> None:
    # The end takes seconds, and must not be ended itself: a closed terminal sends more than one signal.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def models(say: Callable[[str], None]) -> Iterator[tuple[ModelServers, Path]]:
    """Start the model servers, in a folder for everything; both end with the block."""
    weights = fetch(say)
    with tempfile.TemporaryDirectory(prefix="lbd-demo-") as scratch:
        folder = Path(scratch)
        say("starting three model servers")
        with ModelServers([ModelSpec(name) for name in NAMES], weights, folder / "logs") as servers:
            yield servers, folder


@contextlib.contextmanager
def started(
    servers: ModelServers, folder: Path, load: Load, *, api: int, admin: int, rules: bool = True
) -> Iterator[Demo]:
    """Start lbd before the model servers; it ends with the block, which is inside one of :func:`endable`."""
    path = folder / "lbd.yaml"
    api, admin = _pick_port(api), _pick_port(admin)
    path.write_text(config(servers, api, admin, folder, load, rules=rules))
    command = [sys.executable, "-m", "lbd", "run", "-c", str(path)]
    with (folder / "lbd.log").open("wb") as log:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "lbd.demo.parent", str(os.getpid()), *command], stdout=log, stderr=log
        )
        demo = Demo(servers, api, admin, folder)
        try:
            _wait(demo, daemon)
            yield demo
        finally:
            _deaf()
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _wait(demo: Demo, daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if daemon.poll() is not None:
            break
        try:
            with _DIRECT.open(f"{demo.admin}/readyz", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.05)
    raise DemoError(f"lbd did not start: {demo.log()}")


def show(console: Console, *, api: int, admin: int, seconds: float | None) -> int:
    """Show the live table until interrupted (or for so many seconds)."""
    with (
        endable(),
        models(lambda text: console.print(f"[dim]{text}[/]")) as (servers, folder),
        started(servers, folder, Load(), api=api, admin=admin) as demo,
    ):
        console.print(screen.head(demo.url, demo.admin), soft_wrap=True)
        begin = time.monotonic()
        with screen.Screen(console) as shown:
            while seconds is None or time.monotonic() - begin < seconds:
                shown.show(demo.document(), time.monotonic() - begin)
                time.sleep(0.5)
    return 0


def outage(console: Console, *, api: int, admin: int) -> int:
    """Send steady traffic while servers freeze, die and come back; then say what became of every request."""
    with endable(), models(lambda text: console.print(f"[dim]{text}[/]")) as (servers, folder):
        console.print("asking a server directly for the right answers")
        load, right = asyncio.run(measured(servers.base_url(NAMES[0])))
        console.print(load.told(), soft_wrap=True)
        with started(servers, folder, load, api=api, admin=admin, rules=False) as demo:
            console.print(screen.page_address(demo.admin), soft_wrap=True)
            traffic = Traffic(demo.url, "auto", right, load.tokens)
            asyncio.run(_outage(console, demo, traffic, load.rate))
            return _verdict(console, demo, traffic)


def savings(console: Console, *, api: int, admin: int) -> int:
    """Send a mixed workload to auto; show what each prompt was held to be, who answered, what was saved."""
    with (
        endable(),
        models(lambda text: console.print(f"[dim]{text}[/]")) as (servers, folder),
        started(servers, folder, Load(), api=api, admin=admin) as demo,
    ):
        console.print(screen.page_address(demo.admin), soft_wrap=True)
        answered = asyncio.run(mixed.send(demo.url, demo.admin))
        with _DIRECT.open(f"{demo.admin}/v1/savings", timeout=30) as response:
            told = dict(json.load(response))
        scored = asyncio.run(mixed.scored(demo.admin))
        mixed.show(console, answered, told, headline(told))
        mixed.quality(console, demo.document(), scored)
    return 0 if all(one.status == 200 for one in answered) else 1


async def _outage(console: Console, demo: Demo, traffic: Traffic, rate: float) -> None:
    loop = asyncio.get_running_loop()
    begin = time.monotonic()
    sending = asyncio.ensure_future(traffic.run(rate, LENGTH_S))
    steps = list(OUTAGE)
    with screen.Screen(console) as shown:
        while not sending.done():
            now = time.monotonic() - begin
            while steps and now >= steps[0][0]:
                _, what, name = steps.pop(0)
                _act(demo, what, name)  # in this thread: a server ends with the thread that started it
                shown.tell(now, f"{what} {name}")
            document = await loop.run_in_executor(None, demo.document)
            shown.show(document, now, screen.progress(traffic, now, LENGTH_S))
            await asyncio.sleep(0.25)
        shown.show(demo.document(), time.monotonic() - begin)  # the verdict below it has the last counts
    await sending


def _act(demo: Demo, what: str, name: str) -> None:
    servers = demo.servers
    match what:
        case "freeze":
            servers.signal(name, signal.SIGSTOP)
        case "thaw":
            servers.signal(name, signal.SIGCONT)
        case "kill":
            servers.signal(name, signal.SIGKILL)
        case "restart":
            servers.start(name)


def _verdict(console: Console, demo: Demo, traffic: Traffic) -> int:
    counts = traffic.counts()
    console.print(f"\n[bold]{len(traffic.judged)} requests[/], half of them streams")
    console.print(screen.fates(traffic), end="")
    by = {
        row["id"]: sum(row["id"] == j.deployment or row["id"].startswith(f"{j.model}/") for j in traffic.judged)
        for tier in demo.document()["tiers"]
        for row in tier["deployments"]
    }
    console.print("  answered by: " + ", ".join(f"{name} {n}" for name, n in by.items()))
    slowest = max((j.first_s or j.took_s for j in traffic.judged), default=0.0)
    console.print(f"  slowest first content (or whole unary answer): {slowest:.2f} s")
    for j in traffic.judged:
        if j.fate in (Fate.LOST, Fate.REFUSED):
            kind = "stream" if j.stream else "unary"
            console.print(Text(f"  {j.fate}: {kind}, {j.detail}", style="red"), soft_wrap=True)
    failed = counts[Fate.REFUSED] + counts[Fate.LOST]
    console.print("[green]no request was lost[/]" if not failed else f"[bold red]{failed} requests failed[/]")
    return 1 if failed else 0
