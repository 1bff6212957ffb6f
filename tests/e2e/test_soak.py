"""A short soak on real sockets: requests of every kind for some seconds, and then nothing is left of them.

An hour, with reloads: ``python -m tests.bench.soak``.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from tests.bench.soak import descriptors, resident
from tests.e2e.test_service import service
from tests.fakes.stub_provider import StubProvider
from tests.fakes.wild import Wild

PRICE = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
SECONDS = 8.0
PATIENCE = 20.0  # until idle connections have aged out


def test_thousands_of_requests_of_every_kind_leave_no_descriptor_and_no_memory(tmp_path: Path) -> None:
    """Streams, whole answers, faults, clients that hang up: each ends as it should, and the process is as before."""
    with StubProvider("a") as a, StubProvider("b") as b:
        rows = [p.config(deployment={"price": PRICE}, keepalive_s=1.0) for p in (a, b)]
        config = {"providers": rows, "limits": {"journal_records": 200}}
        with service(tmp_path, config) as running:
            address = running.listening()
            asyncio.run(Wild(address, seed=0).run(2.0))  # whatever is built once
            start = settled(running.pid, 0)
            first = resident(running.pid)
            wild = Wild(address)
            asyncio.run(wild.run(SECONDS))
            assert not wild.wrong, wild.wrong
            assert wild.fates["ok"] > 500 and wild.fates["left"] > 100 and wild.fates["refused"] > 50, wild.fates
            assert settled(running.pid, start) <= start
            # windows of an hour fill still; what each request left behind would be more than this
            assert resident(running.pid) - first < 12.0


def settled(pid: int, most: int) -> int:
    """Return the open descriptors once there are no more than ``most``, or no fewer for three seconds."""
    end = time.monotonic() + PATIENCE
    count, since = descriptors(pid).total(), time.monotonic()
    while time.monotonic() < end and count > most and time.monotonic() - since < 3.0:
        time.sleep(0.2)
        now = descriptors(pid).total()
        if now < count:
            count, since = now, time.monotonic()
    return count
