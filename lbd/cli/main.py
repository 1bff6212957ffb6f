"""``lbd``: find the command, import only that one, run it."""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import importlib
import os
import sys
from collections.abc import Sequence

from lbd import __version__
from lbd.config.hint import meant

DEFAULT_CONFIG = "/etc/lbd/lbd.yaml"
# command -> (module, what it does); modules are imported when their command is asked for
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "run the daemon"),
    "check": ("check", "check a configuration without touching the daemon"),
    "adapt": ("adapt", "turn the configuration of another gateway into one for lbd"),
    "demo": ("demo", "start real model servers and lbd before them"),
    "status": ("status", "show the provider table once"),
    "top": ("top", "show the provider table live"),
    "events": ("events", "show what happened; -f follows"),
    "explain": ("explain", "say why a request went where it went, or where one would go"),
    "replay": ("replay", "execute journaled decisions again, as they were or under another configuration"),
    "simulate": ("simulate", "run a configuration through a day in virtual time, over simulated providers"),
    "report": ("report", "show what requests cost, what was saved, and what lbd itself cost"),
    "advise": ("advise", "say whether routing pays here, from the ledger's own numbers"),
    "ctl": ("ctl", "drain, ready, maint, weight, reset-breaker, probe-now, experiment, alerts, silence, reload"),
    "schema": ("schema", "print the JSON Schema of the configuration or of the dashboard's document"),
    "gen": ("gen", "write rules for Prometheus or a dashboard for Grafana, from the limits of a configuration"),
    "dump": ("dump", "gather what somebody needs who is asked for help, without secrets and prompts"),
    "completion": ("completion", "print the completion of commands and options for bash, zsh or fish"),
    "manual": ("manual", "print the manual page of the commands or of the configuration"),
    "train": ("train", "train the router's weights from measured answers"),
    "shapes": ("shapes", "print which clients are served by which providers, and what each can be asked"),
}
# Over before there is anything to collect. Looking for it all the same, while modules are imported and once more
# at the end, was a fifth of the time that `lbd check` took.
BRIEF = frozenset({"check", "schema"})

UNWRITTEN = 1  # exit status where the output has no room
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
UNREAD = 128 + 13  # exit status where nobody reads and the outcome is not known: SIGPIPE's, as shells tell it


def parser(*chosen: str) -> argparse.ArgumentParser:
    """Return the parser of the chosen commands with all their arguments; without one, of the commands' names."""
    top = argparse.ArgumentParser(
        prog="lbd", description="Health-aware load balancer for LLM providers.", formatter_class=_formatter
    )
    top.add_argument("--version", action="version", version=f"lbd {__version__}")
    commands = top.add_subparsers(dest="command", metavar="command", required=True, prog="lbd")
    for name in chosen or COMMANDS:
        module, text = COMMANDS[name]
        sub = commands.add_parser(name, help=text, description=text, formatter_class=_formatter)
        if chosen:
            importlib.import_module(f"lbd.cli.{module}").arguments(sub)
    return top


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return argparse's own, told the width: it makes one for every argument, and imports shutil to find out."""
    try:
        columns = int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size().columns
    except (ValueError, OSError):
        columns = 80
    return argparse.HelpFormatter(prog, width=columns - 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = words[:1] if words and words[0] in COMMANDS else []
    if BRIEF.intersection(chosen):
        gc.disable()
        atexit.register(gc.freeze)
    elif chosen == ["run"]:  # which begins to collect when it serves
        gc.disable()
    if words and not chosen and not words[0].startswith("-"):
        parser().error(f"there is no command {words[0]!r}{meant(words[0], COMMANDS)}; lbd --help says what there is")
    try:
        return _run(_parsed(parser(*chosen), words))
    finally:
        gc.enable()


def _parsed(top: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Return the arguments. What nobody takes is told by the command that was given it, with the usage of that."""
    args, rest = top.parse_known_args(words)
    if rest:
        told, below = top, words
        while below and (found := _below(told).get(below[0])) is not None:
            told, below = found, below[1:]
        told.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def _below(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in of._actions:  # noqa: SLF001  argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return dict(action.choices)
    return {}


def _run(args: argparse.Namespace) -> int:
    module = importlib.import_module(f"lbd.cli.{COMMANDS[args.command][0]}")
    status = UNREAD
    if sys.stdout is None:  # closed by whoever started it
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        status = int(module.run(args))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        _let_go()
    except OSError as e:
        if e.errno not in _FULL or e.filename is not None:
            raise
        _let_go()
        print(f"lbd: cannot write: {e.strerror}", file=sys.stderr)
        return UNWRITTEN
    except KeyboardInterrupt:
        return 130
    return status


def _let_go() -> None:
    """Write nothing more: at its end the interpreter would try the rest once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
