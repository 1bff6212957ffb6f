"""What a decision costs over 50 deployments: cold (filter, score, pick) and when nothing has changed.

python -m tests.bench.decision
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lbd import plugins
from lbd.decide import names, pick, route
from lbd.model.plan import Live, Query
from lbd.model.provider import DeploymentSpec, Price, ProviderSpec, ScorerSpec, TierSpec
from lbd.model.request import Ask
from lbd.table.owner import Owner
from tests.fakes.env import FakeEnv

ROWS = 50


def table(rows: int = ROWS, env: FakeEnv | None = None) -> tuple[Owner, Any]:
    """Return an owner with so many deployments in three tiers."""
    terms = plugins.load().terms
    tiers = [TierSpec("primary", 1.5), TierSpec("secondary", 3.0), TierSpec("tertiary", 10.0)]
    providers = [ProviderSpec(f"p{i}", "openai", f"http://127.0.0.1:{9000 + i}/v1") for i in range(rows)]
    specs = [
        DeploymentSpec(
            f"p{i}/m",
            f"p{i}",
            "m",
            "m",
            tiers[i % 3].name,
            price=Price(1.0 + i % 7, 2.0 + i % 5),
            quality={"default": 0.5 + (i % 10) / 20},
        )
        for i in range(rows)
    ]
    owner = Owner(env or FakeEnv())
    owner.configure(specs, providers, tiers, names.build(specs, tiers, (), ()), ScorerSpec((
        ("affinity", 0.3), ("cost", 0.5), ("errors", 1.0), ("latency", 1.0), ("load", 0.5), ("quality", 0.5),
    )))  # fmt: skip
    return owner, terms


def best_us(call: Callable[[], object], number: int, repeat: int = 50) -> float:
    """Return the best mean time of a call, in microseconds."""
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        for _ in range(number):
            call()
        best = min(best, (time.perf_counter() - began) / number)
    return best * 1e6


def main() -> None:
    """Print the figures."""
    owner, terms = table()
    ask = Ask("auto", input_tokens=512)
    snapshot = owner.snapshot
    ranking = route.rank(snapshot, ask, terms)
    remembered = {ask: ranking}
    quiet = Live(0, 64.0, 0.1, 0.0)
    query = Query()

    def live(_row: int) -> Live:
        return quiet

    def warm() -> None:
        pick.choose(remembered[ask], query, 0x9E3779B97F4A7C15, live)

    print(f"decision over {ROWS} deployments")
    print(f"  cold: filter, score, rank and pick   {best_us(lambda: route.rank(snapshot, ask, terms), 50):8.1f} us")
    print(f"  nothing changed: remembered, pick    {best_us(warm, 2_000):8.2f} us")


if __name__ == "__main__":
    main()
