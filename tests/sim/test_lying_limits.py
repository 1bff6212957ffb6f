"""Limit headers and waits that are not true: they steer, and shut nobody out who has nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.simulate.host import SimHost as Host
from lbd.state.quota import FIRST_LOOK
from tests.fakes.fickle import Fickle, Odd, error
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

X = "x-ratelimit-"
EMPTY = {f"{X}limit-requests": "1000", f"{X}remaining-requests": "0", f"{X}reset-requests": "6m0s"}
LIES: dict[str, dict[str, str]] = {
    "nothing left": EMPTY,
    "nothing left, of nobody knows how much": {k: v for k, v in EMPTY.items() if not k.startswith(f"{X}limit")},
    "no tokens left": {
        f"{X}remaining-requests": "1000",
        f"{X}limit-tokens": "10000",
        f"{X}remaining-tokens": "0",
        f"{X}reset-tokens": "6m0s",
    },
    "a day": {**EMPTY, f"{X}reset-requests": "86400s"},
    "a past date": {**EMPTY, f"{X}reset-requests": "2001-01-01T00:00:00Z"},
    "no number": {**EMPTY, f"{X}reset-requests": "soon", f"{X}remaining-requests": "NaN"},
    "negative": {**EMPTY, f"{X}remaining-requests": "-5", f"{X}reset-requests": "-1"},
    "infinite": {f"{X}limit-requests": "1e300", f"{X}remaining-requests": "1e300", f"{X}reset-requests": "1e300"},
    "infinitely long": {**EMPTY, f"{X}reset-requests": "inf"},
    "a wait on a good answer": {"retry-after": "86400"},
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("stream", [True, False])
def test_the_last_candidate_is_not_lost_to_a_header(lie: str, stream: bool) -> None:
    """It serves happily: nobody is refused, and soon nobody waits either."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2)
        world = Fickle(env, [host])
        world.limits = lambda _host: LIES[lie]
        async with Sim(env, [host], {"providers": [provider(host)]}, world) as sim:
            for n in range(60):
                asked = await sim.ask("m", stream=stream, said=f"{n}")
                assert asked.fate == "ok", (n, asked.error)
                assert asked.took_s < (3.0 if n < 3 else 0.6), (n, asked.took_s)
                await env.sleep(1.0)

    run(main)


@pytest.mark.parametrize("lie", ["nothing left", "no tokens left"])
def test_while_one_goes_to_see_the_others_wait_for_what_it_finds(lie: str) -> None:
    """Many ask at once: all are served as soon as one has been, and none is sent away meanwhile."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=1.0)
        world = Fickle(env, [host])
        world.limits = lambda _host: LIES[lie]
        async with Sim(env, [host], {"providers": [provider(host)]}, world) as sim:
            await sim.traffic(20, 20, "m")
            assert set(sim.fates()) == {"ok"}
            assert max(a.took_s for a in sim.asked) < 5.0

    run(main)


def test_headers_that_jump_shut_nobody_out() -> None:
    """Plenty, nothing, plenty: each answer says something else."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2)
        world = Fickle(env, [host])
        left = {"n": 0}

        def jump(_host: Host) -> dict[str, str]:
            left["n"] += 1
            return {**EMPTY, f"{X}remaining-requests": "0" if left["n"] % 3 == 0 else "990"}

        world.limits = jump
        async with Sim(env, [host], {"providers": [provider(host)]}, world) as sim:
            await sim.traffic(2, 120, "m")
            assert set(sim.fates()) == {"ok"}
            assert sum(a.took_s > 1.0 for a in sim.asked) <= 3

    run(main)


def test_what_says_so_and_means_it_is_asked_now_and_then_only() -> None:
    """A limit that is used up by others: a look costs one 429, and the next comes a minute later."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2)
        world = Fickle(env, [host])
        state: dict[str, Any] = {"used_up": False}
        over = env.now() + 200

        def told(_host: Host) -> dict[str, str]:
            return {**EMPTY, f"{X}reset-requests": f"{over - env.now():.3f}s"}

        world.limits = told

        def odd(_host: Host, _request: dict[str, Any]) -> Odd:
            if not state["used_up"]:
                raise KeyError
            return 429, error("used up", "rate_limit_exceeded"), {**told(_host), "retry-after": "1"}

        world.odd = odd
        async with Sim(env, [host], {"providers": [provider(host)]}, world) as sim:
            assert (await sim.ask("m")).fate == "ok"
            state["used_up"], seen = True, host.seen
            for n in range(170):
                asked = await sim.ask("m", said=f"{n}")
                assert asked.status == 429 and int(asked.headers["retry-after-ms"]) > 0
                await env.sleep(1.0)
            assert host.seen - seen <= 4
            state["used_up"] = False
            await env.sleep(60)
            assert (await sim.ask("m")).fate == "ok"

    run(main)


def test_others_are_used_while_there_are_any() -> None:
    """A header that says that nothing is left steers: who else can serve does."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.2) for n in "ab"]
        world = Fickle(env, hosts)
        world.limits = lambda host: EMPTY if host.name == "a" else {}
        async with Sim(env, hosts, {"providers": [provider(h) for h in hosts]}, world) as sim:
            await sim.traffic(2, 60, "m")
            assert set(sim.fates()) == {"ok"} and hosts[0].seen <= 3

    run(main)


@pytest.mark.parametrize("status", [429, 503])
def test_a_day_s_wait_of_the_only_provider_is_looked_into(status: int) -> None:
    """It is honoured for minutes, then one request goes to see, and all is well again."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2)
        config = {"providers": [provider(host)], "probes": {"completion": "never"}}
        async with Sim(env, [host], config) as sim:
            host.weather.status, host.weather.retry_after_s = status, 86400
            for n in range(3):
                await sim.ask("m", said=f"{n}")
            host.weather.status, refused = 0, host.seen
            for n in range(40):
                await env.sleep(30.0)
                asked = await sim.ask("m", said=f"later {n}")
                if asked.fate == "ok":
                    break
                assert host.seen == refused, "nobody is sent there before"
            assert env.now() > 60 and FIRST_LOOK - 60 <= 30.0 * (n + 1) <= 1000
            for n in range(10):
                assert (await sim.ask("m", said=f"well {n}")).fate == "ok"

    run(main)


def test_a_wait_of_minutes_is_honoured_to_the_end() -> None:
    """Nobody looks before."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2)
        async with Sim(env, [host], {"providers": [provider(host)], "probes": {"completion": "never"}}) as sim:
            host.weather.status, host.weather.retry_after_s = 429, 590
            await sim.ask("m")
            host.weather.status = 0
            for _ in range(57):
                assert (await sim.ask("m")).status == 429
                await env.sleep(10)
            assert host.seen == 1
            await env.sleep(40)
            assert (await sim.ask("m")).fate == "ok"

    run(main)
