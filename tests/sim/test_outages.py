"""Hard failures in virtual time: what fails cascades before the client has seen anything."""

from __future__ import annotations

import pytest

from tests.fakes.harness import Sim, compiled, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost, Weather, World

TIERS = ("primary", "secondary", "tertiary")


def three(**more: object) -> tuple[list[SimHost], dict[str, object]]:
    """Three providers in three tiers, each with a model of its own."""
    hosts = [SimHost(n, ttft=t, **more) for n, t in (("a", 0.3), ("b", 0.4), ("c", 0.5))]  # type: ignore[arg-type]
    rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, TIERS, strict=True)]
    return hosts, {"providers": rows}


def test_a_killed_and_a_frozen_provider_cost_no_client_an_answer() -> None:
    """Failures before the first content: 0; lost or corrupt: 0; a cut stream ends in a typed error."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        async with Sim(env, hosts, config) as sim:
            traffic = env._loop.create_task(sim.traffic(4, 240))
            await env.sleep(40)
            sim.world.freeze("a")
            await env.sleep(40)
            sim.world.kill("b")
            await env.sleep(20)
            sim.world.thaw("a")
            await env.sleep(20)
            sim.world.revive("b")
            await traffic
            fates = sim.fates()
            assert set(fates) <= {"ok", "typed_error"}, fates
            assert fates["typed_error"] <= 4, fates
            assert sim.state("a") == sim.state("b") == "up"

    run(main)


def test_a_silent_primary_costs_at_most_its_cut_off_and_the_next_normal_answer() -> None:
    """An interactive answer begins within 3 s with a silent primary, within 10 s with two silent tiers."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        async with Sim(env, hosts, config) as sim:
            sim.world.freeze("a")
            first = await sim.ask(stream=True)
            assert first.fate == "ok"
            assert first.first_s is not None and first.first_s < 3.0
            sim.world.freeze("b")
            await env.sleep(200)  # whatever was learned of a is old now
            second = await sim.ask(stream=True)
            assert second.fate == "ok"
            assert second.first_s is not None and second.first_s < 10.0

    run(main)


@pytest.mark.parametrize(("ttft", "next_ttft"), [(0.3, 0.6), (1.0, 0.6), (1.25, 0.6), (1.25, 1.1)])
def test_a_primary_that_just_meets_its_target_costs_no_more_when_it_falls_silent(ttft: float, next_ttft: float) -> None:
    """Twice its own p99 would be all of the 3 s: the next tier's answer has begun by then, too."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        hosts[0].ttft = ttft
        for host in hosts[1:]:
            host.ttft = next_ttft
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 40)
            view = sim.app.owner.snapshot.rows[0]
            assert view.ttft_p95_s[0] <= 1.5 and {a.headers["x-lbd-deployment"] for a in sim.asked} == {"a/m-a"}
            for _ in range(25):  # how long it takes is known
                await sim.ask(stream=True, model="m-b")
            sim.world.freeze("a")
            asked = await sim.ask(stream=True)
            assert asked.fate == "ok" and asked.headers["x-lbd-deployment"] == "b/m-b"
            assert asked.first_s is not None and asked.first_s < 3.0

    run(main)


def test_after_the_first_cut_nobody_else_waits_there() -> None:
    """A frozen server costs only the requests already there: it is suspect from the first cut on."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            sim.world.freeze("a")
            frozen_at = env.now()
            await sim.traffic(5, 30)
            late = [t for t in hosts[0].arrivals if t > frozen_at + 1.5 + 0.1]
            assert not late, late

    run(main)


def test_a_refused_connection_moves_at_the_first_attempt() -> None:
    """Refused is seen at once: that very request goes elsewhere, and the next ones do not try it."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        async with Sim(env, hosts, config) as sim:
            sim.world.kill("a")
            asked = await sim.ask(stream=True)
            assert asked.fate == "ok"
            assert asked.headers["x-lbd-attempts"] == "2"
            assert asked.first_s is not None and asked.first_s < 0.6
            again = await sim.ask()
            assert again.headers["x-lbd-attempts"] == "1"
            assert hosts[0].seen == 1

    run(main)


def test_a_dead_provider_is_seen_within_35_seconds_without_traffic() -> None:
    """Idle detection: one period, its jitter, one time-out and two re-probes."""
    for seed in range(20):

        async def main(env: VirtualEnv, after: int = 50 + seed, kind: str = ("kill", "freeze")[seed % 2]) -> None:
            hosts, config = three()
            async with Sim(env, hosts, config) as sim:
                await env.sleep(after)
                getattr(sim.world, kind)("a")
                began = env.now()
                while sim.state("a") != "down":
                    await env.sleep(0.1)
                    assert env.now() - began <= 35.0, f"{kind} not seen"

        run(main, seed)


def test_a_recovered_server_gets_traffic_within_30_seconds_at_no_clients_expense() -> None:
    """Recovery is found by probes, then counted trials, then slow start."""
    for seed in range(5):

        async def main(env: VirtualEnv) -> None:
            hosts, config = three()
            async with Sim(env, hosts, config) as sim:
                await sim.traffic(4, 20)
                sim.world.kill("a")
                await sim.traffic(4, 90)
                sim.world.revive("a")
                well, seen = env.now(), hosts[0].seen
                traffic = env._loop.create_task(sim.traffic(4, 60))
                while hosts[0].seen - hosts[0].paid_probes <= seen:
                    await env.sleep(0.2)
                    assert env.now() - well <= 30.0
                await traffic
                assert set(sim.fates(well)) == {"ok"}

        run(main, seed)


def test_a_dead_primary_is_not_tried_by_every_request() -> None:
    """A primary that is dead for 60 s at 0.25 requests a second gets at most 4 attempts."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        async with Sim(env, hosts, config) as sim:
            sim.world.kill("a")
            for _ in range(15):
                assert (await sim.ask(stream=True)).fate == "ok"
                await env.sleep(4)
            assert hosts[0].seen <= 4

    run(main)


