"""The judge's table of the router: orders, floors, picks on held-out prompts, and what a decision costs.

    python -m tests.bench.routing --data ../shared/routing-data

Trains in cross-validation, by families left out and by rows at random (about three minutes), beside random, length
and the family oracle; then times the packaged weights at 500 and 30,000 characters.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lbd.router.score import packaged
from lbd.train import card, rows
from lbd.train.run import Trained, train
from tests.unit.router.prompts import prompts

DATA = Path(__file__).parents[3] / "shared" / "routing-data"


def best_us(text: str, number: int, repeat: int = 20) -> float:
    """Return the best mean time of a verdict, in microseconds."""
    router, best = packaged(), float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        for _ in range(number):
            router.judge(text)
        best = min(best, (time.perf_counter() - began) / number)
    return best * 1e6


def reached(folder: Path) -> Trained:
    """Cross-validate on a folder's rows."""
    return train(rows.load([folder]), lambda line: print(line, file=sys.stderr, flush=True))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--times-only", action="store_true", help="no cross-validation")
    told = parser.parse_args()
    if not told.times_only:
        found = reached(told.data)
        for part in (card.orders(found), card.floors(found), card.picks(found)):
            print(part + "\n")
    listed = next(p for p in prompts() if "\nA. " in p)
    story = next(p for p in prompts() if "boxes of pens" in p)
    for name, text in (("listed", listed), ("story", story), ("open", prompts()[0])):
        whole = " ".join([text] * (30_000 // len(text) + 1))
        # a prompt of 500 characters: the text again and again, its form kept
        short = (whole[: 500 - len(text) - 1] + "\n" + text)[-500:]
        print(f"{name:8} 500 characters {best_us(short, 50):7.0f} us   30,000 {best_us(whole[:30_000], 5):7.0f} us")


if __name__ == "__main__":
    main()
