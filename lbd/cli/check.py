"""``lbd check``: read, check and resolve a configuration. Exit status 0 good, 1 bad, 2 warnings with --strict.

Needs nothing of the daemon and does nothing to it: no port is bound, no provider asked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from lbd.cli.main import DEFAULT_CONFIG
from lbd.daemon import descriptors
from lbd.model.problem import ConfigError, Problem
from lbd.plugins import read_config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=Path(DEFAULT_CONFIG),
        metavar="FILE",
        help=f"the configuration ({DEFAULT_CONFIG})",
    )
    parser.add_argument("--strict", action="store_true", help="warnings give exit status 2")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--format", choices=("text", "json", "github"), default="text", help="of what is wrong (text)")
    form.add_argument("--json", dest="format", action="store_const", const="json", help="as --format json")
    parser.epilog = "exit status: 0 good; 1 bad; 2 wrong arguments, or with --strict: warnings"


def show(problems: Iterable[Problem], form: str) -> None:
    """Print problems in the asked form, in the order of the file."""
    ordered = sorted(problems, key=lambda p: p.place or ())
    if form == "json":
        _show_json(ordered)
        return
    for p in ordered:
        if form == "github":
            print(_command(p))
        else:
            print(p, file=sys.stderr)


def _show_json(problems: list[Problem]) -> None:
    import json  # only here

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


def _command(p: Problem) -> str:
    """Write a problem as a workflow command, whose parts are escaped as in GitHub's actions/toolkit."""
    text = (f"{p.path}: " if p.path else "") + p.reason
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    if p.place is None:
        return f"::{p.level}::{text}"
    file = p.place.file.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{p.level} file={file},line={p.place.line},col={p.place.column}::{text}"


def run(args: argparse.Namespace) -> int:
    """Check."""
    try:
        good = read_config(args.config)
    except ConfigError as e:
        show(e.problems, args.format)
        return 1
    few = descriptors.shortage(good)
    warnings = [*good.warnings, *([] if few is None else [Problem(None, "limits", few, "warning")])]
    show(warnings, args.format)
    if args.format == "text":
        providers, rows = len(good.providers), len(good.deployments)
        print(f"{args.config}: good ({providers} providers, {rows} deployments, {len(warnings)} warnings)")
    return 2 if warnings and args.strict else 0
