"""Whether a free slot is for a request, and who goes before whom, through the real request path."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from lbd.state.limit import Drain, Limit
from lbd.state.reserve import GONE
from lbd.upstream.patience import LOOK_AGAIN
from lbd.upstream.queue import Place
from lbd.upstream.service import Settings
from lbd.upstream.standing import CROWD, Standing
from tests.fakes.relay import Relay, row
from tests.fakes.stage import DONE, ROLE, STOP, content, end, head, say
from tests.fakes.virtual import START, VirtualEnv, run

SERVICE = 1.0
ANSWER: tuple[Any, ...] = (0.5, head(), say(ROLE, content("hel")), 0.5, say(content("lo"), STOP, DONE), end)
KEYS = {name: f"sk-{name}-0123456789abcdef" for name in "ab"}
CLIENTS = [{"name": name, "key": key} for name, key in KEYS.items()]
BACKGROUND = {"x-lbd-class": "background"}


def play(test: Callable[[VirtualEnv], Coroutine[Any, Any, None]]) -> None:
    run(test)


def slots(env: VirtualEnv, count: int, settings: Settings | None = None, **config: Any) -> Relay:
    """One deployment with so many slots; an answer takes a second."""
    relay = Relay(env, row("a", deployment={"max_concurrency": count}), settings=settings, **config)
    relay.stage.always(*ANSWER, host="a")
    return relay


def of(client: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {KEYS[client]}", **more}


def test_one_client_s_flood_does_not_push_another_s_requests_behind_it() -> None:
    """Thirty of one, then three of another: they take turns."""

    async def main(env: VirtualEnv) -> None:
        relay = slots(env, 1, allow_inline_secrets=True, clients=CLIENTS, deadlines={"interactive_first_content_s": 60})
        flood, late = [], []
        for _ in range(30):
            flood.append(relay.start(stream=True, headers=of("a")))
            await env.sleep(0.0031)
        for _ in range(3):
            late.append(relay.start(stream=True, headers=of("b")))
            await env.sleep(0.0031)
        took = [(await task).took_s for task in late]
        assert took == pytest.approx([2.9, 4.9, 6.9], abs=0.1), took
        assert {(await task).status for task in flood} == {200}
        relay.check()

    play(main)


def test_a_request_that_would_be_too_late_is_refused_at_once() -> None:
    """With an honest wait; those who are let in are served in time, and who comes back then is served."""

    async def main(env: VirtualEnv) -> None:
        relay = slots(env, 2, deadlines={"interactive_first_content_s": 5})
        for _ in range(4):
            await relay.ask(stream=True)
        tasks = [relay.start(stream=True) for _ in range(40)]
        asked = [await task for task in tasks]
        fates = Counter(a.status for a in asked)
        assert 9 <= fates[200] <= 10 and fates[503] == 40 - fates[200], fates
        refused = [a for a in asked if a.status == 503]
        told = [a for a in refused if a.took_s == 0 and a.error is not None and "too late" in a.error["message"]]
        assert len(told) >= len(refused) - 1, "one may have been on the border"
        assert all(a.first_s is not None and a.first_s <= 5.5 for a in asked if a.status == 200)
        relay = slots(env, 2, deadlines={"interactive_first_content_s": 5})
        for _ in range(4):
            await relay.ask(stream=True)

        async def patient() -> int:
            asked = await relay.ask(stream=True)
            if asked.status == 503:
                await env.sleep(int(asked.headers["retry-after-ms"]) / 1000)
                asked = await relay.ask(stream=True)
            return asked.status

        again = await asyncio.gather(*(patient() for _ in range(20)))
        assert set(again) == {200}, Counter(again)
        relay.check()

    play(main)


def test_the_first_in_line_waits_whatever_is_predicted() -> None:
    """Nobody could be served sooner in its stead."""

    async def main(env: VirtualEnv) -> None:
        relay = slots(env, 1, deadlines={"interactive_first_content_s": 2})
        relay.stage.always(0.5, head(), say(ROLE, content("hel")), 2.5, say(content("lo"), STOP, DONE), end, host="a")
        await relay.ask(stream=True)
        first = relay.start(stream=True)
        await env.sleep(2)
        second = relay.start(stream=True)
        assert (await second).status == 200 and (await first).status == 200
        relay.check()

    play(main)


def test_a_full_queue_gives_up_background_work_first() -> None:
    """It is told to come back; the user waits in its place."""

    async def main(env: VirtualEnv) -> None:
        relay = slots(env, 1, Settings(queue_size=2))
        holder = relay.start(stream=True)
        await env.sleep(0.1)
        flood = [relay.start(stream=True, headers=BACKGROUND) for _ in range(2)]
        await env.sleep(0.1)
        user = relay.start(stream=True)
        done = [(await task).status for task in (holder, user, *flood)]
        assert done[:2] == [200, 200] and sorted(done[2:]) == [200, 503]
        relay.check()

    play(main)


def test_background_work_does_not_take_the_slots_that_interactive_work_needs() -> None:
    """Once it has been seen that two are needed at once, two of four stay free under any flood."""

    async def main(env: VirtualEnv) -> None:
        relay = slots(env, 4)
        for _ in range(30):
            await asyncio.gather(*(relay.ask(stream=True) for _ in range(2)))
        flood = [relay.start(stream=True, headers=BACKGROUND) for _ in range(20)]
        await env.sleep(0.2)
        reserve = relay.find("a").reserve
        assert reserve.background == relay.find("a").inflight == 2
        users = [relay.start(stream=True) for _ in range(2)]
        assert [(await task).first_s for task in users] == [0.5, 0.5]
        kept = [r.refused for record in relay.records for r in record.attempts]
        assert "kept_free" in kept or reserve.background == 2
        assert {(await task).status for task in flood} == {200}
        assert reserve.background == 0
        relay.check()

    play(main)


def test_slots_that_one_provider_s_deployments_share_are_kept_together() -> None:
    """A flood at one of them does not take them all."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", max_concurrency=3))
        relay.stage.always(*ANSWER, host="a")
        for _ in range(10):
            await relay.ask(stream=True)
        flood = [relay.start(stream=True, headers=BACKGROUND) for _ in range(9)]
        await env.sleep(0.2)
        assert relay.find("a").reserve.background == 2
        assert (await relay.ask(stream=True)).took_s == pytest.approx(1.0)
        assert {(await task).status for task in flood} == {200}
        relay.check()

    play(main)


