"""Whose fault it is, in virtual time: what is wrong with this host opens no breaker, and rows come back at once."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.ports import Endpoint, Receiver
from lbd.state.flight import OUTAGE_PAUSE
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost
from tests.sim.test_outages import storm

TIERS = ("primary", "secondary", "tertiary")
K = FailureKind


def away(count: int = 3, **more: Any) -> tuple[list[SimHost], dict[str, Any]]:
    """Unrelated providers beyond this host, in tiers."""
    hosts = [SimHost(n, ttft=0.3, **more) for n in "abcde"[:count]]
    rows = [
        provider(h, tier=t, model=f"m-{h.name}", base_url=f"http://api.{h.name}.example:{h.port()}/v1")
        for h, t in zip(hosts, (*TIERS, "tertiary", "tertiary"), strict=False)
    ]
    return hosts, {"providers": rows}


def break_way(sim: Sim, kind: FailureKind) -> Any:
    """Make every connection fail; returns what mends it."""
    real = sim.world.open

    async def refuse(endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: float) -> Any:
        wait = max(0.0, min(by - sim.env.now(), endpoint.origin.connect_timeout_s))
        await sim.env.sleep(wait if kind is K.CONNECT_TIMEOUT else 0.001)
        raise LbdError(Failure(kind, "simulated"))

    sim.world.open = refuse  # type: ignore[method-assign]
    return lambda: setattr(sim.world, "open", real)


def told(sim: Sim, *kinds: str) -> list[str]:
    return [e.kind for e in sim.app.timeline.last(1000) if e.kind in kinds]


UPLINK = ("uplink_lost", "uplink_back")


@pytest.mark.parametrize("kind", [K.CONNECT, K.CONNECT_TIMEOUT, K.DNS, K.TLS])
def test_when_nobody_can_be_connected_to_no_breaker_is_open_and_service_is_back_at_once(kind: FailureKind) -> None:
    """Under traffic, in the middle of answers; `/readyz` and `/health` say what it is and where to look."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away()
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            traffic = env._loop.create_task(sim.traffic(5, 45))
            mend = break_way(sim, kind)
            for host in hosts:  # whatever is under way breaks in the same instant
                for job in [*host.running]:
                    job.broken(K.RESET)
            await env.sleep(15)
            assert sim.opened() == 0
            ready, why = sim.console.ready()
            assert not ready and why.startswith("this host c" if kind is not K.TLS else "this host trusts")
            status, document = sim.console.health()
            assert status != "pass" and why in document["notes"]
            await env.sleep(15)
            mend()
            well = env.now()
            await traffic
            assert sim.opened() == 0
            assert told(sim, *UPLINK) == [*UPLINK]
            assert set(sim.fates(well + 1.0)) == {"ok"}
            served = {a.headers.get("x-lbd-deployment") for a in sim.asked if a.began > well + 6 and a.fate == "ok"}
            assert served == {"a/m-a"}, "the first tier has its traffic back"
            assert sim.console.ready() == (True, "ready")

    run(main)


def test_a_way_out_that_swallows_everything_is_found_through_probes_and_blame_is_taken_back() -> None:
    """Nothing is refused, nothing is reset: silence at every provider, noticed one after the other."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away()
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            traffic = env._loop.create_task(sim.traffic(5, 60))
            await env.sleep(5)
            mend = break_way(sim, K.CONNECT_TIMEOUT)
            for host in hosts:
                sim.world.freeze(host.name)
            await env.sleep(15)
            assert told(sim, *UPLINK) == ["uplink_lost"]
            assert {str(r.breaker.phase) for r in sim.app.owner.rows} == {"closed"}
            assert sim.opened() == 0, "openings before the cause was known are taken back"
            mend()
            for host in hosts:
                sim.world.thaw(host.name)
            well = env.now()
            await traffic
            assert set(sim.fates(well + 6.0)) == {"ok"}
            assert sim.opened() == 0

    run(main)


def test_connections_that_break_at_unrelated_providers_at_once_cost_nobody_a_breaker_nor_an_answer() -> None:
    """A flap of the way out: what is under way is reset, new connections work."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away(per_token=0.05, tokens=20)
        for row in config["providers"]:
            row["deployments"][0]["tier"] = "primary"
            row["deployments"][0]["model"] = "m"
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            traffic = env._loop.create_task(sim.traffic(20, 30))
            for _ in range(10):
                await env.sleep(2.5)
                for host in hosts:
                    for job in [*host.running]:
                        job.broken(K.BROKEN_STREAM if job.sent else K.RESET)
            await traffic
            assert sim.opened() == 0
            assert set(sim.fates()) <= {"ok", "typed_error"}

    run(main)


