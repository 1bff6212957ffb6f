"""``lbd events``: what happened, with the numbers behind it; ``-f`` goes on, also over restarts of the daemon."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from lbd.cli import admin_client
from lbd.cli.admin_address import UNREACHABLE, AdminError
from lbd.cli.admin_client import Client
from lbd.cli.quantities import whole
from lbd.display import paint
from lbd.display.paint import Cell
from lbd.display.provider_table import local

COUNT = 20
# The daemon says that it is still there every 15 s; three of those missing is a lost connection.
SILENCE_S = 45.0
AGAIN_S = 1.0
MOST = 1000
_LEVELS = {"error": "bad", "warning": "warn", "debug": "dim"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = admin_client.exit_statuses("0 shown")
    parser.add_argument("-f", "--follow", action="store_true", help="go on; a lost connection is made again")
    parser.add_argument("--subject", metavar="ID", help="only of one deployment (provider/name), provider or part")
    parser.add_argument(
        "-n",
        type=whole(0, MOST),
        default=COUNT,
        metavar="N",
        help=f"so many of the last events ({COUNT}; at most {MOST})",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    admin_client.arguments(parser)


@admin_client.told
def run(args: argparse.Namespace) -> int:
    """Show them."""
    client = admin_client.client(args)
    brush = paint.Paint(paint.coloured(sys.stdout))

    def show(event: dict[str, Any]) -> None:
        print(json.dumps(event) if args.json else brush.line(line(event)), flush=args.follow)

    newest = _last(client, 1, None) if args.follow else []
    told = _last(client, args.n, args.subject)
    for event in told:
        show(event)
    if args.follow:
        follow(client, args.subject, max([*newest, *told], key=lambda e: int(e["id"]), default=None), show)
    if not told and not args.json:
        print("no events" if args.subject is None else f"no events of {args.subject}", file=sys.stderr)
    return 0


def _last(client: Client, count: int, subject: str | None) -> list[dict[str, Any]]:
    return list(client.get("/v1/events", limit=count, subject=subject)["events"]) if count else []


def line(event: dict[str, Any], *, about: str | None = None) -> list[Cell]:
    """Return an event in one line; shorter where it stands under its subject's name and the day is known."""
    style = _LEVELS.get(event["level"], "")
    time = local(event["time"])
    out = [Cell(f"{time if about is None else time[11:]}  ", "dim"), Cell(f"{event['level']:<7}  ", style)]
    if event["subject"] != about:
        out.append(Cell(f"{event['subject']}  ", "bold"))
    out.append(Cell(event["kind"], style))
    if event["before"] is not None or event["after"] is not None:
        out.append(Cell(f" {event['before'] or '-'} -> {event['after'] or '-'}"))
    evidence = dict(event["evidence"])
    text = evidence.pop("text", None)
    out.append(Cell(f": {event['reason']}{f', {text}' if text else ''}"))
    if event["by"] is not None:
        out.append(Cell(f" by {event['by']}", "note"))
    numbers = " ".join(f"{k}={_short(v)}" for k, v in evidence.items() if v not in (None, [], "", 0))
    return [*out, Cell(f"  {numbers}", "dim")] if numbers else out


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


# --- following -------------------------------------------------------------------------------------------


def follow(
    client: Client, subject: str | None, anchor: dict[str, Any] | None, show: Callable[[dict[str, Any]], None]
) -> NoReturn:
    """Show every event after ``anchor``, over lost connections too. Raises AdminError when it is refused."""
    lost = False
    while True:
        try:
            after = 0 if anchor is None or (lost and not _goes_on(client, anchor)) else anchor["id"]
            if lost:
                print("lbd: there again", file=sys.stderr)
                lost = False
            for event in stream(client, subject, after):
                anchor = event
                show(event)
            why = "the daemon ended the stream."
        except AdminError as e:
            if e.exit_status != UNREACHABLE:
                raise
            why = str(e)
        if not lost:
            print(f"lbd: {paint.printable(why)} Trying again every {AGAIN_S:g} s", file=sys.stderr)
        lost = True
        time.sleep(AGAIN_S)


def stream(client: Client, subject: str | None, after: int) -> Iterator[dict[str, Any]]:
    """Yield events as they happen, from those after the id ``after`` on."""
    for raw in client.stream("/v1/events", timeout_s=SILENCE_S, follow=1, after=after, limit=MOST, subject=subject):
        if raw.startswith(b"data:"):
            yield json.loads(raw[5:])


def _goes_on(client: Client, anchor: dict[str, Any]) -> bool:
    """Tell whether it is still the same run of the daemon: ids start again with each."""
    told = client.get("/v1/events", after=anchor["id"] - 1, limit=MOST)["events"]
    return bool(told) and (told[0]["id"], told[0]["time"]) == (anchor["id"], anchor["time"])