def test_a_slot_that_nobody_was_told_of_goes_to_who_waits() -> None:
    """The limit has risen: the newcomer that finds it wakes those before it, and takes its own turn."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", shape="vllm"))
        relay.stage.always(*ANSWER, host="a")
        relay.find("a").limit = Limit(1.0, found=True)
        relay.owner.touch(0, transition=True)
        first, second, third = (relay.start(stream=True) for _ in range(3))
        await env.sleep(0.1)
        assert len(relay.flights.queue) == 2
        relay.find("a").limit = Limit(3.0, found=True)
        relay.owner.touch(0, transition=True)
        fourth = relay.start(stream=True)
        await env.sleep(0.01)
        assert relay.find("a").inflight == 3, "the second was woken, and woke the third"
        took = [(await task).took_s for task in (first, second, third, fourth)]
        assert took == pytest.approx([1.0, 1.1, 1.1, 1.9], abs=0.1)
        relay.check()

    play(main)


def test_background_work_does_not_try_slots_that_may_be_too_many() -> None:
    """Two were seen, a third is under trial: that is for interactive work, which would wait otherwise."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", shape="vllm"))
        relay.stage.always(*ANSWER, host="a")
        await relay.ask(stream=True)
        relay.find("a").limit = Limit(3.5, found=True, sure=2.0)
        relay.owner.touch(0, transition=True)
        flood = [relay.start(stream=True, headers=BACKGROUND) for _ in range(3)]
        users = [relay.start(stream=True) for _ in range(2)]
        await env.sleep(0.1)
        held = relay.find("a")
        assert (held.reserve.background, held.inflight) == (1, 3), "one is kept free of the two"
        assert [(await task).took_s for task in users] == pytest.approx([SERVICE] * 2, abs=0.1)
        for task in flood:
            await task
        await env.sleep(GONE)
        held.limit = Limit(3.5, found=True, sure=2.0)
        flood = [relay.start(stream=True, headers=BACKGROUND) for _ in range(4)]
        await env.sleep(0.1)
        assert held.inflight == 2, "nobody is waited for any more: all but the one that is kept free"
        for task in flood:
            await task
        relay.check()

    play(main)


def test_background_work_looks_again_less_often_the_more_wait() -> None:
    """A thousand that look at the table every second would be all that is done."""

    async def main(env: VirtualEnv) -> None:
        relay = slots(env, 1)
        ask = (await relay.ask(stream=True), relay.last.attempts[0].decision.ask)[1]
        user = Standing(relay.owner, relay.flights.queue, ask, "")
        quiet = Standing(relay.owner, relay.flights.queue, ask, "")
        quiet.place.rank = 1
        tasks = [
            env._loop.create_task(relay.flights.queue.wait(frozenset({0}), START + 50, Place(START + 50)))
            for _ in range(4 * CROWD)
        ]
        await env.sleep(0)
        assert (user.look_again_s, quiet.look_again_s) == (LOOK_AGAIN, 5 * LOOK_AGAIN)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    play(main)


def test_while_it_is_drained_background_work_waits_and_interactive_work_does_not() -> None:
    """One of each comes beside one background request that runs: the drain is not for who is waited for."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a", shape="vllm"))
        relay.stage.always(*ANSWER, host="a")
        first = relay.start(stream=True, headers=BACKGROUND)
        await env.sleep(0.1)
        relay.find("a").limit = Limit(4.0, found=True, drain=Drain(env.now(), True))
        relay.owner.touch(0, transition=True)
        other, user = relay.start(stream=True, headers=BACKGROUND), relay.start(stream=True)
        await env.sleep(0.1)
        assert len(relay.flights.queue) == 1
        took = [(await task).took_s for task in (first, user, other)]
        assert took[:2] == pytest.approx([SERVICE] * 2, abs=0.1) and took[2] > SERVICE + 0.5, took
        relay.check()

    play(main)
