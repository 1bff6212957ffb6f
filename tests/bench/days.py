"""Days of weather in virtual time: what became of every request, and how much faster than real time it ran.

python -m tests.bench.days --hours 24 --seed 7
"""

from __future__ import annotations

import argparse
import time

import structlog

from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost
from tests.sim.test_outages import TIERS, storm


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rate", type=float, default=1.0, help="requests a second")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()

    async def world(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.3) for n in "abcd"]
        rows = [provider(h, tier=t, model=f"m-{h.name}") for h, t in zip(hosts, (*TIERS, "tertiary"), strict=True)]
        async with Sim(env, hosts, {"providers": rows}) as sim:
            traffic = env._loop.create_task(sim.traffic(told.rate, told.hours * 3600))
            spared = "a"
            while not traffic.done():
                await env.sleep(env.random.uniform(60, 300))
                spared = storm(env, sim.world, spared)
            fates = sim.fates()
            print(
                f"{len(sim.asked)} requests in {told.hours:g} h: "
                + ", ".join(f"{n} {f}" for f, n in fates.most_common())
            )
            print(f"breakers opened {sim.opened()} times, {sim.world.attempts / len(sim.asked):.4f} attempts a request")

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    began = time.perf_counter()
    run(world, told.seed)
    print(f"{told.hours * 3600 / (time.perf_counter() - began):.0f} times real time")


if __name__ == "__main__":
    main()
