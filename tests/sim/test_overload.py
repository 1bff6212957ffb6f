"""Overload in virtual time: the limit, the queue, floods of background work and of one client, and what is refused."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest

from lbd.state.limit import FIRST, Limit
from tests.fakes.harness import Asked, Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

KEYS = {name: f"sk-{name}-0123456789abcdef" for name in "ab"}
SLO = 1.5  # for the first content
WHOLE_SLO = SLO + 2.0  # for a whole answer, whose tokens take 2 s
BACKGROUND = {"x-lbd-class": "background"}


# --- the limit, through the whole pipeline ------------------------------------------------------------


def found(
    start: float, seconds: float, slots: dict[float, int], seed: int, *, whole: bool = False
) -> list[tuple[float, int]]:
    """Return what the limit was at each second, under more demand than the server can take; ``slots`` by instant.

    ``whole``: no answer is streamed. Another loop draws chance beside it, so that requests which are sent at once come
    in an order of their own.
    """
    seen: list[tuple[float, int]] = []

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.15, per_token=0.02, tokens=75, slots=2)
        config = {"providers": [provider(host, shape="vllm")], "deadlines": {"interactive_first_content_s": 600}}
        async with Sim(env, [host], config) as sim:
            row = sim.app.owner.rows[0]
            row.limit = Limit(start)
            begin = env.now()
            changes = sorted(slots.items())

            async def client() -> None:
                while env.now() < begin + seconds:
                    if (await sim.ask("m", stream=not whole)).fate != "ok":
                        await env.sleep(1)

            async def other() -> None:
                while True:
                    env.random.random()
                    await env.sleep(1)

            clients = [env._loop.create_task(client()) for _ in range(16 + int(start))]
            clients.append(env._loop.create_task(other()))
            while (at := env.now() - begin) < seconds:
                if changes and changes[0][0] <= at:
                    host.slots = changes.pop(0)[1]
                    sim.world.next(host)
                seen.append((at, math.floor(row.limit.value)))
                await env.sleep(1)
            for task in clients:
                task.cancel()

    run(main, seed)
    return seen


def of(seen: list[tuple[float, int]], after: float, before: float) -> list[int]:
    return [value for at, value in seen if after <= at < before]


@pytest.mark.parametrize(
    ("start", "seed"), [(1.0, 1), (2.0, 2), (4.0, 3), (8.0, 4), *((32.0, seed) for seed in range(3, 7)), (64.0, 1)]
)
def test_two_slots_are_found_from_any_start(start: float, seed: int) -> None:
    """Within one of the truth from half a minute on, in whatever order the first of them come to the server."""
    values = of(found(start, 60, {}, seed), 40, 60)
    assert all(abs(value - 2) <= 1 for value in values), values


@pytest.mark.parametrize(("start", "whole"), [(1.0, False), (8.0, False), (8.0, True)])
def test_four_slots_are_found_when_the_server_gets_them_and_two_when_it_loses_them(start: float, whole: bool) -> None:
    """Each change within a minute."""
    seen = found(start, 180, {60.0: 4, 120.0: 2}, 2, whole=whole)
    for slots, after, before in ((2, 40, 60), (4, 100, 120), (2, 160, 180)):
        values = of(seen, after, before)
        assert all(abs(value - slots) <= 1 for value in values), (slots, values)


@pytest.mark.parametrize(("start", "seed"), [(8.0, 2), (64.0, 4)])
def test_answers_that_come_whole_tell_two_slots_too(start: float, seed: int) -> None:
    """Though nothing shows of them before their end."""
    values = of(found(start, 60, {}, seed, whole=True), 40, 60)
    assert all(abs(value - 2) <= 1 for value in values), values


# --- background work ----------------------------------------------------------------------------------


def attained(
    slots: int,
    use: float,
    flood: float,
    seed: int,
    *,
    seconds: float = 300,
    fifo: bool = False,
    hidden: bool = False,
    whole: bool = False,
) -> Any:
    """Return the share of interactive requests that met their target, and how many background ones were answered.

    ``use``: of the slots, by interactive work; ``flood``: background requests for each interactive one. ``fifo``: as if
    there were no classes; ``hidden``: the server does not tell its slots. ``whole``: background answers are not
    streamed, nor is every second one of the interactive.
    """
    out: list[float] = []

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2, per_token=0.2, tokens=10, slots=slots, tells_load=not hidden)
        rate = use * slots / (host.ttft + host.per_token * host.tokens)
        config = {"providers": [provider(host, shape="vllm" if hidden else "llamacpp")]}
        async with Sim(env, [host], config) as sim:
            begin = env.now()
            users: list[Any] = []
            others: list[Any] = []

            async def traffic(rate: float, headers: dict[str, str], kept: list[Any], draw: VirtualEnv) -> None:
                while env.now() < begin + seconds:
                    stream = not whole or (kept is users and len(kept) % 2 == 0)
                    kept.append(sim.start("m", stream=stream, headers=headers))
                    await env.sleep(draw.random.expovariate(rate))

            tasks = [env._loop.create_task(traffic(rate, {}, users, VirtualEnv(env._loop, seed)))]
            if flood:
                headers = {} if fifo else BACKGROUND
                tasks.append(
                    env._loop.create_task(traffic(flood * rate, headers, others, VirtualEnv(env._loop, seed + 1)))
                )
            for task in tasks:
                await task
            asked: list[Asked] = [await task for task in users]
            counted = [a for a in asked if a.began >= begin + 30]
            met = sum(a.fate == "ok" and (a.first_s or 0) <= (SLO if a.stream else WHOLE_SLO) for a in counted)
            done = [task for task in others if task.done()]
            out.extend((met / len(counted), sum(task.result().fate == "ok" for task in done)))
            for task in others:
                task.cancel()

    run(main, seed)
    return tuple(out)


@pytest.mark.parametrize(("slots", "use", "seconds"), [(2, 0.3, 300), (4, 0.5, 120), (8, 0.4, 90)])
def test_three_background_requests_for_each_interactive_one_cost_less_than_a_point(
    slots: int, use: float, seconds: float
) -> None:
    """Of the share of interactive requests that meet their target."""
    alone, flooded = (attained(slots, use, flood, 1, seconds=seconds) for flood in (0, 3))
    assert alone[0] - flooded[0] < 0.01, (alone, flooded)
    assert flooded[1] > 0


@pytest.mark.parametrize(("slots", "use", "seconds"), [(4, 0.5, 120), (8, 0.4, 60)])
def test_nor_do_those_whose_answers_come_whole(slots: int, use: float, seconds: float) -> None:
    """Nothing shows of an answer that comes whole before its end; every second interactive one does, too."""
    alone, flooded = (attained(slots, use, flood, 1, seconds=seconds, whole=True) for flood in (0, 3))
    assert alone[0] - flooded[0] < 0.01, (alone, flooded)
    assert flooded[1] > 0


@pytest.mark.parametrize("whole", [False, True])
def test_nor_where_the_server_hides_its_slots(whole: bool) -> None:
    """It costs one of the seventy at most; with nothing learned from whole answers it was one in four."""
    alone, flooded = (attained(2, 0.3, flood, 5, hidden=True, whole=whole) for flood in (0, 3))
    assert alone[0] - flooded[0] < 0.02, (alone, flooded)
    assert flooded[1] > 0


def test_background_work_begins_with_few_where_the_slots_are_unknown_and_soon_has_all() -> None:
    """A hundred at once come to a server of which nothing is known, and which has room for all."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2, per_token=0.02, tokens=40)
        async with Sim(env, [host], {"providers": [provider(host, shape="vllm")]}) as sim:
            begin = env.now()

            async def client() -> None:
                while env.now() < begin + 20:
                    await sim.ask("m", stream=False, headers=BACKGROUND)

            tasks = [env._loop.create_task(client()) for _ in range(100)]
            await env.sleep(0.1)
            assert len(host.running) == FIRST
            await env.sleep(11.9)
            assert len(host.running) > 50
            for task in tasks:
                await task

    run(main)


