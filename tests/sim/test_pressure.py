"""Load, limits and slowness in virtual time."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost, percentile
from tests.sim.test_outages import three


def test_a_burst_of_equal_requests_is_spread_evenly() -> None:
    """100 equal requests at once on 4 equal servers split 25 +- 2."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n, noise=0.0) for n in "abcd"]
        async with Sim(env, hosts, {"providers": [provider(h) for h in hosts]}) as sim:
            for task in [sim.start("m", stream=True) for _ in range(100)]:
                assert (await task).fate == "ok"
            assert all(23 <= h.seen <= 27 for h in hosts), [h.seen for h in hosts]

    run(main)


def test_a_saturated_server_is_busy_and_never_down() -> None:
    """Other people's traffic fills the only slots: lbd waits or goes elsewhere, the breaker stays closed."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.1, slots=2, tells_load=True, tokens=400)
        other = SimHost("b", ttft=0.1, slots=2, tells_load=True)
        config = {"providers": [provider(host, shape="llamacpp"), provider(other, shape="llamacpp")]}
        async with Sim(env, [host, other], config) as sim:
            foreign = [sim.start("m", stream=True) for _ in range(2)]
            # somebody else's requests, not through lbd
            line = next(iter(sim.app.flights.lines.values()))
            for _ in range(6):
                await sim.world.open(
                    line.ways["openai.chat"].stream, b'{"stream":true,"model":"m","max_tokens":4000}', _Deaf(), by=0
                )
            for _ in range(40):
                await env.sleep(1)
                asked = await sim.ask("m", stream=True, max_tokens=4)
                assert asked.fate == "ok", asked.error
                assert sim.state("a") not in ("down", "locked")
            for task in foreign:
                await task
            assert sim.opened() == 0

    run(main)


class _Deaf:
    def head(self, status: int, headers: object) -> None: ...
    def data(self, chunk: bytes) -> None: ...
    def end(self) -> None: ...
    def failed(self, failure: object) -> None: ...


def test_requests_wait_for_a_slot_in_lbd_and_not_inside_the_server() -> None:
    """A server that tells its slots is never given more than it can run; the rest wait here, in order."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.1, slots=2, tells_load=True)
        async with Sim(env, [host], {"providers": [provider(host, shape="llamacpp")]}) as sim:
            tasks = [sim.start("m", stream=True) for _ in range(20)]
            asked = [await t for t in tasks]
            assert all(a.fate == "ok" for a in asked)
            assert host.most_running == 2
            assert not host.queue
            assert sim.app.flights.queue.__len__() == 0

    run(main)


def test_a_full_queue_refuses_with_an_honest_wait() -> None:
    """limits.queue_size bounds who waits; the rest get 503 and retry-after at once."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.5, slots=1, tells_load=True)
        config = {"providers": [provider(host, shape="llamacpp")], "limits": {"queue_size": 5}}
        async with Sim(env, [host], config) as sim:
            asked = [await t for t in [sim.start("m", stream=True) for _ in range(12)]]
            fates = Counter(a.fate for a in asked)
            assert fates == {"ok": 6, "refused": 6}
            for a in asked:
                if a.fate == "refused":
                    assert a.status == 503 and int(a.headers["retry-after-ms"]) > 0
                    assert a.took_s < 0.1

    run(main)


def test_unary_traffic_alone_finds_the_faster_of_two_and_leaves_one_that_slows_down() -> None:
    """Whole answers are all that is seen of them; a bound on the whole is kept by moving, not by failing."""

    async def main(env: VirtualEnv) -> None:
        slow, fast = SimHost("a", ttft=1.5), SimHost("b", ttft=0.05)
        async with Sim(env, [slow, fast], {"providers": [provider(slow), provider(fast)]}) as sim:
            for _ in range(120):
                await sim.ask("m")
                await env.sleep(0.2)
            assert fast.seen > 2 * slow.seen, (fast.seen, slow.seen)
            assert slow.seen > 3, "it is measured all the same"
            began = env.now()
            for _ in range(20):
                asked = await sim.ask("m", headers={"x-lbd-max-latency-ms": "1000"})
                assert asked.fate == "ok", asked.error
                await env.sleep(0.2)
            assert sim.fates(since=began) == {"ok": 20}

    run(main)


def test_a_brown_out_moves_traffic_away_within_ten_seconds() -> None:
    """Three times slower than its target allows, at 5 requests a second: its share falls."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        hosts[0].ttft = 0.8
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(5, 120)
            hosts[0].weather.slow = 3.0
            slow_at = env.now()
            await sim.traffic(5, 60)
            during = [a for a in sim.asked if a.began >= slow_at + 12]
            to_a = sum(a.headers.get("x-lbd-deployment") == "a/m-a" for a in during)
            assert to_a <= 0.2 * len(during), (to_a, len(during))
            assert set(sim.fates()) == {"ok"}
            hosts[0].weather.slow = 1.0
            await sim.traffic(5, 240)
            back = [a for a in sim.asked[-200:] if a.headers.get("x-lbd-deployment") == "a/m-a"]
            assert len(back) > 100, len(back)

    run(main)


