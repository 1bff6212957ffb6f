"""Every fault of providers and of the network, against the daemon: requests lost, attempts, time until it is avoided.

    python -m tests.bench.faults
    python -m tests.bench.faults --scenario silent --rate 200 --seconds 30

The daemon runs as a process before three deployments of one model, of which one (where the name says so: two, or all)
has the fault for so many seconds. Half of the requests are streams, and every answer is compared with what it must be,
to the byte. A request is lost where it is neither the right answer nor an error that its client can read.

`stopped after`: when the deployment that has the fault was chosen last before a second without it; trials of a breaker
are not counted. `again after`: from the end of the fault to its first answer. TTFT is that of streams while there is
the fault; it is marked where its p99 is beyond the cut-off (the tier's target), 100 ms and the p99 without a fault.
Where one deployment has it, and shows it, that is not as it must be: on a machine that has other work to do, too.
Probes are made every --probe-s seconds, more often than usual, as they decide how long a run must take.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from tests.faults.daemon import OwnProcess
from tests.faults.drive import Drive, Pace, Report, Scenario
from tests.faults.families import FAMILIES, OPEN

HEAD = (
    "scenario",
    "requests",
    "ok",
    "typed errors",
    "lost",
    "attempts",
    "TTFT p50",
    "p99 ms",
    "stopped",
    "again after",
)
ROW = "{:36} {:>8} {:>6} {:>12} {:>5} {:>8} {:>8} {:>8} {:>8} {:>11}"


def at(values: Sequence[float], share: float) -> float | None:
    """Return a quantile of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))] if values else None


def ms(seconds: float | None) -> str:
    """Return a time in milliseconds."""
    return "-" if seconds is None else f"{seconds * 1000:.0f}"


def late(report: Report) -> bool:
    """Tell whether a first content came later than the cut-off allows."""
    p99, usual = at(report.ttfts, 0.99), at(report.usual, 0.99)
    return p99 is not None and p99 > report.pace.target_s + 0.1 + (usual or 0.0)


def line(report: Report) -> str:
    """Return the row of the table."""
    fates = report.fates
    stopped, back = report.stopped_after, report.back_after
    return ROW.format(
        report.scenario.name,
        len(report.asks),
        fates["ok"],
        fates["early"] + fates["late"],
        fates["lost"],
        f"{report.attempts / len(report.asks):.3f}",
        ms(at(report.ttfts, 0.5)),
        ms(at(report.ttfts, 0.99)) + ("!" if late(report) else ""),
        "-" if stopped is None else f"{stopped:.2f} s",
        "-" if back is None else f"{back:.2f} s",
    )


async def drive(scenarios: Sequence[Scenario], pace: Pace) -> int:
    """Run them one after the other; returns how many were not as they must be."""
    print(ROW.format(*HEAD), flush=True)
    wrong = requests = lost = 0
    for scenario in scenarios:
        report = await Drive(scenario, pace, OwnProcess).run()
        print(line(report), flush=True)
        faults = report.faults()
        if scenario.name in OPEN:
            print(f"    not right yet: {OPEN[scenario.name]}", flush=True)
        for text in faults[:3]:
            print(f"    {text[:300]}", flush=True)
        wrong += bool(faults) or (late(report) and scenario.strict)
        requests += len(report.asks)
        lost += report.fates["lost"]
    print(f"{len(scenarios)} scenarios, {requests} requests, {lost} lost; {wrong} scenarios not as they must be")
    return wrong


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", action="append", default=[], help="by name, or a part of it before a *")
    parser.add_argument("--family", action="append", default=[], choices=list(FAMILIES))
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    parser.add_argument("--seconds", type=float, default=10.0, help="with the fault")
    parser.add_argument("--probe-s", type=float, default=2.0)
    parser.add_argument("--back-s", type=float, default=30.0, help="at most, until the deployment is chosen again")
    parser.add_argument("--ttft-ms", type=float, default=50.0, help="of answers without a fault")
    told = parser.parse_args()
    known = [s for name, family in FAMILIES.items() if not told.family or name in told.family for s in family]
    wanted = [s for s in known if not told.scenario or any(_named(s.name, name) for name in told.scenario)]
    if not wanted:
        parser.error(f"no scenario is called so; there are: {', '.join(s.name for s in known)}")
    pace = Pace(
        rate=told.rate,
        warm_s=2.0,
        fault_s=told.seconds,
        after_s=1.0,
        back_s=told.back_s,
        target_s=1.5,
        connect_s=3.0,
        idle_gap_s=5.0,
        first_content_s=10.0,
        total_s=60.0,
        headers_after_s=5.0,
        probe_s=told.probe_s,
        patience_s=90.0,
        ttft_s=told.ttft_ms / 1000,
    )
    return 1 if asyncio.run(drive(wanted, pace)) else 0


def _named(name: str, wanted: str) -> bool:
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted


if __name__ == "__main__":
    sys.exit(main())
