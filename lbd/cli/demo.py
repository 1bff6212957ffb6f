"""``lbd demo``: real model servers on loopback and lbd before them; ``--outage`` breaks them under traffic."""

from __future__ import annotations

import argparse
import sys

from lbd.cli.quantities import above_zero, port


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "exit status: 0 ended; 1 it cannot run here, or with --outage a request failed before its first content or was"
        " lost; 2 wrong arguments"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--outage", action="store_true", help="freeze, kill and revive servers under traffic")
    what.add_argument("--savings", action="store_true", help="send a mixed workload and show choices and money")
    what.add_argument("--seconds", type=above_zero, default=None, help="show the live table for so many seconds only")
    parser.add_argument("--api-port", type=port, default=8080, help="port of the API (another one if taken)")
    parser.add_argument("--admin-port", type=port, default=8081, help="port of the admin API (another one if taken)")


def run(args: argparse.Namespace) -> int:
    """Run the demonstration."""
    try:
        from rich.console import Console
    except ImportError:
        print("lbd: the demonstration needs its extra: pip install 'lbd[demo]'", file=sys.stderr)
        return 1
    from lbd.demo import run as demo
    from lbd.demo.weights import DemoError

    console = Console()
    try:
        if args.outage:
            return demo.outage(console, api=args.api_port, admin=args.admin_port)
        if args.savings:
            return demo.savings(console, api=args.api_port, admin=args.admin_port)
        return demo.show(console, api=args.api_port, admin=args.admin_port, seconds=args.seconds)
    except DemoError as e:
        print(f"lbd: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
