"""``lbd run``: run the daemon in the foreground."""

from __future__ import annotations

import argparse
from pathlib import Path

from lbd.cli import check
from lbd.cli.main import DEFAULT_CONFIG
from lbd.model.problem import ConfigError
from lbd.plugins import read_config


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "exit status: 0 stopped as told; 1 the configuration is bad, or a socket or the store cannot be had"
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        default=Path(DEFAULT_CONFIG),
        metavar="FILE",
        help=f"the configuration ({DEFAULT_CONFIG})",
    )


def run(args: argparse.Namespace) -> int:
    """Run."""
    try:
        compiled = read_config(args.config)
    except ConfigError as e:
        check.show(e.problems, "text")
        return 1
    from lbd.daemon.run import main  # the daemon's imports are slow; a bad configuration should not wait for them

    return main(args.config, compiled)
