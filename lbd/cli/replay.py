"""``lbd replay``: execute journaled decisions again, as they were made, or as another configuration would have."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbd.cli import check
from lbd.cli.main import DEFAULT_CONFIG
from lbd.cli.progress import Progress
from lbd.display import paint
from lbd.model.moment import instant
from lbd.model.problem import ConfigError

if TYPE_CHECKING:
    from lbd.config.compiled import Compiled
    from lbd.observe.archive import Reader

WRONG = 2


class ReplayError(Exception):
    """There is nothing to replay; the message says why and what to do."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "exit status: 0 every decision that could be executed came out the same (with --config: told); 1 one did not,"
        " or there is no journal, or the configuration is bad; 2 wrong arguments"
    )
    parser.add_argument(
        "--journal", type=Path, metavar="DIR", help=f"the journal's folder; that of {DEFAULT_CONFIG} when not given"
    )
    parser.add_argument("--since", default="", metavar="WHEN", help="90m, 24h, 7d, 4w, or 2026-12-01 (all)")
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help="another configuration: what it would have chosen, and what would have come of it",
    )
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def run(args: argparse.Namespace) -> int:
    """Replay."""
    try:
        since = instant(args.since, datetime.now(UTC).timestamp()) if args.since else 0.0
    except (ValueError, OverflowError):
        print(
            f"lbd: --since {args.since!r} is no time: write 90m, 24h, 7d, 4w or 2026-12-01T06:00:00Z", file=sys.stderr
        )
        return WRONG
    try:
        other = None if args.config is None else _read(args.config)
        folder = _folder(args)
        with Progress("reading the journal") as progress:
            return _run(args, _reader(folder, since, progress), other)
    except ConfigError as e:
        check.show(e.problems, "text")
    except ReplayError as e:
        print(f"lbd: {e}", file=sys.stderr)
    except OSError as e:
        print(f"lbd: {e.filename}: cannot be read ({e.strerror}): the daemon's user may", file=sys.stderr)
    return 1


def _read(path: Path) -> Compiled:
    from lbd.plugins import read_config

    return read_config(path, follow=False)


def _folder(args: argparse.Namespace) -> Path:
    """Return the journal's folder: the one that is told, else that of the daemon's configuration."""
    if args.journal is not None:
        return Path(args.journal)
    from lbd.config import journal
    from lbd.config.load import load
    from lbd.shapes.providers import PROVIDERS

    path = Path(DEFAULT_CONFIG)
    if not path.exists():
        raise ReplayError(f"{path} is not there to tell where the journal is: give --journal DIR")
    config, _ = load(path, {name: shape.config for name, shape in PROVIDERS.load().items()})
    found = journal.folder(config.journal, config.store.url)
    if found is None:
        raise ReplayError(f"{path} keeps no journal (journal.max_bytes is 0, or the store is in memory)")
    return found


def _reader(folder: Path, since: float, progress: Progress) -> Reader:
    from lbd.observe.archive import Reader
    from lbd.store.segments import segments

    if not segments(folder):
        raise ReplayError(f"{folder}: there is no journal in this folder; the key journal in lbd.yaml says where it is")
    return Reader(folder, since=since, told=progress)


def _run(args: argparse.Namespace, reader: Reader, other: Compiled | None) -> int:
    from lbd import __version__, plugins
    from lbd.replay import again, told

    terms = plugins.load().terms
    if other is None:
        came = again.execute(reader, terms, __version__)
        document, bad = told.again(came, reader), came.different > 0
        words = told.again_words
    else:
        document, bad = told.what_if(reader, other, terms), False
        words = told.what_if_words
    if not document["requests"]:
        raise ReplayError(f"{reader.folder}: no request in this period{_unread(document)}")
    if args.json:
        print(json.dumps(document, indent=2))
    else:
        brush = paint.Paint(paint.coloured(sys.stdout))
        print("\n".join(words(document, brush, paint.room(sys.stdout))))
    return int(bad)


def _unread(document: dict[str, Any]) -> str:
    return (
        f"; {document['foreign_frames']} frames cannot be read: {document['why']}" if document["foreign_frames"] else ""
    )
