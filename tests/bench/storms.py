"""Decisions by the million in the worst of weather: no attempt goes to an open breaker but a counted trial.

Every few seconds some of five deployments are refused, fail, hang or slow down, and others get well; each lease is
compared with the breaker that it was taken under (:class:`tests.fakes.fleet.Fleet`).

    python -m tests.bench.storms --decisions 1000000
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

from lbd.state.breaker import Phase
from tests.bench.detection import FAULTS
from tests.fakes.fleet import Fleet, Weather, steady

RATE = 500.0  # requests a second


class Storm(NamedTuple):
    """What it brought. ``shut``: seconds that breakers were not closed, all rows together, of so many."""

    decisions: int
    attempts: int
    trials: int
    openings: int
    shut_s: int
    of_s: int
    wrong: tuple[str, ...]


def storm(decisions: int, seed: int = 1) -> Storm:
    """Return it."""
    fleet = Fleet(seed=seed, rate=steady(RATE), most_rate=RATE)
    shut = seconds = 0
    while fleet.decisions < decisions:
        for i in range(len(fleet.weather)):
            if fleet.draw.random() < 0.5:
                fault = fleet.draw.choice([*FAULTS.values(), {}, {}, {}])
                fleet.weather[i] = Weather(**fault)
        for _ in range(fleet.draw.randrange(3, 25)):
            fleet.run(1.0)
            seconds += len(fleet.weather)
            shut += sum(row.breaker.phase is not Phase.CLOSED for row in fleet.owner.rows)
    return Storm(fleet.decisions, fleet.at.total(), fleet.trials, fleet.opened, shut, seconds, tuple(fleet.wrong))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    began = time.perf_counter()
    found = storm(told.decisions, told.seed)
    print(
        f"{found.decisions} decisions, {found.attempts} attempts, {found.openings} openings, {found.trials} counted "
        f"trials; breakers not closed {100 * found.shut_s / found.of_s:.0f} % of the time; "
        f"{len(found.wrong)} attempts at an open breaker; {time.perf_counter() - began:.0f} s"
    )
    for line in found.wrong[:10]:
        print("   ", line)
    raise SystemExit(bool(found.wrong))


if __name__ == "__main__":
    main()
