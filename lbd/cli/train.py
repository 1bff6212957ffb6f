"""``lbd train``: train the router's weights from rows of measured answers, and write them with their model card."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("data", nargs="+", type=Path, metavar="DATA", help=".jsonl, .jsonl.gz, or a folder of them")
    parser.add_argument("--out", type=Path, default=Path("weights.bin"), metavar="F", help="the weight file")
    parser.add_argument("--json", action="store_true", help="what was written, as one document")
    parser.epilog = "exit status: 0 trained; 1 the data cannot be used, or nothing can be written; 2 wrong arguments"
    parser.add_argument("--card", type=Path, default=None, metavar="F", help="the model card (Markdown)")


def run(args: argparse.Namespace) -> int:
    """Train. Exit status 1 where the data cannot be used, or nothing can be written."""
    if find_spec("numpy") is None:
        print("lbd: training needs its extra: pip install 'lbd[train]'", file=sys.stderr)
        return 1
    for place in (args.out, args.card):  # told before the minutes that training takes
        if place is not None and not os.access(place if place.exists() else place.parent, os.W_OK):
            print(f"lbd: {place}: cannot be written: check the folder and its rights", file=sys.stderr)
            return 1
    # the order in which threads add up would change the last bits: the same data must give the same bytes
    os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
    from lbd.train import card, rows, run

    try:
        trained = run.train(rows.load(args.data), _say)
        args.out.write_bytes(trained.weights)
        if args.card is not None:
            args.card.write_text(card.write(trained), encoding="utf-8")
    except rows.RowError as e:
        print(f"lbd: {e}", file=sys.stderr)
        return 1
    except OSError as e:
        print(f"lbd: {e.filename}: cannot be written ({e.strerror}): check the folder and its rights", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"weights": str(args.out), "bytes": len(trained.weights), "orders": card.orders(trained)}))
        return 0
    print(card.orders(trained))
    print(f"\n{args.out}: {len(trained.weights)} bytes")
    return 0


def _say(line: str) -> None:
    print(f"lbd train: {line}", file=sys.stderr, flush=True)
