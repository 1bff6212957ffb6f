"""One request that fails wherever it is sent: it is refused, and nobody else's deployment is lost over it."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from tests.fakes.fickle import SILENCE, Fickle, Odd, error, on
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

K = FailureKind
BRINGS: dict[str, Odd] = {
    "500": (500, error("boom"), {}),
    "503": (503, error("restarting"), {}),
    "reset": K.RESET,
    "cut": K.BROKEN_STREAM,
    "silence": SILENCE,
}
TRIES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)  # pauses of a client that does not give up


async def others(sim: Sim, rate: float, seconds: float) -> None:
    """Send requests no two of which are the same."""
    until = sim.env.now() + seconds
    while sim.env.now() < until:
        sim.start("m", stream=True, said=f"{sim.env.random.random()}")
        await sim.env.sleep(sim.env.random.expovariate(rate))


@pytest.mark.parametrize("rate", [0.1, 2.0])
@pytest.mark.parametrize("brings", BRINGS)
def test_a_request_that_brings_everybody_down_opens_no_breaker(brings: str, rate: float) -> None:
    """However often its client sends it; others are served all the while, each at the first attempt or the second."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.2) for n in "abc"]
        world = Fickle(env, hosts)
        async with Sim(env, hosts, {"providers": [provider(h) for h in hosts]}, world) as sim:
            await others(sim, rate, 60)
            world.odd = on("POISON", BRINGS[brings])
            traffic = env._loop.create_task(others(sim, rate, 40))
            for pause in TRIES:
                await env.sleep(pause)
                asked = await sim.ask("m", stream=True, said="POISON")
                assert asked.fate == "refused"
            await traffic
            await env.sleep(20)
            assert sim.opened() == 0
            assert sum(a.fate != "ok" for a in sim.asked) == len(TRIES)

    run(main)


@pytest.mark.parametrize("dead", ["a", "ab"])
def test_dead_deployments_open_though_but_one_client_asks_and_always_the_same(dead: str) -> None:
    """The completion that is asked of them fails, too: within half a minute nobody is sent there."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.2) for n in "abc"]
        async with Sim(env, hosts, {"providers": [provider(h) for h in hosts]}) as sim:
            await others(sim, 2.0, 60)
            for name in dead:
                sim.world.hosts[name].weather.status = 500
            for _ in range(60):
                asked = await sim.ask("m", stream=True, said="the same")
                assert asked.fate == "ok"
                await env.sleep(0.5)
            for name in dead:
                host = sim.world.hosts[name]
                assert sim.state(name) == "down"
                host.seen = host.paid_probes = 0
            for _ in range(30):
                assert (await sim.ask("m", stream=True, said="the same")).headers["x-lbd-attempts"] == "1"
                await env.sleep(0.5)
            for name in dead:
                host = sim.world.hosts[name]
                assert host.seen == host.paid_probes

    run(main)


def test_the_only_deployment_opens_too_when_it_is_dead() -> None:
    """Who asks is told so at once, and when the next trial is."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2)
        async with Sim(env, [host], {"providers": [provider(host)]}) as sim:
            await others(sim, 1.0, 60)
            host.weather.status = 500
            for _ in range(6):
                assert (await sim.ask("m", said="the same")).fate == "refused"
                await env.sleep(1.0)
            assert sim.opened() == 1

    run(main)
