"""What publishing the table costs while all of it is busy: how long the loop stands still for each, ten times a second.

python -m tests.bench.publishing --rows 40
"""

from __future__ import annotations

import argparse
import random
import time

from lbd.model.outcome import Outcome, Usage
from lbd.table.owner import Owner
from lbd.table.published import PUBLISH_EVERY
from tests.bench.decision import table
from tests.fakes.env import FakeEnv
from tests.fakes.tables import good

SECONDS = 70  # of which the last ten are told: then the windows of a minute are full
TOLD = 10


def answer(draw: random.Random) -> Outcome:
    """Return an answer as a busy deployment gives them: of all sizes, its times far from one another."""
    first = draw.lognormvariate(-0.7, 0.6)
    usage = Usage(400, draw.randrange(50, 400))
    return good(first, first + draw.lognormvariate(1.0, 0.5), size=draw.choice((0, 1, 1, 2)), usage=usage)


def publishes(owner: Owner, env: FakeEnv, per_s: int, draw: random.Random) -> list[float]:
    """Return how long each publish took, in milliseconds, with so many answers a second from each row."""
    out = []
    for step in range(int(SECONDS / PUBLISH_EVERY)):
        for i in range(len(owner.rows)):
            for _ in range(round(per_s * PUBLISH_EVERY)):
                lease = owner.lease(i, env.now())
                if not isinstance(lease, str):
                    lease.settle(answer(draw))
        began = time.perf_counter()
        env.advance(PUBLISH_EVERY)
        if step % round(1 / PUBLISH_EVERY) == 0:
            owner.tick()
        out.append((time.perf_counter() - began) * 1e3)
    return sorted(out[-int(TOLD / PUBLISH_EVERY) :])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--per-s", type=int, default=20, help="answers of each row")
    options = parser.parse_args()
    env = FakeEnv()
    owner, _ = table(options.rows, env)
    took = publishes(owner, env, options.per_s, random.Random(3))
    share = sum(took) / 1e3 / TOLD
    print(
        f"publishing {options.rows} rows with {options.per_s} answers a second each, {1 / PUBLISH_EVERY:.0f} a second"
    )
    print(f"  p50 {took[len(took) // 2]:.2f} ms, p99 {took[int(len(took) * 0.99) - 1]:.2f} ms, {share:.1%} of a core")


if __name__ == "__main__":
    main()
