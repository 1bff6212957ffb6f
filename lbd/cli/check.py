"""``lbd check``: read, check and resolve a configuration. Exit status 0 good, 1 bad, 2 warnings with --strict."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lbd.cli.main import DEFAULT_CONFIG
from lbd.model.problem import ConfigError, Problem
from lbd.plugins import read_config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("-c", "--config", type=Path, default=Path(DEFAULT_CONFIG), metavar="FILE")
    parser.add_argument("--strict", action="store_true", help="warnings give exit status 2")
    parser.add_argument("--format", choices=("text", "json", "github"), default="text")


def show(problems: list[Problem], form: str) -> None:
    """Print problems in the asked form."""
    if form == "json":
        rows = [
            {
                "file": p.place.file if p.place else None,
                "line": p.place.line if p.place else None,
                "column": p.place.column if p.place else None,
                "path": p.path,
                "level": p.level,
                "reason": p.reason,
            }
            for p in problems
        ]
        print(json.dumps({"problems": rows}))
        return
    for p in problems:
        if form == "github" and p.place is not None:
            print(f"::{p.level} file={p.place.file},line={p.place.line},col={p.place.column}::{p.path}: {p.reason}")
        else:
            print(p, file=sys.stderr)


def run(args: argparse.Namespace) -> int:
    """Check."""
    try:
        good = read_config(args.config)
    except ConfigError as e:
        show(e.problems, args.format)
        return 1
    show(list(good.warnings), args.format)
    if args.format == "text":
        providers, rows = len(good.providers), len(good.deployments)
        print(f"{args.config}: good ({providers} providers, {rows} deployments, {len(good.warnings)} warnings)")
    return 2 if good.warnings and args.strict else 0
