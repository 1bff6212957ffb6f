"""The provider table drawn with rich, where it is installed; line by line as the plain one is."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lbd.cli.paint import Column, Row, fit, printable

_STYLES = {"good": "green", "warn": "yellow", "bad": "red", "note": "magenta", "dim": "dim", "bold": "bold"}


def lines(
    columns: Sequence[Column], rows: Sequence[Row], most: int, selected: int | None, *, colour: bool
) -> list[str]:
    """Return a header, a rule and a line for each row; the selected row stands out."""
    kept, widths = fit(columns, rows, most)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for c in kept:
        table.add_column(
            c.head, justify="right" if c.right else "left", no_wrap=True, overflow="ellipsis", width=widths[c.name]
        )
    for i, row in enumerate(rows):
        cells = [Text(printable(row[c.name].text), _STYLES.get(row[c.name].style, "")) for c in kept]
        table.add_row(*cells, style="reverse" if i == selected and colour else "")
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=colour, no_color=not colour, color_system="standard" if colour else None, width=most
    )
    console.print(table, end="")
    return [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
