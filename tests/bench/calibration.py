"""How well the chance of a tier's target is foretold, in virtual time: by chance, what was told and what came.

python -m tests.bench.calibration --hours 2 --seed 7
"""

from __future__ import annotations

import argparse

import structlog

from tests.fakes.calibration import Foretold, binned, error
from tests.fakes.virtual import run
from tests.sim.test_calibration import around_the_target


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    foretold: list[Foretold] = []
    run(lambda env: around_the_target(env, told.hours * 3600, foretold), told.seed)
    bins = binned(foretold, 10)
    print(f"{len(foretold)} streamed attempts in {told.hours:g} h")
    print("attempts  foretold    came")
    for b in bins:
        print(f"{b.n:8d}  {b.foretold:8.3f}  {b.came:6.3f}")
    print(f"calibration error {100 * error(bins):.1f} points")


if __name__ == "__main__":
    main()