def test_one_provider_that_breaks_is_still_its_own_trouble() -> None:
    """And so are two of three while the third one serves."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away()
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 20)
            sim.world.kill("a")
            await sim.traffic(2, 20)
            assert sim.state("a") == "down"
            sim.world.kill("b")
            await sim.traffic(2, 20)
            assert (sim.state("b"), sim.state("c")) == ("down", "up")
            await env.sleep(120)
            assert not told(sim, *UPLINK)
            assert set(sim.fates()) <= {"ok", "typed_error"}

    run(main)


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_two_dead_providers_are_found_however_little_there_is_to_do(rate: float) -> None:
    """Each request fails at both and is served by the third."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away()
        async with Sim(env, hosts, config) as sim:
            sim.world.kill("a")
            sim.world.kill("b")
            await sim.traffic(rate, 200)
            assert (sim.state("a"), sim.state("b"), sim.state("c")) == ("down", "down", "up")
            assert set(sim.fates()) == {"ok"}

    run(main)


@pytest.mark.parametrize("seconds", [0.6, 4.0, 60.0])
def test_a_process_that_stood_still_blames_nobody_and_takes_the_answers_that_came_meanwhile(seconds: float) -> None:
    """Every running attempt is overdue at once when it runs again; the deadlines hold for clients all the same."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away(noise=0.0)
        for host in hosts:
            host.ttft = 1.0
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            for _ in range(5):
                asked = [sim.start(stream=bool(i % 2)) for i in range(20)]
                await env.sleep(0.9)
                env._loop._virtual += seconds  # type: ignore[attr-defined]
                for one in asked:
                    assert (await one).fate == "ok" or seconds > 10, (await one).error
                await sim.traffic(5, 5)
            assert sim.opened() == 0
            assert told(sim, "loop_stalled")
            assert [r.excused.over(300.0, env.now()).bad for r in sim.app.owner.rows[1:]] == [0, 0]

    run(main)


def test_a_shortage_of_this_host_is_nobodys_fault() -> None:
    """From the first one on: breakers, suspicions and error ratios are as they were; it is told, and how to mend it."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away()
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 20)
            mend = break_way(sim, K.LOCAL)
            await sim.traffic(5, 20)
            assert {str(r.state) for r in sim.app.owner.rows} == {"up"}
            assert all(r.outcomes.over(60.0, env.now()).bad == 0 for r in sim.app.owner.rows)
            assert told(sim, "local_fault") and not told(sim, *UPLINK)
            assert sim.console.ready() == (True, "ready, but simulated")
            failed = next(a for a in sim.asked if a.fate == "refused")
            assert failed.status == 503 and failed.error is not None and failed.error["code"] == "local_fault"
            mend()
            well = env.now()
            await sim.traffic(5, 20)
            assert set(sim.fates(well)) == {"ok"}

    run(main)


