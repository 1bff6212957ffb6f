"""What the sequential tests are worth: false alarms, and how soon a fall or harm is found. Seeded, so always the same.

    python -m tests.bench.sequences

Falls: of a model's scores from 0.85 to 0.75, as feedback or evaluation bring them. Arms: of experiments, looked at
after every unit, or every twenty requests.
"""

from __future__ import annotations

from lbd.model.experiment import Limits
from lbd.state.quality import HORIZON
from tests.fakes.sequences import Scores, falls, graded, harmed, thumbs, told_apart

RUNS = 1000
KINDS: tuple[tuple[str, Scores], ...] = (("thumbs (0 or 1)", thumbs), ("scores between, spread 0.2", graded))
HARMS = (
    ("ratings 90 -> 75 %, share 0.5", 0.5, 0.75, 0.0, Limits(quality_drop=0.03)),
    ("errors 1 -> 30 %, share 0.1", 0.1, 0.9, 0.3, Limits(error_rise=0.02)),
)


def main() -> None:
    """Print both tables."""
    print(f"falls of a model's quality, of {RUNS} runs each")
    print(f"{'scores':28} {'false in ' + str(HORIZON):>14} {'in 100':>8} {'in 200':>8} {'in 300':>8} {'in 400':>8}")
    for name, scores in KINDS:
        found = [falls(RUNS, within, scores, 0.75) for within in (100, 200, 300, 400)]
        told = " ".join(f"{100 * n / RUNS:>7.1f}%" for n in found)
        print(f"{name:28} {falls(RUNS, HORIZON, scores, 0.85):>14} {told}")
    print(f"\narms that do not differ, told apart of {RUNS} runs of 500 units at a nominal 5 %")
    for share, events in ((0.5, 0.5), (0.2, 0.05)):
        print(f"share {share}, {events:.0%} events {told_apart(RUNS, 500, share, events, 0.05):>22}")
    print("\nharm in the treated arm, requests until it is stopped, of 20 runs")
    for name, share, quality, errors, limits in HARMS:
        ends = harmed(20, 3000, share, quality, errors, limits)
        at = sorted(end[0] for end in ends if end is not None)
        print(f"{name:32} {len(at)} of {len(ends)} stopped, after {at[0]} to {at[-1]}")


if __name__ == "__main__":
    main()
