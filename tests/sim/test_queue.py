"""The durable queue under load, in virtual time: in time wherever that can be, and fair between clients."""

from __future__ import annotations

import heapq
import random  # noqa: TID251  loads are seeded
from collections.abc import Sequence
from typing import NamedTuple

import pytest

from lbd.loops.errand import Answer
from lbd.model.batch import Status
from lbd.state.batch import SINGLE
from tests.fakes.virtual import VirtualEnv, run
from tests.unit.loops.test_batch import OPEN, OPEN_SINGLE, Provider, World, error, good, text

CLIENTS = "abcdef"
OVERHEAD = 4.0  # s: the queue looks each second when it is empty, and a line's deadline is a second before its window's


class Job(NamedTuple):
    """A request that is left here. Seconds from the start, but for ``takes_s``."""

    line: str
    client: str
    comes: float
    takes_s: float
    due: float


def in_time(jobs: Sequence[Job], lanes: int) -> bool:
    """Tell whether so many lanes that take who is due first, and stop nobody, do all of them in time."""
    free = [0.0] * lanes
    coming = sorted(jobs, key=lambda j: j.comes)
    waiting: list[tuple[float, Job]] = []
    while coming or waiting:
        now = free[0]
        if not waiting:
            now = max(now, coming[0].comes)
        while coming and coming[0].comes <= now:
            job = coming.pop(0)
            heapq.heappush(waiting, (job.due, job))
        _, job = heapq.heappop(waiting)
        ends = now + job.takes_s + OVERHEAD
        if ends > job.due:
            return False
        heapq.heapreplace(free, ends)
    return True


def load(seed: int, lanes: int, wanted: int = 300) -> list[Job]:
    """Return a load that so many lanes can just do: each further request is left out if it would make one late."""
    chance = random.Random(seed)
    jobs: list[Job] = []
    for n in range(wanted):
        client, comes = chance.choice(CLIENTS), chance.uniform(0, 900)
        takes = chance.choice([1.0, 10.0, chance.uniform(30, 120), 300.0])
        slack = chance.choice([chance.uniform(5, 60), chance.uniform(60, 900), 3600.0, 86400.0])
        job = Job(f"{client}{n}", client, comes, takes, comes + takes + OVERHEAD + slack)
        if in_time([*jobs, job], lanes):
            jobs.append(job)
    return jobs


async def leave(w: World, job: Job) -> str:
    return await w.single(job.line, client=job.client, within_s=round(job.due - job.comes))


def late(jobs: Sequence[Job], refused: str = "") -> list[Job]:
    """Leave requests to a queue; return those that it did not answer in time. Those of ``refused`` nobody serves."""
    takes = {job.line: job.takes_s for job in jobs}

    async def main(env: VirtualEnv) -> list[Job]:
        def reply(line: str, nth: int) -> Answer:
            return error(429, "budget_exceeded") if refused and line.startswith(refused) else good(line, nth)

        w = await World(env, Provider(env, lambda line: takes[line], reply)).start()
        begin, ids = env.now(), {}
        for job in sorted(jobs, key=lambda j: j.comes):
            await env.sleep(max(0.0, begin + job.comes - env.now()))
            ids[await leave(w, job)] = job
        while any(not w.shelf.batches[i].ended for i, job in ids.items() if job.client != refused):
            await env.sleep(5.0)
        missed = [job for i, job in ids.items() if w.shelf.batches[i].counts.completed != 1]
        await w.kill()
        assert not w.crashes
        return missed

    return run(main)


@pytest.mark.parametrize("seed", range(12))
def test_every_deadline_that_can_be_met_is_met(seed: int) -> None:
    """Several clients, windows from seconds to a day: whatever one client's places could do is done."""
    jobs = load(seed, OPEN_SINGLE.of_one)
    assert 150 < len(jobs) < 300 and len({job.client for job in jobs}) == len(CLIENTS)
    assert late(jobs) == []


@pytest.mark.parametrize("seed", range(4))
def test_a_load_of_one_client_is_in_time_too(seed: int) -> None:
    """Its share is enough for what its share can do."""
    jobs = [job._replace(client="a") for job in load(seed, OPEN_SINGLE.of_one)]
    assert late(jobs) == []


@pytest.mark.parametrize("seed", range(4))
def test_clients_that_nobody_serves_make_nobody_late(seed: int) -> None:
    """However many requests of theirs wait, and however soon they are due."""
    jobs = load(seed, OPEN_SINGLE.of_one)
    stuck = [Job(f"z{n}", "z", n / 10, 1.0, 5000.0 + 3600 * (n % 3)) for n in range(60)]
    assert {job.client for job in late([*jobs, *stuck], refused="z")} == {"z"}


@pytest.mark.parametrize("window_s", [600, 86400])
def test_a_flood_of_one_client_holds_up_no_other(window_s: int) -> None:
    """Not even where it is due sooner; two floods neither, of which each has its share."""

    async def main(env: VirtualEnv) -> None:
        w = await World(env, Provider(env, lambda line: 1.0 if line.startswith("few") else 100.0)).start()
        for n in range(300):
            for client in "ab":
                await w.single(f"{client}{n}", client=client, within_s=window_s)
        await env.sleep(5)
        waits = []
        for n in range(20):
            await env.sleep(20.0)
            began = env.now()
            await w.until(await w.single(f"few{n}", client="few"), Status.COMPLETED)
            waits.append(env.now() - began)
        assert max(waits) < 4, waits
        done = {
            client: sum(b.counts.completed for b in w.shelf.batches.values() if b.client == client) for client in "ab"
        }
        assert abs(done["a"] - done["b"]) <= OPEN_SINGLE.of_one and min(done.values()) >= 3 * OPEN_SINGLE.of_one // 2
        await w.kill()

    run(main)


@pytest.mark.parametrize("seed", range(3))
def test_batches_of_mixed_windows_are_in_time(seed: int) -> None:
    """Day-long ones of the same client fill its places: what is due in an hour or two is begun while they run."""

    async def main(env: VirtualEnv) -> None:
        chance = random.Random(seed)
        w = await World(env, Provider(env, 20.0)).start()
        long = [await w.begin(2000, client="a") for _ in range(OPEN.of_one + 1)]
        await env.sleep(60)
        ids = []
        for hours in (1, 2, 1, 3):
            await env.sleep(chance.uniform(0, 1200))
            lines = b"\n".join(text(f"{hours}-{n}") for n in range(chance.randrange(20, 400 * hours)))
            ids.append(await w.begin(lines, client=chance.choice("ab"), hours=hours))
        for one in (*ids, *long):
            ended = await w.until(one, Status.COMPLETED, Status.EXPIRED, every=60.0)
            assert (ended.status, ended.counts.failed) == (Status.COMPLETED, 0)
        await w.kill()

    run(main)


def test_a_restart_in_the_middle_makes_nothing_late_that_need_not_be() -> None:
    """What was under way is sent again, in the order in which it is due."""

    async def main(env: VirtualEnv) -> None:
        w = await World(env, Provider(env, 20.0)).start()
        ids = [await w.single(f"{c}{n}", client=c, within_s=300 + 60 * n) for n in range(20) for c in "abc"]
        for wait in (10.0, 30.0):
            await env.sleep(wait)
            await w.kill()
            await w.start()
        for one in ids:
            assert (await w.until(one, Status.COMPLETED, Status.EXPIRED, every=5.0)).status is Status.COMPLETED
        assert {f.purpose for f in w.shelf.files.values()} == {SINGLE}
        await w.kill()

    run(main)
