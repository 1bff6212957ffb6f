"""Hours of steady traffic with reloads in between: what failed, and whether memory and descriptors grow.

    python -m tests.bench.soak --minutes 60 --reloads 10000

The daemon runs as a service before two scripted providers; requests come over new and over kept connections,
half of them streams, and every answer is compared with what was sent. Beside them clients hang up at any moment, ask in
the background, and send what is no request. Memory is told after a tenth of the time (when caches and windows begin to
fill), at the half and at the end, and how steeply it rose over the second half, with the error of that: in a run of 75
minutes and more only since the table's longest latency window, an hour, was full. Descriptors are compared with those
at the start once idle connections have aged out.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.e2e.test_service import config, service
from tests.fakes.load import Load
from tests.fakes.service_manager import Service, Unix
from tests.fakes.stub_provider import StubProvider
from tests.fakes.wild import Wild

MIB = 1024.0
REST = 20.0  # seconds until idle connections have aged out
FULL, LONG = 3900.0, 4500.0  # seconds until the table's hour is full, and of a run that goes on for a while after that


def resident(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / MIB


def descriptors(pid: int) -> Counter[str]:
    """Return what a process holds open, by what it is: a file's ending, or the kind of another thing."""
    held: Counter[str] = Counter()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            target = str(link.readlink())
            held[Path(target).suffix or target if target.startswith("/") else target.partition(":[")[0]] += 1
    return held


def reload_often(running: Service, configs: tuple[dict[str, object], ...], times: int, seconds: float) -> Iterator[int]:
    """Reload so often, spread over the time; yields the status of each, 0 for a pause without one."""
    admin = Unix(running.admin)
    step, began = seconds / max(1, times), time.perf_counter()
    for i in range(times):
        running.write(**configs[i % len(configs)])
        admin.request("POST", "/v1/config/reload")
        response = admin.getresponse()
        response.read()
        yield response.status
        time.sleep(max(0.0, began + (i + 1) * step - time.perf_counter()))
    while time.perf_counter() - began < seconds:
        time.sleep(0.5)
        yield 0
    admin.close()


def tell(share: str, running: Service, loads: Sequence[Load], reloads: int) -> None:
    """Print how it stands."""
    answers, memory = sum(load.fates["ok"] for load in loads), resident(running.pid)
    held = descriptors(running.pid).total()
    print(f"{share}: {answers} answers, {reloads} reloads, RSS {memory:.1f} MiB, {held} descriptors", flush=True)


class Watch(threading.Thread):
    """Notes the resident memory each second; ``slope`` is how steeply it rose."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, float]] = []
        self.over = threading.Event()
        self._pid = pid
        self._began = time.perf_counter()

    def run(self) -> None:
        """Look, until it is over."""
        while not self.over.wait(1.0):
            self.seen.append((time.perf_counter(), resident(self._pid)))

    def slope(self, since_s: float) -> tuple[float, float]:
        """Return MiB an hour from ``since_s`` on, and the standard error of that, by least squares."""
        half = [(t, m) for t, m in self.seen if t >= self._began + since_s]
        n = len(half)
        if n < 3:
            return 0.0, math.inf
        mean_t, mean_m = sum(t for t, _ in half) / n, sum(m for _, m in half) / n
        spread = sum((t - mean_t) ** 2 for t, _ in half)
        slope = sum((t - mean_t) * (m - mean_m) for t, m in half) / spread
        rest = sum((m - mean_m - slope * (t - mean_t)) ** 2 for t, m in half) / (n - 2)
        return 3600 * slope, 3600 * math.sqrt(rest / spread)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--reloads", type=int, default=10_000)
    parser.add_argument("--pause-ms", type=float, default=20.0, help="between two requests of one worker (of four)")
    told = parser.parse_args()
    marks, pause = [0.1, 0.5, 9.0], told.pause_ms / 1000
    refused = done = 0
    with tempfile.TemporaryDirectory() as folder, StubProvider("a") as a, StubProvider("b") as b:
        one = config({"a": a, "b": b}, surfaces=[])
        two = config({"a": a}, surfaces=[{"name": "support"}])
        with service(Path(folder), one) as running:
            seconds, began = told.minutes * 60, time.perf_counter()
            start, watch, wild = descriptors(running.pid), Watch(running.pid), Wild(running.listening(), faults=False)
            watch.start()
            others = threading.Thread(target=lambda: asyncio.run(wild.run(seconds, pause_s=pause)), daemon=True)
            others.start()
            with (
                Load(running.listening(), workers=2, pause_s=pause) as fresh,
                Load(running.listening(), workers=2, pause_s=pause, keep=True) as kept,
            ):
                for status in reload_often(running, (two, one), told.reloads, seconds):
                    done += status == 200
                    refused += status not in (0, 200)
                    if time.perf_counter() - began >= marks[0] * seconds:
                        tell(f"{marks.pop(0):4.0%}", running, (fresh, kept), done)
            others.join()
            watch.over.set()
            tell("100%", running, (fresh, kept), done)
            since = max(seconds / 2, FULL if seconds >= LONG else 0.0)
            slope, error = watch.slope(since)
            print(f"memory since minute {since / 60:.0f}: {slope:+.2f} MiB an hour, standard error {error:.2f}")
            print(f"beside them: {dict(wild.fates)}; wrong: {wild.wrong or 'none'}")
            time.sleep(REST)
            end = descriptors(running.pid)
            more = {name: end[name] - start[name] for name in start | end if end[name] != start[name]}
            print(
                f"descriptors at the start {start.total()}, after {REST:g} s of rest {end.total()}; more: {more or 0}"
            )
            failed = fresh.failed + kept.failed
            ok = fresh.fates["ok"] + kept.fates["ok"]
            history = sum(r["latency_s"]["1h"]["n"] for r in running.rows().values())
            print(f"{ok} right, {failed.total()} failed {dict(failed) or ''}; {done} reloads taken, {refused} refused")
            print(f"the table's last hour holds {history} answers; slowest {max(fresh.slowest, kept.slowest):.2f} s")


if __name__ == "__main__":
    main()