def test_healthy_noisy_traffic_opens_no_breaker() -> None:
    """False opens are 0 in hours of healthy traffic with the odd failure."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three(noise=0.8)
        for host in hosts:
            host.weather.status, host.weather.status_share = 500, 0.003
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(1, 3600)
            assert set(sim.fates()) == {"ok"}
            assert all(r.breaker.opened_total == 0 for r in sim.app.owner.rows)

    run(main)


@pytest.mark.parametrize("ramps", [6, 20])
def test_a_provider_loses_its_traffic_before_its_first_429(ramps: int) -> None:
    """Its headers say how much is left: in 95 % of ramps it is left in time, and used again after the reset."""
    clean = 0
    for seed in range(ramps):
        seen: list[int] = []

        async def main(env: VirtualEnv, seed: int = seed, seen: list[int] = seen) -> None:
            tight = SimHost("a", ttft=0.3, per_minute=60 + 17 * seed)
            spare = SimHost("b", ttft=0.4)
            rows = [provider(tight), provider(spare, tier="secondary")]
            async with Sim(env, [tight, spare], {"providers": rows}) as sim:
                for rate in (0.5, 1, 2, 4, 8, 12):
                    await sim.traffic(rate, 30, model="m")
                assert set(sim.fates()) == {"ok"}, sim.fates()
                # the ramp is far above the limit in its last minute only; what there was is made use of
                assert tight.seen > min(2 * (tight.per_minute or 0), 600) and spare.seen > 20
                seen.append(tight.refused)

        run(main, seed)
        clean += seen == [0]
    assert clean >= 0.95 * ramps, clean


def test_a_429_with_a_short_wait_is_waited_for_and_a_long_one_is_left() -> None:
    """A wait that fits is kept at the same model; the quota group is left alone until it has passed."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a")]
        async with Sim(env, hosts, {"providers": [provider(hosts[0])]}) as sim:
            hosts[0].weather.status, hosts[0].weather.retry_after_s = 429, 1.0
            task = sim.start("m", stream=True)
            await env.sleep(0.5)
            hosts[0].weather.status = 0
            asked = await task
            assert asked.fate == "ok" and asked.headers["x-lbd-attempts"] == "2"
            assert 1.0 <= asked.first_s < 2.0  # type: ignore[operator]
            hosts[0].weather.status, hosts[0].weather.retry_after_s = 429, 30.0
            await sim.ask("m")
            seen = hosts[0].seen
            for _ in range(20):
                limited = await sim.ask("m")
                assert limited.status == 429
                assert 0 < int(limited.headers["retry-after-ms"]) <= 30_000
                assert "x-should-retry" not in limited.headers
                await env.sleep(1)
            assert hosts[0].seen == seen, "a limited provider was asked again before its time"

    run(main)


def test_retries_do_not_multiply_a_429_storm() -> None:
    """All providers at 429: attempts on the wire stay near the number of requests."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        for host in hosts:
            host.weather.status, host.weather.retry_after_s = 429, 20.0
        async with Sim(env, hosts, config) as sim:
            await sim.traffic(20, 60)
            ratio = sim.world.attempts / len(sim.asked)
            assert ratio <= 1.1, ratio
            assert {a.status for a in sim.asked} == {429}

    run(main)


def test_a_request_past_its_deadline_ends_in_a_504_and_not_later_than_50_ms() -> None:
    """No timer is longer than its number + 50 ms."""

    async def main(env: VirtualEnv) -> None:
        hosts, config = three()
        async with Sim(env, hosts, config) as sim:
            for name in "abc":
                sim.world.freeze(name)
            asked = await sim.ask(stream=True)
            assert asked.status == 504
            assert 10.0 <= asked.took_s <= 10.05
            assert asked.headers["x-should-retry"] == "false"

    run(main)


def test_background_work_takes_the_cheapest_and_waits_behind_interactive() -> None:
    """Class background: cheapest eligible deployment; interactive requests overtake it in the queue."""

    async def main(env: VirtualEnv) -> None:
        dear = SimHost("a", ttft=0.2, slots=1, tells_load=True)
        cheap = SimHost("b", ttft=0.2, slots=1, tells_load=True)
        prices = (
            {"input_usd_per_mtok": 10, "output_usd_per_mtok": 30},
            {"input_usd_per_mtok": 1, "output_usd_per_mtok": 1},
        )
        rows = [
            provider(h, shape="llamacpp", model="m", deployment={"price": p})
            for h, p in zip((dear, cheap), prices, strict=True)
        ]
        async with Sim(env, [dear, cheap], {"providers": rows}) as sim:
            quiet = await sim.ask("m", headers={"x-lbd-class": "background"})
            assert quiet.headers["x-lbd-deployment"] == "b/m"
            flood = [sim.start("m", headers={"x-lbd-class": "background"}) for _ in range(30)]
            await env.sleep(0.05)
            users = [sim.start("m", stream=True) for _ in range(6)]
            firsts = [(await t).first_s for t in users]
            assert percentile([f for f in firsts if f is not None], 1.0) < 3.0, firsts
            assert {(await t).fate for t in flood} == {"ok"}

    run(main)
