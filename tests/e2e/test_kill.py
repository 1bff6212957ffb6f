"""kill -9 under load, again and again: what was known, what was spent and what was written down survive it.

The sockets belong to the service manager, as under a socket unit.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.service_manager import Service, api_socket
from tests.fakes.stub_provider import StubProvider
from tests.fakes.witness import Told, Witness

KILLS = 4
PRICE = {"input_usd_per_mtok": 10, "output_usd_per_mtok": 30}
COST = 20 * 10e-6 + 4 * 30e-6  # of an answer of the stub
BUDGET = 100 * COST
# An entry is written 50 ms after its request has ended; the rest is for a loop and a client on a busy machine.
YOUNG = 0.05 + 0.15
# From its start until it serves, of processor time: what it is on a machine that has nothing else to do. Seconds.
START = 1.0


def configured(well: StubProvider, metered: StubProvider, limited: StubProvider, dead: StubProvider) -> dict[str, Any]:
    """One provider for everybody, one for a client with a budget, one that says 429, one that is gone."""
    rows = {"m": well, "mp": metered, "ml": limited, "md": dead}
    return {
        "providers": [p.config(model=m, deployment={"price": PRICE}) for m, p in rows.items()],
        "allow_inline_secrets": True,
        "clients": [
            {"name": "free", "key": "free"},
            {"name": "poor", "key": "poor", "budget": {"usd_per_month": BUDGET}},
        ],
        "probes": {"every_s": 600, "kinds": ["liveness"], "completion": "never"},
        "deadlines": {"interactive_first_content_s": 5},
    }


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds(time_: str) -> float:
    return datetime.fromisoformat(time_).timestamp()


def ledger(folder: Path) -> tuple[dict[str, list[str]], int, int]:
    """Return where each request's attempts went, how many attempts of clients there are, and how many by the hour."""
    with contextlib.closing(sqlite3.connect(folder / "state.ledger.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found: dict[str, list[str]] = {}
        for request, deployment in db.execute("SELECT request, deployment FROM entries WHERE kind = 'client'"):
            found.setdefault(request, []).append(deployment)
        (entries,) = db.execute("SELECT count(*) FROM entries WHERE kind = 'client'").fetchone()
        (summed,) = db.execute("SELECT sum(attempts) FROM hours WHERE kind = 'client'").fetchone()
    return found, entries, summed


Kill = tuple[float, float]  # when it was sent, when the process was seen to be gone


def lost(answers: list[Told], kept: dict[str, list[str]], kills: list[Kill]) -> list[float]:
    """Return how long before the next kill each answer had come that is not in the ledger."""
    missing = [told.ended for told in answers if told.id not in kept]
    return [min((max(0.0, sent - at) for sent, gone in kills if at <= gone), default=1e9) for at in missing]


def test_killed_under_load_nothing_is_lost_but_what_the_last_50_ms_brought(tmp_path: Path) -> None:
    """Nothing is counted twice, no connection refused, no budget passed, no breaker and no cooldown forgotten."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    draw = random.Random(seed)
    dead = StubProvider("dead")
    dead.port = 1
    with StubProvider("well") as well, StubProvider("metered") as metered, StubProvider("limited") as limited:
        limited.say("status=429 after=120")
        config = configured(well, metered, limited, dead)
        sock = api_socket()
        address = sock.getsockname()
        with Service(tmp_path, config, sockets={"api": sock}) as running:
            running.start()
            kills: list[Kill] = []
            starts: list[float] = []
            used: list[float] = []
            free = Witness(address, "free", "m", workers=4, pause_s=0.005)
            poor = Witness(address, "poor", "mp", pause_s=0.02)
            with free, poor:
                time.sleep(0.5)
                for _ in range(3):
                    assert Witness(address, "free", "md").ask().status in (502, 503)
                assert Witness(address, "free", "ml").ask().status == 429
                told_429 = time.time()
                time.sleep(1.0)  # it is written down a quarter of a second after it came
                retry_at = running.rows()["dead/md"]["breaker"]["retry_at"]
                for n in range(KILLS):
                    time.sleep(draw.uniform(0.05, 1.0))
                    sent = running.send(signal.SIGKILL)
                    assert running.ended() == -signal.SIGKILL
                    kills.append((sent, time.perf_counter()))
                    starts.append(running.start())
                    used.append(cpu_s(running.pid))
                    breaker = running.rows()["dead/md"]["breaker"]
                    assert (breaker["state"], breaker["cause"]) == ("open", "connect")
                    assert seconds(breaker["retry_at"]) == pytest.approx(seconds(retry_at), abs=1.0)
                    quota = running.rows()["limited/ml"]
                    assert quota["reason"]["code"] == "rate_limited", (n, quota["reason"])
                time.sleep(0.5)
                again = Witness(address, "free", "ml").ask()
                assert again.status == 429 and again.deployment == ""
                assert limited.seen()["completions"] == 1, "it was asked again within its cooldown"
                assert time.time() < told_429 + 110
            budgets = {b["name"]: b for b in running.ask("/v1/budgets")[1]["data"]}
            assert running.stop() == 0
            assert "Traceback" not in running.log(), running.log()[-5000:]
        assert min(used) < START, used
        kept, entries, summed = ledger(tmp_path)
        print("restarts", [round(s, 2) for s in starts], "CPU", used, "answers", len(free.answered), len(poor.answered))
        everything = [*free.told, *poor.told]
        assert not [t for t in everything if t.status == -1], "refused"
        assert len(free.answered) > 100
        broken = [t for t in free.told if t.status != 200]
        assert all(any(t.began <= gone and sent <= t.ended for sent, gone in kills) for t in broken), (broken, kills)
        # nothing lost
        ages = lost([*free.answered, *poor.answered], kept, kills)
        print("not in the ledger", len(ages), "oldest", max(ages, default=0.0))
        assert all(age <= YOUNG for age in ages), ages
        # nothing doubled
        assert entries == summed == sum(map(len, kept.values()))
        assert all(len(set(rows)) == len(rows) for rows in kept.values())
        for name, stub in (("well", well), ("metered", metered)):
            written = sum(row.startswith(f"{name}/") for rows in kept.values() for row in rows)
            assert written <= stub.seen()["completions"]
        # never more than was allowed, whatever was lost
        assert metered.seen()["completions"] * COST <= BUDGET
        assert budgets["poor"]["spent_usd"] <= BUDGET
        assert budgets["poor"]["spent_usd"] >= min(len(poor.answered) * COST, BUDGET) - 1e-9
