"""What the demonstration shows: where it listens, the live provider table, and what became of every request.

A terminal is redrawn; a pipe gets the table at the beginning and at the end. Both get a line for whatever happens.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from lbd.demo.traffic import Fate, Traffic
from lbd.display import provider_table, rich_table
from lbd.display.paint import Paint, printable

# Nobody gives orders here, and without that column 80 columns have room for the tier in every state of the rows.
COLUMNS = tuple(c for c in provider_table.COLUMNS if c.name != "admin")


def curl(url: str) -> str:
    """Return a command that works as pasted, in lines that a terminal of 80 columns does not break."""
    return f"""curl -s {url}/v1/chat/completions \\
  -H 'content-type: application/json' \\
  -d '{{"model": "auto", "max_tokens": 40, "messages": [
    {{"role": "system", "content": "You are helpful."}},
    {{"role": "user", "content": "What is the capital of France?"}}]}}'"""


def head(url: str, admin: str) -> Text:
    """Return what does not change. It stands above what is redrawn, or it could not be marked and copied."""
    return Text.assemble(
        ("API    ", "bold"),
        f"{url}/v1\n",
        ("admin  ", "bold"),
        f"{admin}  (/v1/providers, /health, /metrics, /v1/events)\n",
        page_address(admin),
        "\n",
        ("try    ", "bold"),
        f"paste this into another terminal; Ctrl-C here ends everything\n\n{curl(url)}\n",
    )


def page_address(admin: str) -> Text:
    """Return where a browser sees it as it happens."""
    return Text.assemble(("page   ", "bold"), f"{admin}/  in a browser: the same, live")


def page(document: dict[str, Any], most: int, *more: Text) -> Group:
    """Return what is redrawn, at most so many columns wide: verdict, table, what is to be shown below it, reasons."""
    return Group(
        rich_table.sentence(provider_table.verdict(document), most),
        "",
        rich_table.table(COLUMNS, provider_table.body(document), most),
        "",
        *more,
        *(rich_table.sentence(told, most) for told in provider_table.reasons(document)),
    )


def fates(traffic: Traffic) -> Text:
    """Return how many requests had which fate, a line each."""
    counts = traffic.counts()
    out = Text()
    for fate in Fate:
        good = fate in (Fate.OK, Fate.MOVED) or not counts[fate]
        style = "" if good else "yellow" if fate is Fate.TYPED_ERROR else "bold red"
        out.append(f"  {counts[fate]:5d}  {fate}\n", style)
    return out


def progress(traffic: Traffic, now: float, length: float) -> Text:
    """Return how far the outage is (seconds), and the fate of every request so far."""
    when = f"{now:5.1f} s of {length:g} s" if now < length else f"{length:g} s are over"
    return Text.assemble(f"{when}, {traffic.under_way} requests under way\n", fates(traffic))


class Screen:
    """The screen while something runs; a context. What happened stays, above what is redrawn."""

    def __init__(self, console: Console) -> None:
        self._console = console
        redrawn = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(console=console, auto_refresh=False) if redrawn else None
        self._document: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._document is not None:
            self._write(self._document)

    def tell(self, now: float, words: str) -> None:
        """Write down what happened, and when (seconds since the start)."""
        self._console.print(Text(printable(f"{now:5.1f} s  {words}")), soft_wrap=True)

    def show(self, document: dict[str, Any], now: float, *more: Text) -> None:
        """Show how it is now, and tell what has changed its state since the last time."""
        before, self._document = self._document, document
        if before is None and self._live is None:
            self._write(document)
            self._console.print()
        was = {} if before is None else {row["id"]: row["state"] for _, row in provider_table.rows(before)}
        for _, row in provider_table.rows(document):
            if (old := was.get(row["id"], row["state"])) != row["state"]:
                self.tell(now, f"{row['id']}: {old} -> {row['state']} ({row['reason']['code']})")
        if self._live is not None:
            self._live.update(page(document, self._console.width, *more), refresh=True)

    def _write(self, document: dict[str, Any]) -> None:
        lines = ["", *provider_table.lines(document, Paint(False), None)]
        self._console.print(Text("\n".join(lines)), soft_wrap=True)
