"""Limits that are told by 429s alone: how much of them is used, at which cost, and how soon their end is found.

    python -m tests.bench.refusals
    python -m tests.bench.refusals --rate 2 --rate 5 --form s --seeds 8

In virtual time, before providers that say nothing of their limits but a 429, with a wait in milliseconds, in whole
seconds, or none. `used`: of what the limit lets through in the time; `tried`: attempts for each that is let through.
`lifted`: the seconds from the end of the limit until all that come are served, and at once. `all refuse`: attempts a
request where three deployments refuse everything for four seconds, each time for one more. Each is the mean over the
seeds, and the worst.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from statistics import fmean

from tests.fakes.grudging import FORMS, TTFT, WAY, Filling, Seen, driven, never

SECONDS = 40.0
LIFTED = 30.0
MARGIN = 0.1  # seconds of an answer beyond the usual that are no wait
ROW = "{:>6} {:>8} {:>11} {:>14} {:>14} {:>14}"


def used(seen: Seen, rate: float, until: float = SECONDS) -> float:
    """Return the share of what there was that was let through."""
    through = sum(not refused for at, _, refused in seen.arrivals if at <= until)
    return through / (max(1.0, rate) + rate * until)


def found_after(seen: Seen) -> float:
    """Return how long after the end of the limit the last request came that had to wait or was refused."""
    usual = 2 * WAY + TTFT + MARGIN
    late = [a.began - seen.began for a in seen.asked if a.status != 200 or a.took_s > usual]
    return max(0.0, max(late, default=0.0) - LIFTED)


def told(values: Sequence[float], worst: float) -> str:
    """Return a mean and the worst."""
    return f"{fmean(values):.2f} ({worst:.2f})"


def limited(rate: float, demand: float, form: str, seeds: int) -> str:
    """Return the row of one limit."""
    runs = [driven([Filling(rate)], form, demand, SECONDS, seed=seed) for seed in range(1, seeds + 1)]
    ends = [driven([Filling(rate)], form, demand, 45.0, until=LIFTED, seed=seed) for seed in range(1, seeds + 1)]
    shares = [used(seen, rate) for seen in runs]
    tries = [len(seen.arrivals) / seen.let_through for seen in runs]
    found = [found_after(seen) for seen in ends]
    cells = (told(shares, min(shares)), told(tries, max(tries)), told(found, max(found)))
    return ROW.format(f"{rate:g}", f"{demand:g}", form, *cells)


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, action="append", default=[], help="of the limit, a second")
    parser.add_argument("--form", action="append", default=[], choices=list(FORMS))
    parser.add_argument("--times", type=float, action="append", default=[], help="the rate: so many want it")
    parser.add_argument("--seeds", type=int, default=4)
    given = parser.parse_args()
    print(ROW.format("limit", "demand", "wait", "used", "tried", "lifted s"))
    for form in given.form or ("none", "s", "ms"):
        for rate in given.rate or (1.0, 2.0, 5.0, 10.0, 50.0):
            for times in given.times or (1.5,):
                print(limited(rate, times * rate, form, given.seeds), flush=True)
    print(f"{'all refuse':>14} {'demand':>8} {'wait':>11} {'attempts':>14}")
    for form in given.form or ("none", "s", "ms"):
        for demand in (2.0, 5.0, 50.0, 100.0):
            runs = [
                driven([never] * 3, form, demand, 6.0, since=1.0, until=5.0, seed=n + 1) for n in range(given.seeds)
            ]
            most = [seen.amplification for seen in runs]
            print(f"{'3 of 3':>14} {demand:>8g} {form:>11} {told(most, max(most)):>14}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
