"""``lbd simulate``: run a configuration through a day in virtual time, over simulated providers."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lbd.cli import check
from lbd.cli.main import DEFAULT_CONFIG
from lbd.cli.progress import Progress
from lbd.cli.quantities import above_zero, whole
from lbd.display import paint
from lbd.model.problem import ConfigError

if TYPE_CHECKING:
    from lbd.simulate.day import Day
    from lbd.simulate.scenario import What

HOURS = 24.0
RATE = 0.2
WRONG = 2
EVENTS: tuple[What, ...] = ("outage", "hang", "brownout", "errors")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "Secrets need not be there; nothing is asked of a provider, sent or written. exit status: 0 told; 1 the"
        " configuration or the scenario is bad, or a day cannot be read; 2 wrong arguments"
    )
    text = f"the configuration ({DEFAULT_CONFIG})"
    parser.add_argument("-c", "--config", type=Path, default=Path(DEFAULT_CONFIG), metavar="FILE", help=text)
    parser.add_argument(
        "--day",
        type=Path,
        metavar="FILE",
        help="a scenario (YAML: traffic, deployments, providers, events), or a journal's folder: its requests again",
    )
    parser.add_argument(
        "--hours", type=above_zero, metavar="N", help=f"how long ({HOURS:g}, or what the journal holds)"
    )
    parser.add_argument(
        "--rate", type=above_zero, default=RATE, metavar="N", help=f"requests a second, mean ({RATE:g})"
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**63), default=1, metavar="N", help="of all chance (1): the same gives the same"
    )
    for what in EVENTS:
        more = {"brownout": "x5", "errors": "x0.3"}.get(what, "")
        text = f"provider@9.5h+20m{more}; may be repeated"
        parser.add_argument(f"--{what}", action="append", default=[], metavar="EVENT", help=text)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the same as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="a page with drawings, beside")


def run(args: argparse.Namespace) -> int:
    """Simulate."""
    try:
        day = _day(args)
    except ConfigError as e:
        check.show(e.problems, "text")
        return 1
    except ValueError as e:
        print(f"lbd: {e}", file=sys.stderr)
        return WRONG
    except OSError as e:
        print(f"lbd: {e.filename}: cannot be read ({e.strerror})", file=sys.stderr)
        return 1
    from lbd.simulate import page, report
    from lbd.simulate.day import simulate

    with Progress("simulating") as progress:
        told = report.document(simulate(day, progress))
    if args.html is not None:
        try:
            args.html.write_text(page.page(told, f"{args.config.name}: a simulated day"), encoding="utf-8")
        except OSError as e:
            print(f"lbd: {args.html}: cannot be written ({e.strerror})", file=sys.stderr)
            return 1
    if args.json:
        print(json.dumps(told, indent=2))
    else:
        brush = paint.Paint(paint.coloured(sys.stdout))
        print("\n".join(report.words(told, brush, paint.room(sys.stdout))))
    return 0


def _day(args: argparse.Namespace) -> Day:
    """Return what is to be simulated. Raises ConfigError, ValueError, OSError."""
    from msgspec.structs import replace

    from lbd.model.problem import Problem
    from lbd.observe.archive import Reader
    from lbd.plugins import read_config
    from lbd.simulate import scenario, traffic
    from lbd.simulate.day import Day

    compiled = read_config(args.config, follow=False)
    told, past = scenario.Scenario(), None
    if args.day is not None and args.day.is_dir():
        with Progress("reading the journal") as progress:
            past = traffic.recorded(Reader(args.day, told=progress))
        if past is None:
            raise ConfigError([Problem(None, "", f"{args.day}: there is no request in this journal")])
    elif args.day is not None:
        told = scenario.read(args.day)
    flags = [scenario.event(what, text) for what in EVENTS for text in getattr(args, what)]
    told = replace(told, events=(*told.events, *flags))
    scenario.check(
        told,
        {d.id for d in compiled.deployments},
        {p.name for p in compiled.providers},
        {c.name for c in compiled.clients},
    )
    if past is not None:
        hours = past.hours if args.hours is None else min(args.hours, past.hours)
        arrivals = [a for a in past.arrivals if a.at_s < hours * traffic.HOUR]
        return Day(compiled, told, arrivals, hours, past.speeds, past.begins, args.seed)
    hours = HOURS if args.hours is None else args.hours
    return Day(compiled, told, traffic.drawn(told.traffic, hours, args.rate, args.seed), hours, seed=args.seed)
