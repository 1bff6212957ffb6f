"""Simulated providers as a transport: slots, pace, weather."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.ports import Endpoint, Origin
from lbd.simulate.clock import VirtualEnv, run
from lbd.simulate.host import Pace, SimHost
from lbd.simulate.job import LENGTH, Job
from lbd.simulate.world import World


class Receiver:
    """Notes an answer, and when it came."""

    def __init__(self, env: VirtualEnv) -> None:
        self.env = env
        self.status = 0
        self.chunks: list[tuple[float, bytes]] = []
        self.ended: float | None = None
        self.failure: Failure | None = None

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status

    def data(self, chunk: bytes) -> None:
        self.chunks.append((self.env.now(), chunk))

    def end(self) -> None:
        self.ended = self.env.now()

    def failed(self, failure: Failure) -> None:
        self.failure = failure


async def asked(world: World, host: str, **body: Any) -> tuple[Job, Receiver]:
    receiver = Receiver(world.env)
    endpoint = Endpoint(Origin("http", host, 80), "POST", "/v1/chat/completions", ())
    job = await world.open(endpoint, json.dumps({"model": "m", **body}).encode(), receiver, by=1e9)
    return job, receiver


def paced(**more: Any) -> SimHost:
    return SimHost("a", models={"m": Pace(1.0, 0.0, 0.5, tokens=10, spread=0.0)}, **more)


def test_an_answer_takes_its_pace_and_tells_its_tokens() -> None:
    async def main(env: VirtualEnv) -> tuple[float, Any]:
        began = env.now()
        _, receiver = await asked(World(env, [paced()]), "a")
        await env.sleep(60)
        assert receiver.ended is not None
        return receiver.ended - began, json.loads(receiver.chunks[0][1])

    took, told = run(main)
    assert took == pytest.approx(1.0 + 10 * 0.5, abs=0.01)
    assert told["usage"]["completion_tokens"] == 10


@pytest.mark.parametrize("chunk", [1, 4, 40])
def test_a_stream_takes_as_long_however_many_events_it_has(chunk: int) -> None:
    """And its first content comes with its first token; how long it is stands in the prompt."""

    async def main(env: VirtualEnv) -> tuple[float, float, int]:
        began = env.now()
        message = {"role": "user", "content": f"hello {LENGTH.decode()}21#"}
        _, receiver = await asked(World(env, [paced(chunk=chunk)]), "a", stream=True, messages=[message])
        await env.sleep(60)
        content = [at for at, data in receiver.chunks if b'"content": "w' in data]
        assert receiver.ended is not None
        assert b'"completion_tokens": 21' in receiver.chunks[-1][1]
        return content[0] - began, receiver.ended - began, len(content)

    first, whole, events = run(main)
    assert first == pytest.approx(1.0, abs=0.01)
    assert whole == pytest.approx(1.0 + 21 * 0.5, abs=0.01)
    assert events == 1 + -(-20 // chunk)


def test_what_is_over_its_slots_waits() -> None:
    async def main(env: VirtualEnv) -> list[float]:
        world, began = World(env, [paced(slots=1)]), env.now()
        receivers = [(await asked(world, "a"))[1] for _ in range(2)]
        await env.sleep(60)
        assert world.hosts["a"].most_running == 1
        return [(r.ended or 0.0) - began for r in receivers]

    assert run(main) == pytest.approx([6.0, 12.0], abs=0.01)


def test_weather_changes_what_comes() -> None:
    async def main(env: VirtualEnv) -> None:
        world = World(env, [paced()])
        _, under_way = await asked(world, "a", stream=True)
        await env.sleep(2)
        world.kill("a")
        assert under_way.failure is not None and under_way.failure.kind is FailureKind.BROKEN_STREAM
        with pytest.raises(LbdError):
            await asked(world, "a")
        world.revive("a")
        world.freeze("a")
        _, silent = await asked(world, "a")
        await env.sleep(100)
        assert silent.status == 0
        world.thaw("a")
        await env.sleep(100)
        assert silent.status == 200
        world.hosts["a"].weather.status = 503
        _, refused = await asked(world, "a")
        await env.sleep(1)
        assert refused.status == 503

    run(main)


def test_a_cancelled_job_frees_its_slot() -> None:
    async def main(env: VirtualEnv) -> None:
        world = World(env, [paced(slots=1)])
        job, _ = await asked(world, "a")
        await env.sleep(0.5)
        job.cancel()
        assert not world.hosts["a"].running

    run(main)
