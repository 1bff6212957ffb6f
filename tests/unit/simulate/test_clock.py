"""Virtual time: it jumps, it is seeded, and a wait for nothing is an error."""

from __future__ import annotations

import asyncio
import time

import pytest

from lbd.simulate.clock import START, VirtualEnv, run


def test_a_day_takes_no_time_and_callers_wake_in_order() -> None:
    woken: list[str] = []

    async def main(env: VirtualEnv) -> float:
        env.call_at(env.now() + 7200, lambda: woken.append("late"))
        env.call_at(env.now() + 3600, lambda: woken.append("early"))
        await env.sleep(86400)
        return env.now()

    began = time.perf_counter()
    assert run(main) == pytest.approx(START + 86400)
    assert time.perf_counter() - began < 5
    assert woken == ["early", "late"]


def test_the_same_seed_gives_the_same_chance_and_the_wall_follows_the_clock() -> None:
    async def main(env: VirtualEnv) -> tuple[float, int, float]:
        await env.sleep(10)
        return env.uniform(), env.bits(), env.wall()

    assert run(main, 3, 5000.0) == run(main, 3, 5000.0) != run(main, 4, 5000.0)
    assert run(main, 3, 5000.0)[2] == pytest.approx(5000 + START + 10)


def test_waiting_for_what_never_comes_is_told() -> None:
    async def main(_env: VirtualEnv) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="waits for ever"):
        run(main)
