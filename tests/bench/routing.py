"""The judge's table of the router: orders, floors, picks on held-out prompts, and what a decision costs.

    python -m tests.bench.routing --data ../shared/routing-data

Trains in cross-validation, by families left out and by rows at random (about a minute), beside random, length and the
family oracle, and what picking gives at each gate; then times the packaged weights on 200 different prompts of about
500 characters, beside a loop that tells how fast the machine is now, and on one kind each at 30,000 characters.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from lbd.router.score import packaged
from lbd.router.text import read
from lbd.train import card, rows
from lbd.train.run import Trained, train
from tests.unit.router.prompts import prompts

DATA = Path(__file__).parents[3] / "shared" / "routing-data"


def best_us(work: Callable[[str], object], text: str, repeat: int = 7) -> float:
    """Return the best time of some work on a text, in microseconds."""
    best = float("inf")
    for _ in range(repeat):
        began = time.perf_counter()
        work(text)
        best = min(best, time.perf_counter() - began)
    return best * 1e6


def loop(_: str) -> int:
    """Add up ten thousand numbers: about 250 us where nothing else runs."""
    total = 0
    for i in range(10_000):
        total += i
    return total


def real(folder: Path) -> list[str]:
    """Return 200 different prompts of 420 to 580 characters, in a fixed order."""
    found = [row.prompt for row in rows.load([folder]) if 420 <= len(row.prompt) <= 580]
    return random.Random(3).sample(found, min(200, len(found)))


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
        for part in (card.orders(found), card.floors(found), card.picks(found), card.gates(found)):
            print(part + "\n")
    router = packaged()
    some = real(told.data)
    ways: dict[str, Callable[[str], object]] = {
        "verdict": lambda text: router.verdict(read(text)),
        "with what fired": router.judge,
    }
    for name, work in ways.items():
        for text in some:
            work(text)
        print(f"{name:16} 500 characters, median {median(best_us(work, text) for text in some):7.0f} us")
    print(f"{'machine':16} loop of 10,000, best  {best_us(loop, '', 50):7.0f} us")
    listed = next(p for p in prompts() if "\nA. " in p)
    story = next(p for p in prompts() if "boxes of pens" in p)
    for name, text in (("listed", listed), ("story", story), ("open", prompts()[0])):
        whole = " ".join([text] * (30_000 // len(text) + 1))[:30_000]
        print(f"{name:16} 30,000 characters      {best_us(ways['verdict'], whole):7.0f} us")


if __name__ == "__main__":
    main()
