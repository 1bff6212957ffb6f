"""How much of a provider's limits is used, and how often it says 429: the quota pilot beside a client that only reacts.

    python -m tests.bench.quota --seeds 3 --minutes 10

Simulated OpenAI and Anthropic limiters under half as much again as they let through, in virtual time; then the harder
cases: others under the same account, who take a fifth of it, and a second lbd that knows nothing of the first. The
client that reacts sends until a 429 comes and asks again when that says, up to ten seconds; one seed of it is enough.
"""

from __future__ import annotations

import argparse
import time
from statistics import mean

import structlog

from tests.fakes.pilot import CASES, Run, piloted, reactive


def line(name: str, way: str, runs: list[Run]) -> str:
    """Return a line of the table: means over the seeds, 429s of all requests of all seeds."""
    sent = sum(r.sent for r in runs)
    refused = sum(r.refused * r.sent for r in runs)
    return (
        f"{name:37} {way:9} {mean(r.used for r in runs):7.2%} {min(r.used for r in runs):7.2%}"
        f" {refused / max(1, sent):9.3%} {round(refused):6} {sent:7}"
        f" {mean(r.served for r in runs):7.0f} {mean(r.turned for r in runs):7.0f}"
        f" {mean(r.wait(0.5) for r in runs):6.2f} {mean(r.wait(0.95) for r in runs):6.2f}"
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", default="", help="cases with this in their name")
    told = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    seeds, seconds = range(1, told.seeds + 1), told.minutes * 60
    began = time.perf_counter()
    print(
        f"{'limit that binds':37} {'way':9} {'used':>7} {'least':>7} {'429s':>9} {'429s':>6} {'sent':>7}"
        f" {'served':>7} {'turned':>7} {'p50 s':>6} {'p95 s':>6}"
    )
    for case in CASES:
        shared = case._replace(name=f"{case.name}, others a fifth", foreign=0.2)
        for one, gateways in ((case, 1), (shared, 1), (case._replace(name=f"{case.name}, two lbd"), 2)):
            if told.only.lower() in one.name.lower():
                print(line(one.name, "pilot", [piloted(one, s, seconds, gateways=gateways) for s in seeds]), flush=True)
                if gateways == 1:
                    print(line("", "reactive", [reactive(one, seeds[0], seconds)]), flush=True)
    print(
        "used: of what the limit that binds had to give, by all under the account, and the least of the seeds; 429s and"
    )
    print("sent: at the provider, of all seeds; served, turned: clients, a seed; then how long those served had waited")
    print(f"{time.perf_counter() - began:.0f} s of real time")


if __name__ == "__main__":
    main()