def test_with_one_provider_left_it_is_tried_one_trial_at_a_time_and_the_rest_are_told_when() -> None:
    """An open breaker is never overridden, but it never leaves clients without a retry-after either."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a")]
        async with Sim(
            env, hosts, {"providers": [provider(hosts[0])], "deadlines": {"interactive_first_content_s": 2}}
        ) as sim:
            sim.world.kill("a")
            for _ in range(3):
                await sim.ask()
            seen = hosts[0].seen
            many = [sim.start() for _ in range(50)]
            refused = [await t for t in many]
            assert all(a.fate == "refused" for a in refused)
            assert hosts[0].seen - seen <= 2
            assert {a.status for a in refused} <= {502, 503}
            waits = [a.headers["retry-after-ms"] for a in refused if a.status == 503]
            assert waits and all(0 < int(w) <= 60_000 for w in waits)

    run(main)


@pytest.mark.parametrize("seed", range(6))
def test_random_weather_never_loses_a_request_while_one_provider_is_well(seed: int) -> None:
    """Any mixture of refusing, freezing, 500s, overload, cut streams and slowness at the others.

    A provider counts as well once it has been so for the time that recovery is promised in.
    """

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.3) for n in "abcd"]
        rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, (*TIERS, "tertiary"), strict=True)]
        async with Sim(env, hosts, {"providers": rows}) as sim:
            traffic = env._loop.create_task(sim.traffic(3, 900))
            spared = "a"
            while not traffic.done():
                await env.sleep(env.random.uniform(60, 80))
                spared = storm(env, sim.world, spared)
            fates = sim.fates()
            assert set(fates) <= {"ok", "typed_error"}, (
                fates,
                [(a.began, a.status, a.error) for a in sim.asked if a.fate not in ("ok", "typed_error")][:3],
            )

    run(main, seed)


def storm(env: VirtualEnv, world: World, spared: str) -> str:
    """Change the weather; two hosts are well: the one that was, and the one that will be next (returned)."""
    names = list(world.hosts)
    heir = env.random.choice([n for n in names if n != spared])
    for name in names:
        host = world.hosts[name]
        world.thaw(name)
        host.weather = Weather()
        if name in (spared, heir):
            continue
        match env.random.choice(("kill", "freeze", "status", "cut", "slow", "well", "role", "loading")):
            case "kill":
                world.kill(name)
            case "freeze":
                world.freeze(name)
            case "status":
                host.weather.status = env.random.choice((500, 502, 503, 529, 429, 408))
                host.weather.status_share = env.random.choice((0.2, 1.0))
            case "cut":
                host.weather.cut_after = env.random.randrange(0, 6)
            case "slow":
                host.weather.slow = env.random.choice((3.0, 10.0))
            case "role":
                host.weather.role_then_cut = True
            case "loading":
                host.weather.loading = True
    return heir


def test_a_key_that_stops_working_is_found_though_the_server_is_alive() -> None:
    """401 locks every row of the provider out; the models probe finds it without traffic, and its end too."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        async with Sim(env, hosts, config) as sim:
            hosts[0].weather.bad_key = True
            await env.sleep(40)
            assert sim.state("a") == "locked"
            assert hosts[0].seen == 0
            hosts[0].weather.bad_key = False
            await env.sleep(40)
            assert sim.state("a") == "up"

    run(main)


def test_a_reload_that_removes_a_model_under_way_fails_nobody_with_a_crash() -> None:
    """A request whose name a reload took away finishes where it is, or is told so in a typed error."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        async with Sim(env, hosts, config) as sim:
            sim.world.freeze("a")
            waiting = [sim.start("m-a", stream=bool(i % 2)) for i in range(4)]
            running = [sim.start("m-b", stream=bool(i % 2)) for i in range(4)]
            await env.sleep(0.2)
            sim.app._apply(compiled({"providers": config["providers"][2:]}))  # type: ignore[index]
            assert {(await t).fate for t in running} == {"ok"}
            ended = [await t for t in waiting]
            assert {a.fate for a in ended} == {"refused"}
            assert all(a.error is not None for a in ended)
            assert (await sim.ask("m-c")).fate == "ok"

    run(main)
