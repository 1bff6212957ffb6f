"""What the page shows beside the provider table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import orjson
import pytest

from lbd import overview
from lbd.observe.pulse import OBJECTIVE
from tests.fakes.harness import Sim, provider
from tests.fakes.house import House
from tests.fakes.stage import answer, refusal, whole
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost


def play(test: Callable[[VirtualEnv], Coroutine[Any, Any, None]]) -> None:
    run(test)


def test_the_document_tells_of_the_daemon_and_of_every_way() -> None:
    """Rate, promises, own time, store; who served what for which surface; floors."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a"), SimHost("b")]
        rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, ("primary", "secondary"), strict=True)]
        surfaces = [{"name": "support", "quality_floor": 0.5}, {"name": "plain"}]
        for row in rows:
            row["deployments"][0]["quality"] = {"default": 0.9}
        async with Sim(env, hosts, {"providers": rows, "surfaces": surfaces}) as s:
            for _ in range(30):
                await s.ask(stream=True, headers={"x-lbd-surface": "support"})
            told = orjson.loads((await s.console.providers())[1])
        service = told["service"]
        assert service["rps"] > 0 and service["inflight"] == 0 and service["overhead_us"]["n"] == 30
        (slo,) = service["slo"]
        assert (slo["urgency"], slo["n"], slo["kept"], slo["objective"]) == ("interactive", 30, 30, OBJECTIVE)
        assert slo["attainment"] == slo["budget_left"] == 1.0
        assert service["store"] == {"kind": "memory", "up": True}
        assert told["quality_floors"] == {"support": 0.5}
        assert {way["deployment"] for way in told["flow"]} == {"a/m-a"}
        assert {way["surface"] for way in told["flow"]} == {"support"} and {way["tier"] for way in told["flow"]} == {
            "primary"
        }
        assert sum(way["usd_per_h"] for way in told["flow"]) > 0

    play(main)


def test_six_hours_are_told_by_the_minute() -> None:
    """With the time that they begin at; the daemon notes each minute by itself."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a")]
        async with Sim(env, hosts, {"providers": [provider(h) for h in hosts]}) as s:
            for _ in range(10):
                await s.ask(stream=True)
                await env.sleep(30)
            await env.sleep(2 * 3600)
            row = s.app.owner.rows[0]
            told = overview.history(row, env.now(), env.wall())
        assert {len(v) for v in told.values() if isinstance(v, list)} == {360}
        assert sum(v is not None for v in told["ttft_p95_s"]) >= 5  # noted while it was in the windows
        assert sum(told["rps"]) * 60 == pytest.approx(10, abs=0.5)
        assert told["step_s"] == 60

    play(main)


async def test_failures_of_a_deployment_are_those_of_its_attempts(tmp_path: Path) -> None:
    """The youngest first, with what became of the request."""
    async with House(tmp_path) as house:
        house.stage.plan(0.001, *answer(refusal("broken"), 500), host="a")
        house.stage.plan(0.001, *answer(whole()), host="b")
        await house.ask()
        for host in "ab":  # whoever is chosen
            house.stage.plan(0.001, *answer(whole()), host=host)
        await house.ask()
        failure = overview.errors(house.app, "a/m-a")[-1]
        assert (failure["kind"], failure["status"], failure["served_by"]) == ("server_error", 500, "b/m-b")
        assert "broken" in failure["message"] and failure["outcome"] == "ok" and failure["after_s"] > 0
        assert overview.errors(house.app, "b/m-b") == []


async def test_events_are_told_as_data_and_to_who_listens(tmp_path: Path) -> None:
    """Oldest first."""
    async with House(tmp_path) as house:
        scenery, heard = house.console.scenery, []
        scenery.listen(heard.append)
        house.app.owner.emit("one", "x", "y")
        house.app.owner.emit("two", "x", "y")
        assert [e["kind"] for e in scenery.events(2)] == ["one", "two"] and len(heard) == 2
        assert scenery.find("a/m-a") is house.app.owner.rows[0] and scenery.find("x/y") is None
        assert {"history", "failures"} == set(scenery.one_deployment(house.app.owner.rows[0]))
        done = asyncio.Event()

        async def work() -> None:
            await scenery.sleep(0)
            done.set()

        scenery.spawn("test", work())
        await asyncio.wait_for(done.wait(), 1)
        assert scenery.wall() > 1e9 and scenery.now() >= 0
