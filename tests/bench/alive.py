"""Days of quiet traffic in virtual time: what of Python's memory is alive after hours, when everything kept is full.

    python -m tests.bench.alive --days 3

Windows, histories and rings fill for hours (the last decisions, six hours of minutes); a soak of an hour or two cannot
tell that from a leak. Nothing but the daemon's inside grows here: what clients saw is forgotten at once.
"""

from __future__ import annotations

import argparse
import gc
import sys

import structlog

from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

EACH = 6  # hours between two looks


def alive(days: float, every_s: float, seed: int = 1) -> list[int]:
    """Return the blocks of memory that Python holds after each ``EACH`` hours with a request every so often."""
    found: list[int] = []

    async def world(env: VirtualEnv) -> None:
        hosts = [SimHost(n, ttft=0.3) for n in "ab"]
        async with Sim(env, hosts, {"providers": [provider(host) for host in hosts]}) as sim:
            while len(found) < days * 24 / EACH:
                end, stream = env.now() + EACH * 3600, False
                while env.now() < end:
                    stream = not stream
                    await sim.ask("m", stream=stream)
                    sim.asked.clear()
                    for host in hosts:
                        host.arrivals.clear()
                    await env.sleep(every_s)
                gc.collect()
                found.append(sys.getallocatedblocks())

    run(world, seed)
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=float, default=3.0)
    parser.add_argument("--every-s", type=float, default=6.0, help="between two requests")
    told = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    found = alive(told.days, told.every_s)
    for i, blocks in enumerate(found, 1):
        print(f"{i * EACH:3d} h: {blocks} blocks alive")
    if len(found) > 4:
        print(f"since the first day: {(found[-1] - found[3]) / ((len(found) - 4) * EACH):+.0f} an hour")


if __name__ == "__main__":
    main()
