"""Requests that wait for their first token at a server that stops: all of them are moved, at once and apart."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from lbd.model.event import Event
from tests.fakes.harness import Asked, Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

MANY = 100
TTFT = 0.6  # of those who are well
ARRIVE = 1.4  # seconds over which they come: longer than all that a rescue may take, shorter than a cut-off there


def watched(sim: Sim) -> list[float]:
    """Return the instants at which the first row's state changes, as they come."""
    seen: list[float] = []

    def heard(event: Event) -> None:
        if event.kind == "state_changed" and event.subject == "a/m-a":
            seen.append(sim.env.now())

    sim.app.owner.listeners.append(heard)
    return seen


def four(ttft: float) -> tuple[list[SimHost], list[dict[str, object]]]:
    """A first choice, and three alike behind it."""
    hosts = [SimHost("a", ttft=ttft), *(SimHost(name, ttft=TTFT) for name in "bcd")]
    return hosts, [provider(h, tier="primary" if h.name == "a" else "secondary", model=f"m-{h.name}") for h in hosts]


def moved_once_and_apart(answers: list[Asked]) -> None:
    assert Counter(a.fate for a in answers) == {"ok": len(answers)}
    assert {a.headers["x-lbd-attempts"] for a in answers} == {"2"}
    spread = Counter(a.headers["x-lbd-deployment"] for a in answers)
    assert len(spread) == 3 and max(spread.values()) <= len(answers) * 0.4, spread


@pytest.mark.parametrize("stop", ["freeze", "kill"])
@pytest.mark.parametrize(("stream", "seed"), [(True, 0), (True, 1), (False, 0)])
def test_a_hundred_in_flight_on_a_server_that_stops_all_begin_elsewhere(seed: int, stream: bool, stop: str) -> None:
    """Within a second plus a normal first token of the detection, spread over the others, each moved once.

    They have not come together: those who came last would have time left there, did they wait for their own cut-off.
    """

    async def main(env: VirtualEnv) -> None:
        hosts, rows = four(1.0)
        async with Sim(env, hosts, {"providers": rows}) as sim:
            await sim.traffic(5, 60)
            seen, asked = watched(sim), []
            if stop == "freeze":
                sim.world.freeze("a")
            else:
                hosts[0].weather.slow = 10.0  # all wait there still when it ends
            for _ in range(MANY):
                asked.append(sim.start(stream=stream))
                await env.sleep(ARRIVE / MANY)
            assert not seen and hosts[0].seen >= MANY
            if stop == "kill":
                sim.world.kill("a")
            answers = await asyncio.gather(*asked)
            assert seen, "nobody noticed"
            moved_once_and_apart(answers)
            assert max(a.began + (a.first_s or 1e9) for a in answers) - seen[0] <= 1.0 + TTFT

    run(main, seed)


@pytest.mark.parametrize("stream", [True, False])
def test_when_a_breaker_opens_whoever_waits_there_moves_at_once(stream: bool) -> None:
    """Others' failures have opened it; their own time was not up for long."""

    async def main(env: VirtualEnv) -> None:
        hosts, rows = four(0.5)
        async with Sim(env, hosts, {"providers": rows}) as sim:
            await sim.traffic(5, 30)
            seen = watched(sim)
            hosts[0].weather.slow = 100.0
            waiting = [sim.start(stream=stream) for _ in range(20)]
            await env.sleep(0.1)
            hosts[0].weather.status = 500
            others = [sim.start(stream=stream) for _ in range(5)]
            answers = await asyncio.gather(*waiting, *others)
            assert sim.opened() == 1 and seen
            moved_once_and_apart(answers)
            assert max(a.began + (a.first_s or 1e9) for a in answers) - seen[-1] <= 2 * TTFT

    run(main)
