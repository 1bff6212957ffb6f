"""Columns and sentences drawn with rich, where it is installed; line by line as the plain ones are."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lbd.display.paint import Cell, Column, Row, fit, printable, shorten, wrap

_STYLES = {"good": "green", "warn": "yellow", "bad": "red", "note": "magenta", "dim": "dim", "bold": "bold"}


def table(columns: Sequence[Column], rows: Sequence[Row], most: int, selected: int | None = None) -> Table:
    """Return a header, a rule and a line for each row, in ``most`` columns; the selected row stands out."""
    kept, widths = fit(columns, rows, most)
    out = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for c in kept:
        out.add_column(
            c.head, justify="right" if c.right else "left", no_wrap=True, overflow="ellipsis", width=widths[c.name]
        )
    for i, row in enumerate(rows):
        texts = {c.name: printable(row[c.name].text) for c in kept}
        texts |= {c.name: shorten(texts[c.name], widths[c.name]) for c in kept if c.names}
        cells = [Text(texts[c.name], _STYLES.get(row[c.name].style, "")) for c in kept]
        out.add_row(*cells, style="reverse" if i == selected else "")
    return out


def sentence(cells: Sequence[Cell], most: int) -> Text:
    """Return a mark, the first cell, and what it says, in lines of at most ``most`` columns."""
    out = Text("\n".join(wrap("".join(cell.text for cell in cells), most, indent="  ")))
    out.stylize(_STYLES.get(cells[0].style, ""), 0, len(cells[0].text))
    return out


def lines(
    columns: Sequence[Column], rows: Sequence[Row], most: int, selected: int | None, *, colour: bool
) -> list[str]:
    """Return the table as it is written, escapes and all."""
    out = io.StringIO()
    console = Console(
        file=out, force_terminal=colour, no_color=not colour, color_system="standard" if colour else None, width=most
    )
    console.print(table(columns, rows, most, selected), end="")
    return [line.rstrip() for line in out.getvalue().rstrip("\n").split("\n")]