@pytest.mark.parametrize("seed", range(2))
def test_any_weather_at_others_costs_nobody_an_answer_and_still_opens_breakers(seed: int) -> None:
    """While two are well. Two that break in the same instant may be taken for this host's own, until one answers."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away(4)
        async with Sim(env, hosts, config) as sim:
            traffic = env._loop.create_task(sim.traffic(2, 200))
            spared = "a"
            while not traffic.done():
                await env.sleep(env.random.uniform(30, 50))
                spared = storm(env, sim.world, spared)
            seen = told(sim, *UPLINK)
            assert seen == [*UPLINK] * (len(seen) // 2) and len(seen) <= 2
            assert not told(sim, "loop_stalled", "local_fault")
            assert sim.opened() > 0
            assert set(sim.fates()) <= {"ok", "typed_error"}

    run(main, seed)


@pytest.mark.parametrize("kind", [K.CONNECT, K.DNS])
def test_who_asks_while_nobody_is_reached_is_served_when_somebody_is(kind: FailureKind) -> None:
    """Within its deadline; who has none left is told. The tries are connections that never stood: nobody was asked."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away()
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            mend = break_way(sim, kind)
            asked = [sim.start(stream=bool(i % 2)) for i in range(20)]
            await env.sleep(4)
            mend()
            for task in asked:
                answer = await task
                assert answer.fate == "ok" and answer.first_s is not None and answer.first_s < 6
            mend = break_way(sim, kind)
            began = env.now()
            lost = await sim.ask(stream=True)
            assert lost.fate == "refused" and env.now() - began <= 10.5
            mend()

    run(main)


def test_a_connection_that_was_begun_before_the_way_out_was_back_costs_nobody_an_answer() -> None:
    """It is given up after the end of the outage, for which it could not come about: there is time for another one."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away(2)
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            mend = break_way(sim, K.CONNECT_TIMEOUT)
            asked = []
            for i in range(40):  # their connections hang on for 3 s, as new ones do whose first packets were lost
                asked.append(sim.start(stream=bool(i % 2)))
                await env.sleep(0.1)
            mend()
            for task in asked:
                answer = await task
                assert answer.fate == "ok" and answer.first_s is not None and answer.first_s < 9
            assert sim.opened() == 0

    run(main)


@pytest.mark.parametrize(("waiting", "rows", "within", "lasts"), [(1, 5, 30.0, 20.0), (10, 3, 10.0, 8.9)])
def test_waiting_for_the_way_out_costs_few_tries_and_no_time(
    waiting: int, rows: int, within: float, lasts: float
) -> None:
    """One try at each row, then one alone after each pause; probes, which all share, see to it that it is soon over.

    Probes look at each provider once a second at most, however many wait. Who comes then is served at the first try.
    """

    async def main(env: VirtualEnv) -> None:
        hosts, config = away(rows)
        config["deadlines"] = {"interactive_first_content_s": within}
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            mend = break_way(sim, K.CONNECT)
            broken, tries = sim.world.open, []

            async def counted(endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: float) -> Any:
                tries.append(endpoint.method)
                return await broken(endpoint, body, receiver, by=by)

            sim.world.open = counted  # type: ignore[method-assign]
            asked = [sim.start(stream=True) for _ in range(waiting)]
            await env.sleep(lasts)
            mend()
            well = env.now()
            fresh = await sim.ask(stream=True)
            assert fresh.fate == "ok" and fresh.headers["x-lbd-attempts"] == "1"
            pauses = math.log2(within / OUTAGE_PAUSE + 1)
            for task in asked:
                answer = await task
                assert answer.fate == "ok" and answer.first_s is not None
                assert answer.began + answer.first_s - well <= 1.0 + 0.4, "the answer itself takes 0.3 s"
                assert rows < int(answer.headers["x-lbd-attempts"]) <= rows + pauses + 1
            assert tries.count("POST") <= waiting * (rows + pauses)
            assert tries.count("GET") <= rows * (lasts + 3)
            assert sim.opened() == 0

    run(main)


def test_who_waits_in_vain_is_told_in_time_after_few_tries() -> None:
    """The last one half a second before its deadline."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = away(5)
        config["deadlines"] = {"interactive_first_content_s": 30.0}
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 30)
            mend = break_way(sim, K.CONNECT)
            lost = await sim.ask(stream=True)
            assert lost.fate == "refused" and 29.0 <= lost.took_s <= 30.5
            sent = [a for a in sim.app.journal.last(1)[0].attempts if a.refused is None]
            assert len(sent) <= 5 + 5 + 5, "all, one after each pause, and all once more at the end"
            mend()

    run(main)
