"""Healthy, noisy traffic by the hour: how often a breaker opened or a deployment was set aside, though nobody was ill.

Times to the first token are log-normal with heavy tails, load follows the day, one attempt in a thousand ends in a 5xx,
one in three thousand in a reset, one probe in ten thousand is lost. Every opening and every ejection is a false one.

    python -m tests.bench.calm --hours 1000
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

from tests.fakes.fleet import Fleet, daily


class Calm(NamedTuple):
    """What hours of healthy traffic brought."""

    requests: int
    opened: int
    ejected: int
    unserved: int
    events: tuple[str, ...]  # what the table told of breakers and ejections
    wrong: tuple[str, ...]


def calm(hours: float, *, most: float = 1.6, peers: int = 3, seed: int = 1) -> Calm:
    """Return it; ``most`` is the rate of the busiest hour, in requests a second."""
    fleet = Fleet(seed=seed, peers=peers, rate=daily(0.001, most), most_rate=most)
    events: list[str] = []
    fleet.owner.listeners.append(
        lambda e: (
            events.append(f"{e.kind} {e.subject} {e.reason}") if "breaker" in e.kind or "eject" in e.kind else None
        )
    )
    for weather in fleet.weather:
        weather.errors, weather.resets, weather.lost_probes = 1e-3, 3e-4, 1e-4
    ejected = 0
    for _ in range(max(1, round(hours * 6))):  # an ejection's count falls again after some minutes without another
        fleet.run(600)
        ejected = max(ejected, fleet.ejected)
    unserved = fleet.requests - fleet.served
    return Calm(fleet.requests, fleet.opened, ejected, unserved, tuple(events), tuple(fleet.wrong))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1000.0)
    parser.add_argument("--most", type=float, default=1.6, help="requests a second in the busiest hour")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    began, left, seed = time.perf_counter(), told.hours, told.seed
    requests = opened = ejected = 0
    while left > 0:  # by the day, each with a chance of its own
        found = calm(min(24.0, left), most=told.most, seed=seed)
        left, seed = left - 24.0, seed + 1
        requests, opened, ejected = requests + found.requests, opened + found.opened, ejected + found.ejected
        done = told.hours - max(0.0, left)
        took = time.perf_counter() - began
        print(
            f"{done:7.1f} h: {requests} requests, {opened} false openings, {ejected} ejections; {took:.0f} s",
            flush=True,
        )
        for event in found.events:
            print("   ", event)
    if opened or ejected:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