def test_background_work_fills_what_interactive_work_does_not_need() -> None:
    """At eight slots of which a sixth is used, nearly all that is left is its own."""
    alone, flooded = (attained(8, 0.15, flood, 3, seconds=90) for flood in (0, 6))
    assert alone[0] - flooded[0] < 0.01, (alone, flooded)
    assert flooded[1] > 0.6 * 90 * 8 * 0.85 / 2.2


# --- one client's flood, and what is refused ----------------------------------------------------------


def test_one_client_s_flood_leaves_another_s_requests_alone() -> None:
    """A hundred at once, then one a second of somebody else: these wait for a turn each, not for the flood."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2, per_token=0.05, tokens=16, slots=4, tells_load=True, noise=0.5)
        clients = [{"name": name, "key": key} for name, key in KEYS.items()]
        config = {
            "providers": [provider(host, shape="llamacpp")],
            "allow_inline_secrets": True,
            "clients": clients,
            "deadlines": {"interactive_first_content_s": 60},
        }
        async with Sim(env, [host], config) as sim:
            keys = {name: {"authorization": f"Bearer {key}"} for name, key in KEYS.items()}
            flood = [sim.start("m", stream=True, headers=keys["a"]) for _ in range(100)]
            await env.sleep(0.5)
            took = []
            for _ in range(20):
                asked = await sim.ask("m", stream=True, headers=keys["b"])
                assert asked.fate == "ok" and asked.first_s is not None
                took.append(asked.first_s)
                if not all(task.done() for task in flood[-10:]):
                    assert asked.first_s < 1.5, took
            assert {(await task).fate for task in flood} == {"ok"}

    run(main)


def test_what_cannot_be_served_in_time_is_refused_at_once_and_told_when() -> None:
    """A burst of ten times what fits: who is let in is served, who is not is told at once, and the word holds."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a", ttft=0.2, per_token=0.05, tokens=16, slots=4, tells_load=True)
        config = {"providers": [provider(host, shape="llamacpp")], "deadlines": {"interactive_first_content_s": 4}}
        async with Sim(env, [host], config) as sim:
            for _ in range(5):
                await sim.ask("m", stream=True)
            burst = [sim.start("m", stream=True) for _ in range(160)]
            await env.sleep(0.1)
            refused = [task for task in burst if task.done()]
            assert 130 <= len(refused) <= 150
            told = [int((await task).headers["retry-after-ms"]) / 1000 for task in refused]
            assert all(1 <= wait <= 4.5 for wait in told), (min(told), max(told))
            let_in = Counter([(await task).fate for task in burst if task not in refused])
            assert let_in["ok"] >= 0.8 * (160 - len(refused)), let_in
            await env.sleep(max(0.0, max(told) - (env.now() - burst[0].result().began)))
            again = [await task for task in [sim.start("m", stream=True) for _ in range(4)]]
            assert {a.fate for a in again} == {"ok"} and max(a.first_s or 9 for a in again) < 0.5

    run(main)
