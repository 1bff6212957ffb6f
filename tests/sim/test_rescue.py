"""Requests that wait for their first token at a server that stops: all of them are moved, at once and apart."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from lbd.model.event import Event
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

MANY = 100
TTFT = 0.6  # of those who are well


@pytest.mark.parametrize("stop", ["freeze", "kill"])
@pytest.mark.parametrize("seed", range(3))
def test_a_hundred_in_flight_on_a_server_that_stops_all_begin_elsewhere(seed: int, stop: str) -> None:
    """Within a second plus a normal first token of the detection, spread over the others, each moved once."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost("a", ttft=1.0), *(SimHost(name, ttft=TTFT) for name in "bcd")]
        rows = [provider(h, tier="primary" if h.name == "a" else "secondary", model=f"m-{h.name}") for h in hosts]
        async with Sim(env, hosts, {"providers": rows}) as sim:
            await sim.traffic(5, 60)
            seen: list[float] = []

            def heard(event: Event) -> None:
                if event.kind == "state_changed" and event.subject == "a/m-a":
                    seen.append(env.now())

            sim.app.owner.listeners.append(heard)
            asked = [sim.start(stream=True) for _ in range(MANY)]
            await env.sleep(0.1)
            getattr(sim.world, stop)("a")
            answers = await asyncio.gather(*asked)
            assert Counter(a.fate for a in answers) == {"ok": MANY}
            assert seen, "nobody noticed"
            begun = [a.began + (a.first_s or 1e9) for a in answers]
            assert max(begun) - seen[0] <= 1.0 + TTFT
            assert {a.headers["x-lbd-attempts"] for a in answers} == {"2"}
            spread = Counter(a.headers["x-lbd-deployment"] for a in answers)
            assert len(spread) == 3 and max(spread.values()) <= MANY * 0.4, spread

    run(main, seed)
