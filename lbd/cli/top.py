"""``lbd top``: the provider table live, with keys for the orders that one gives while looking at it."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from lbd.cli import admin_client
from lbd.cli.admin_address import AdminError
from lbd.cli.admin_client import Client
from lbd.cli.terminal import Terminal
from lbd.cli.top_board import KEYS, Board, Draw, Order, Quit
from lbd.display import paint
from lbd.display.paint import Cell, Column, Row

INTERVAL_S = 1.0
FASTEST_S = 0.2  # the daemon itself makes a new document once a second
ANSWER_S = 3.0
EVENTS = 30
REASON = "ordered in lbd top"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = f"keys: {KEYS.replace('↑↓', '↑↓ select')}. Orders ask first. {admin_client.exit_statuses('0 quit')}"
    parser.add_argument(
        "--interval", type=_interval, default=INTERVAL_S, metavar="S", help=f"seconds between looks ({INTERVAL_S:g})"
    )
    parser.add_argument("--plain", action="store_true", help="draw without rich, also where it is installed")
    admin_client.arguments(parser)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not FASTEST_S <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from {FASTEST_S:g} on")
    return seconds


@admin_client.told
def run(args: argparse.Namespace) -> int:
    """Show it until told to quit."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise AdminError("lbd top needs a terminal; lbd status shows the table once")
    client = admin_client.client(args)
    brush = paint.Paint(paint.coloured(sys.stdout))
    # asked before the screen is taken: what fails at once is a line on stderr
    board = Board(client.get("/v1/providers"), brush, drawing(brush, plain=args.plain))
    with Terminal(sys.stdin.fileno(), sys.stdout.fileno()) as terminal, Feed(client, args.interval, terminal) as feed:
        while True:
            feed.bring(board)
            terminal.draw(board.frame(*terminal.size()))
            for key in terminal.wait():
                if not press(board, key, client, feed.look):
                    return 0
            feed.watch(board)


def press(board: Board, key: str, client: Client, look: Callable[[], None]) -> bool:
    """Take in a key, and give the order that it confirms; False for the end."""
    match board.press(key):
        case Quit():
            return False
        case Order(action, deployment):
            try:
                now = client.order(action, deployment, reason=REASON)
                board.message = Cell(f"{action} done: {deployment} is {now['state']}, {now['admin']}", "good")
            except AdminError as e:
                board.message = Cell(f"{action} failed: {e}", "bad")
            look()
        case _:
            pass
    return True


def drawing(brush: paint.Paint, *, plain: bool) -> Draw:
    """Return how the table is drawn: with rich if it is there and wanted."""
    if not plain:
        try:
            from lbd.display import rich_table  # an extra, and slow
        except ImportError:
            pass
        else:
            return lambda columns, rows, most, selected: rich_table.lines(
                columns, rows, most, selected, colour=brush.colour
            )

    def draw(columns: Sequence[Column], rows: Sequence[Row], most: int, _selected: int | None) -> list[str]:
        return brush.table(columns, rows, most)

    return draw


class Feed(threading.Thread):
    """Looks at the daemon again and again, so that a daemon that hangs does not make the keys hang."""

    def __init__(self, client: Client, every_s: float, terminal: Terminal) -> None:
        super().__init__(name="feed", daemon=True)
        self._client = client
        self._every_s = every_s
        self._wake: Callable[[], None] = terminal.wake
        self._now = threading.Event()
        self._ended = False
        self._subject: str | None = None  # whose events are wanted
        self._model: str | None = None  # a request for which is to be explained
        self._found: tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any] | str | None] | AdminError | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # not waited for: it may be waiting for a daemon that hangs, and holds nothing that must be given back
        self._ended = True
        self._now.set()

    def run(self) -> None:
        """Look, tell, wait."""
        while not self._ended:
            self._now.clear()
            try:
                self._found = self._all()
            except AdminError as e:
                self._found = e
            self._wake()
            self._now.wait(self._every_s)

    def _all(self) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any] | str | None]:
        document = self._client.get("/v1/providers", timeout_s=ANSWER_S)
        told: list[dict[str, Any]] = []
        if (subject := self._subject) is not None:
            told = self._client.get("/v1/events", timeout_s=ANSWER_S, subject=subject, limit=EVENTS)["events"]
        return document, told, self._plan()

    def _plan(self) -> dict[str, Any] | str | None:
        """Return where a request would go that asks for the wanted model, or why that cannot be told."""
        if (model := self._model) is None:
            return None
        asked = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        try:
            return self._client.post("/v1/explain", asked, timeout_s=ANSWER_S)
        except AdminError as e:
            return str(e)

    def bring(self, board: Board) -> None:
        """Hand the board what was found since the last time."""
        found, self._found = self._found, None
        if isinstance(found, AdminError):
            board.lost = str(found)
        elif found is not None:
            board.take(*found)

    def look(self) -> None:
        """Look again at once."""
        self._now.set()

    def watch(self, board: Board) -> None:
        """Bring what the board shows, at once if it shows something else than before."""
        subject = board.selected if board.with_events else None
        model = board.model if board.with_plan else None
        if (subject, model) != (self._subject, self._model):
            self._subject, self._model = subject, model
            self.look()
