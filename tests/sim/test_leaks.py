"""Nothing is left of a request: no task, no exchange, no slot, and no object of any kind that there is one of each.

Thousands of requests of every kind run through the whole application in virtual time: streams and whole answers,
clients that leave at any moment, providers that fail, hang and cut their streams, splices, second attempts beside late
ones, background work, rate limits, dry runs. Then the same again; what there are more of afterwards, by type, is what
requests leave behind. An hour on real sockets: ``python -m tests.bench.soak``.
"""

from __future__ import annotations

import asyncio
import gc
from collections import Counter

import pytest

from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost, Weather

KINDS = ("stream", "whole", "leaves", "leaves early", "background", "dry", "refused", "session", "capped")
ROUND = 1000  # requests
RATE = 25.0
# what may become more with time, and not with requests: the windows of an hour fill, and what Python remembers of types
MORE = {
    "lbd.state.quantile.Sketch": 500,
    "lbd.state.quantile.Closed": 500,
    "array.array": 1000,
    "builtins.tuple": 750,
    "builtins.set": 200,
    "weakref.ReferenceType": 300,
    "builtins.builtin_function_or_method": 300,
}
FEW = 60  # more of anything else: a third of the requests whose client left


def objects() -> Counter[str]:
    """Count what the collector knows, by type, after it has taken what nobody holds."""
    for _ in range(3):
        gc.collect()
    return Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects())


def weather(env: VirtualEnv, hosts: list[SimHost]) -> None:
    """Change it: one of three is ill in some way, at each change another one."""
    for host in hosts:
        host.weather = Weather()
    for host in env.random.sample(hosts, 1):
        match env.random.choice(("status", "cut", "cut", "slow", "role", "limited")):
            case "status":
                host.weather.status, host.weather.status_share = env.random.choice((500, 503, 429, 529)), 0.4
            case "cut":
                host.weather.cut_after = env.random.randrange(1, 5)
            case "slow":
                host.weather.slow = 4.0
            case "role":
                host.weather.role_then_cut = True
            case "limited":
                host.weather.status, host.weather.retry_after_s = 429, 2.0


async def one(sim: Sim, kind: str) -> None:
    """Make one request of this kind."""
    env = sim.env
    match kind:
        case "stream" | "session" | "capped":
            headers = {"session": {"x-lbd-session": f"s{len(sim.asked)}"}, "capped": {"x-lbd-max-usd": "0.5"}}
            await sim.ask(stream=True, headers=headers.get(kind))
        case "whole":
            await sim.ask()
        case "background":
            await sim.ask(headers={"x-lbd-class": "background"}, stream=env.random.random() < 0.5)
        case "dry":
            await sim.ask(headers={"x-lbd-dry-run": "1"})
        case "refused":
            await sim.ask("no-such-model")
        case _:
            task = sim.start(stream=env.random.random() < 0.7)
            await env.sleep(env.random.uniform(0.0, 0.05 if kind == "leaves early" else 0.6))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def everything(sim: Sim, hosts: list[SimHost], requests: int) -> None:
    """Make so many requests of all kinds, all in bad weather."""
    env, tasks = sim.env, set()
    for n in range(requests):
        if n % 125 == 0:
            weather(env, hosts)
        task = env._loop.create_task(one(sim, env.random.choice(KINDS)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await env.sleep(env.random.expovariate(RATE))
    for host in hosts:
        host.weather = Weather()
    while tasks:
        await asyncio.wait(set(tasks))


@pytest.mark.parametrize("seed", [1])
def test_requests_of_every_kind_leave_nothing_behind(seed: int) -> None:
    """Tasks, exchanges, slots, the queue, kept streams: as at the start; objects by type: as one round ago."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.15, per_token=0.02, tokens=6, noise=0.9) for n in "abc"]
        rows = [provider(h, tier=t, model="m") for h, t in zip(hosts, ("primary", "primary", "secondary"), strict=True)]
        config = {"providers": rows, "limits": {"journal_records": 100}}
        async with Sim(env, hosts, config) as sim:
            flights = sim.app.flights
            await env.sleep(30)
            before = len(asyncio.all_tasks())
            room = flights.room.left

            outcomes: Counter[str] = Counter()

            async def played() -> None:
                done = sim.app.flights.done

                def note(record: object) -> None:
                    outcomes[str(getattr(record, "outcome", ""))] += 1
                    outcomes["splices"] += len(getattr(record, "splices", ()))
                    outcomes["hedges"] += sum(a.hedge for a in getattr(record, "attempts", ()))
                    done(record)  # type: ignore[arg-type]

                sim.app.flights.done = note
                await everything(sim, hosts, ROUND)
                sim.app.flights.done = done
                await env.sleep(30)  # what was held back for a second, a minute's windows, slow starts
                sim.asked.clear()
                journal = sim.app.journal  # bounded rings, of which this is not the place to fill the largest
                for ring in (journal._plain, journal._told, journal._snapshots):
                    ring.clear()
                for host in hosts:
                    host.arrivals.clear()
                assert not flights.running and not len(flights.queue) and not any(flights._waiting.values())
                assert flights.room.left == room and not flights.wheel._slots
                assert all(r.inflight == 0 for r in sim.app.owner.rows)
                assert not any(h.running or h.queue for h in hosts), "an exchange is left open"
                assert len(asyncio.all_tasks()) == before, [t.get_name() for t in asyncio.all_tasks()]

            for _ in range(2):  # caches and rings fill
                await played()
            first = objects()
            await played()
            grown = objects() - first
            assert outcomes["splices"] >= 1 and outcomes["hedges"] >= 1 and outcomes["client_gone"] > 150, outcomes
            assert outcomes["ok"] > ROUND, outcomes
            much = {name: n for name, n in grown.items() if n > MORE.get(name, FEW)}
            assert not much, dict(sorted(much.items()))

    run(main, seed)
