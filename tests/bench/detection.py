"""How soon the table leaves a deployment that is not well, and how soon it comes back to one that is well again.

Four deployments of one model share the traffic; the first one is refused, fails, hangs, slows down, or flaps. Detected
is from the change until its share of attempts over five seconds has fallen under a quarter of its fair one. Recovered
is from the change back until it has had half of its fair share for as long.

    python -m tests.bench.detection --seeds 5
"""

from __future__ import annotations

import argparse
import math
from typing import Any, NamedTuple

from lbd.model.failure import FailureKind
from tests.fakes.fleet import Fleet, Weather, steady

K = FailureKind
FAIR = 0.25
WINDOW = 5.0  # seconds over which a share is taken
FAULTS: dict[str, dict[str, Any]] = {
    "refused": {"errors": 1.0, "kind": K.CONNECT},
    "reset": {"errors": 1.0, "kind": K.RESET},
    "5xx": {"errors": 1.0},
    "error storm, 30 %": {"errors": 0.3},
    "hangs": {"slow": 1000.0},
    "3 times slower": {"slow": 3.0},
    "5 times slower": {"slow": 5.0},
    "10 times slower": {"slow": 10.0},
}


class Found(NamedTuple):
    """In seconds; ``failed`` attempts there until detection, ``lost`` requests that nobody served meanwhile."""

    detected_s: float
    recovered_s: float
    failed: int
    lost: int
    wrong: int


def outage(fault: dict[str, Any], *, rate: float = 4.0, lasts_s: float = 120.0, seed: int = 1) -> Found:
    """Return what one fault of the first of four deployments brings."""
    fleet = Fleet(seed=seed, rate=steady(rate), most_rate=rate)
    for weather in fleet.weather:
        weather.median_s = 0.35
    fleet.run(120)
    well, before, served = fleet.weather[0], fleet.at[0], fleet.requests - fleet.served
    fleet.weather[0] = Weather(**{"median_s": 0.35, **fault})
    changed = fleet.env.now()
    detected = fleet.shares(lasts_s, 0, lambda share: share < FAIR / 4, WINDOW)
    failed = fleet.at[0] - before
    fleet.run(max(0.0, changed + lasts_s - fleet.env.now()))
    lost = fleet.requests - fleet.served - served
    fleet.weather[0] = well
    recovered = fleet.shares(400, 0, lambda share: share >= FAIR / 2, WINDOW) + WINDOW
    return Found(detected, recovered, failed, max(0, lost - round(8 * rate)), len(fleet.wrong))


class Flaps(NamedTuple):
    """What minutes of a row that comes and goes bring: its attempts, those that failed, openings, unserved requests."""

    attempts: int
    openings: int
    unserved: int
    share: float
    wrong: int


def flapping(*, up_s: float = 10.0, down_s: float = 10.0, cycles: int = 30, rate: float = 4.0, seed: int = 1) -> Flaps:
    """Return it."""
    fleet = Fleet(seed=seed, rate=steady(rate), most_rate=rate)
    fleet.run(120)
    well, before = fleet.weather[0], fleet.at.copy()
    for _ in range(cycles):
        fleet.weather[0] = Weather(**FAULTS["5xx"])
        fleet.run(down_s)
        fleet.weather[0] = well
        fleet.run(up_s)
    attempts, share = (fleet.at - before)[0], fleet.share(0, before)
    fleet.weather[0] = well
    fleet.run(60)
    return Flaps(attempts, fleet.opened, fleet.requests - fleet.served, share, len(fleet.wrong))


def _s(seconds: float) -> str:
    return "   never" if seconds == math.inf else f"{seconds:6.1f} s"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=4.0, help="requests a second of the whole fleet")
    told = parser.parse_args()
    print("                      detected (median, worst)   recovered (median, worst)   attempts there until then")
    for name, fault in FAULTS.items():
        found = [outage(fault, rate=told.rate, seed=s + 1) for s in range(told.seeds)]
        seen = sorted(f.detected_s for f in found)
        back = sorted(f.recovered_s for f in found)
        half = len(found) // 2
        failed = sorted(f.failed for f in found)
        print(
            f"{name:20}  {_s(seen[half])} {_s(seen[-1])}        {_s(back[half])} {_s(back[-1])}        "
            f"{failed[half]} ({failed[-1]}); lost {sum(f.lost for f in found)}, "
            f"untrue trials {sum(f.wrong for f in found)}",
            flush=True,
        )
    for up_s, down_s in ((10.0, 10.0), (3.0, 3.0), (60.0, 5.0)):
        flaps = flapping(up_s=up_s, down_s=down_s, rate=told.rate)
        print(f"flapping, {up_s:g} s up, {down_s:g} s down, 30 times: {flaps}")


if __name__ == "__main__":
    main()
