"""What is foretold comes true: the chance of a tier's target, told of every candidate."""

from __future__ import annotations

import pytest

from tests.fakes.calibration import Foretold, binned, error, error_of, follow
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

TOLERANCE = 0.05


async def around_the_target(env: VirtualEnv, seconds: float, foretold: list[Foretold]) -> None:
    """Four hosts of one tier whose first contents come now within its 1.5 s and now not, and some that fail."""
    hosts = [SimHost(n, ttft=t, noise=0.35) for n, t in (("a", 0.9), ("b", 1.3), ("c", 1.5), ("d", 1.9))]
    rows = [provider(h, model="m") for h in hosts]
    async with Sim(env, hosts, {"providers": rows}) as sim:
        seen = follow(sim.app)
        traffic = env._loop.create_task(sim.traffic(4, seconds))
        while not traffic.done():
            await env.sleep(env.random.uniform(120, 240))
            host = env.random.choice(hosts)
            host.weather.slow = env.random.uniform(0.7, 1.4)
            other = env.random.choice(hosts)
            other.weather.status, other.weather.status_share = 500, env.random.choice((0.0, 0.0, 0.05))
        foretold.extend(seen)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_chance_of_the_target_is_calibrated(seed: int) -> None:
    """Within five points, over all attempts and in every part of the scale that has enough of them."""
    foretold: list[Foretold] = []
    run(lambda env: around_the_target(env, 1800, foretold), seed)
    bins = binned(foretold)
    assert len(foretold) > 3000
    assert len([b for b in bins if b.n > 200]) >= 3, bins
    assert error(bins) < TOLERANCE, bins
    # a bin of a few hundred is itself known only so well
    assert all(abs(b.foretold - b.came) < 2 * TOLERANCE + error_of(b) for b in bins if b.n > 200), bins
