"""``lbd``: find the command, import only that one, run it."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from lbd import __version__

DEFAULT_CONFIG = "/etc/lbd/lbd.yaml"
# command -> (module, what it does); modules are imported when their command is asked for
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "run the daemon"),
    "check": ("check", "check a configuration without touching the daemon"),
    "demo": ("demo", "start real model servers and lbd before them"),
    "status": ("status", "show the provider table once"),
    "top": ("top", "show the provider table live"),
    "events": ("events", "show what happened; -f follows"),
    "explain": ("explain", "say why a request went where it went, or where one would go"),
    "ctl": ("ctl", "drain, ready, maint, weight, reset-breaker, probe-now, reload"),
    "schema": ("schema", "print the JSON Schema of the configuration or of the dashboard's document"),
}


def parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """Return the parser; only the chosen command's own arguments are filled in (all of them without one)."""
    top = argparse.ArgumentParser(prog="lbd", description="Health-aware load balancer for LLM providers.")
    top.add_argument("--version", action="version", version=f"lbd {__version__}")
    commands = top.add_subparsers(dest="command", metavar="command", required=True)
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if chosen is None or chosen == name:
            importlib.import_module(f"lbd.cli.{module}").arguments(sub)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    chosen = next((w for w in words if not w.startswith("-")), None)
    args = parser(chosen if chosen in COMMANDS else None).parse_args(words)
    module = importlib.import_module(f"lbd.cli.{COMMANDS[args.command][0]}")
    try:
        return int(module.run(args))
    except BrokenPipeError:
        sys.stderr.close()  # the reader has seen enough
        return 0
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
