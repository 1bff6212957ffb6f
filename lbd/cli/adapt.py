"""``lbd adapt``: another gateway's configuration in lbd's words, and what has no counterpart.

The configuration goes to stdout, the report to stderr or, with ``--comments``, into the head of the configuration.
What comes out has been through lbd's own check, with a stand-in for every key.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lbd import plugins
from lbd.adapt import ADAPTERS, adapt
from lbd.adapt.draft import Choices, Result
from lbd.adapt.source import SourceError
from lbd.adapt.write import yaml_text
from lbd.config.compile import compile_config
from lbd.config.load import load
from lbd.model.problem import ConfigError

FAILED, LOSSES = 1, 2
LARGEST = 16 * 1024 * 1024  # bytes; a configuration is never this large


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "exit status: 0 converted; 1 not converted: it cannot be read, or nothing in it can be served;"
        f" {LOSSES} wrong arguments, or with --strict: something has no counterpart or is to be filled in"
    )
    parser.add_argument("--from", dest="of", required=True, choices=sorted(ADAPTERS.load()), help="whose it is")
    parser.add_argument("file", metavar="FILE", help="the configuration; - reads it from stdin")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME",
        help="a model that clients ask for, where the source leaves it open (*, or no model at all); may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--provider", action="append", default=[], metavar="NAME=WHOSE", type=_pair,
        help="whose an account in the source is, such as my-key=openai; may be repeated",
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="something that has no counterpart gives exit status 2")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--comments", action="store_true", help="the report goes into the configuration, as comments")
    form.add_argument("--json", action="store_true", help="configuration, report and environment as one document")


def _pair(text: str) -> str:
    name, equals, whose = text.partition("=")
    if not (name and equals and whose):
        raise argparse.ArgumentTypeError(f"{text!r} must be like my-key=openai")
    return text


def run(args: argparse.Namespace) -> int:
    """Convert."""
    try:
        text = _text(args.file)
        providers = dict(p.split("=", 1) for p in args.provider)
        result = adapt(text, args.file, args.of, Choices(tuple(args.model), providers), os.environ)
    except (SourceError, OSError) as e:
        why = f"{args.file}: cannot be read: {e.strerror}" if isinstance(e, OSError) else str(e)
        print(f"lbd: {why}", file=sys.stderr)
        return FAILED
    if args.json:
        print(json.dumps(document(result), indent=2))
    elif not args.comments or not result.usable:
        for note in result.notes:
            print(note, file=sys.stderr)
    if not result.usable:
        print(f"lbd: {args.file}: nothing that lbd could send requests to; the report says why", file=sys.stderr)
        return FAILED
    written = yaml_text(result.config, head(result, args) if args.comments else ())
    if problems := faults(written, result.environment):
        print(f"lbd: what was made of {args.file} is not accepted by lbd check:", file=sys.stderr)
        print(*problems, sep="\n", file=sys.stderr)
        return FAILED
    if not args.json:
        print(written, end="")
        if not args.comments:
            print(_closing(result), file=sys.stderr)
    return LOSSES if args.strict and any(n.level in ("lost", "todo") for n in result.notes) else 0


def _text(file: str) -> str:
    raw = sys.stdin.buffer.read(LARGEST + 1) if file == "-" else Path(file).read_bytes()
    if len(raw) > LARGEST:
        raise SourceError(f"{file}: larger than {LARGEST} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise SourceError(f"{file}: not UTF-8, at byte {e.start}: {e.reason}") from None


def head(result: Result, args: argparse.Namespace) -> Iterable[str]:
    """Return the report as it stands at the head of a configuration."""
    yield f"Made by: lbd adapt --from {args.of} {args.file}"
    if result.environment:
        yield f"Reads from the environment: {', '.join(result.environment)}"
    if result.notes:
        yield ""
    yield from map(str, result.notes)


def _closing(result: Result) -> str:
    counts = {level: sum(n.level == level for n in result.notes) for level in ("todo", "lost", "secret", "changed")}
    told = ", ".join(f"{n} {level}" for level, n in counts.items() if n) or "nothing to note"
    reads = f"; reads {', '.join(result.environment)} from the environment" if result.environment else ""
    return f"lbd adapt: {len(result.config['providers'])} providers: {told}{reads}"


def document(result: Result) -> dict[str, Any]:
    """Return everything as one document."""
    return {
        "config": result.config,
        "environment": list(result.environment),
        "report": [
            {
                "file": note.place.file,
                "line": note.place.line,
                "column": note.place.column,
                "path": note.path,
                "level": note.level,
                "reason": note.reason,
                "remedy": note.remedy or None,
            }
            for note in result.notes
        ],
    }


def faults(written: str, environment: Iterable[str]) -> list[str]:
    """Return what lbd's own check says against a configuration; every key has a stand-in."""
    stand_ins = {name: f"stand-in-{i}" for i, name in enumerate(environment)}
    with tempfile.TemporaryDirectory(prefix="lbd-adapt-") as folder:
        path = Path(folder) / "lbd.yaml"
        path.write_text(written, encoding="utf-8")
        try:
            _compile(path, stand_ins)
        except ConfigError as e:
            return [str(p) for p in e.problems]
    return []


def _compile(path: Path, environ: Mapping[str, str]) -> None:
    found = plugins.load()
    config, tree = load(path, {name: shape.config for name, shape in found.shapes.items()})
    compile_config(config, tree, shapes=found.shapes, terms=set(found.terms), probes=set(found.probes), environ=environ)
