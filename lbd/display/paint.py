"""Text for a terminal or a pipe: aligned columns, colour only where it is wanted, nothing that a terminal obeys.

A colour never says anything alone: what it says stands beside it as a word or a mark.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any, NamedTuple

STYLES = {"good": "32", "warn": "33", "bad": "31", "note": "35", "dim": "2", "bold": "1"}
GAP = "  "
ELLIPSIS = "…"
NAMES = 1 / 3  # of the room, that names may take before other columns are left out for them
SHORT_NAME = 24  # columns: a name is not shortened below that for it
_SUBSTITUTE = "\N{REPLACEMENT CHARACTER}"


class Cell(NamedTuple):
    """A piece of text with one of ``STYLES``, or none."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A column. Where the room is short those with the highest ``rank`` are left out first; 0 always stays.

    One of ``names`` is shortened before that, in the middle: it is mostly the end in which they differ.
    """

    name: str
    head: str
    right: bool = False
    rank: int = 0
    names: bool = False


Row = Mapping[str, Cell]


def printable(text: str) -> str:
    """Return ``text`` on one line, without anything that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else _SUBSTITUTE for c in text)


def tame(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document whose every text is printable: some were a stranger's, such as the model that was asked for."""
    told = {printable(name): _tame(value) for name, value in document.items()}
    return type(document)(told) if isinstance(document, dict) else told  # one that tells what it lacks still does


def _tame(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return tame(value)
    return [_tame(v) for v in value] if isinstance(value, list) else value


def coloured(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Tell whether to write colours: to a terminal that knows them, unless NO_COLOR is set."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "") not in ("", "dumb")


def room(stream: IO[str], environ: Mapping[str, str] = os.environ) -> int | None:
    """Return how many columns there are, None where there is no end of a line (a pipe, a file)."""
    told = environ.get("COLUMNS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def width(text: str) -> int:
    """Return how many columns a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text: str, most: int) -> str:
    """Shorten a text to at most so many columns; what is missing shows."""
    if width(text) <= most:
        return text
    while text and width(text) > most - 1:
        text = text[:-1]
    return text + ELLIPSIS if most > 0 else ""


def shorten(text: str, most: int) -> str:
    """Shorten a name to at most so many columns in its middle."""
    if width(text) <= most:
        return text
    end = text[len(text) - most // 2 :] if most > 1 else ""
    while width(end) > most // 2:
        end = end[1:]
    return cut(text, most - width(end)) + end


def wrap(text: str, most: int, *, indent: str = "", lines: int | None = None) -> list[str]:
    """Break a text into lines of at most ``most`` columns; ``indent`` is before all but the first."""
    out, line, words = [], "", printable(text).split()
    for word in words:
        longer = f"{line} {word}" if line.strip() else line + word
        if width(longer) <= most or not line.strip():
            line = longer
            continue
        out.append(line)
        line = indent + word
    out.append(line)
    if lines is not None and len(out) > lines:
        out = [*out[: lines - 1], " ".join([out[lines - 1], *(o.strip() for o in out[lines:])])]
    return [cut(o, most) for o in out]


class Paint:
    """Writes cells, with colour or without."""

    def __init__(self, colour: bool) -> None:
        self.colour = colour

    def __call__(self, text: str, style: str = "") -> str:
        """Return a text in a style."""
        text = printable(text)
        code = STYLES.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code is not None and text else text

    def line(self, cells: Iterable[Cell]) -> str:
        """Return cells one after the other."""
        return "".join(self(*cell) for cell in cells)

    def table(
        self, columns: Sequence[Column], rows: Sequence[Row], most: int | None = None, *, indent: str = ""
    ) -> list[str]:
        """Return a header and a line for each row, in ``most`` columns if need be."""
        columns, widths = fit(columns, rows, None if most is None else most - len(indent))
        head: Row = {c.name: Cell(c.head, "bold") for c in columns}
        return [indent + self._row(columns, widths, row) for row in (head, *rows)]

    def _row(self, columns: Sequence[Column], widths: Mapping[str, int], row: Row) -> str:
        out = ""
        for i, c in enumerate(columns):
            cell = row[c.name]
            text = (shorten if c.names else cut)(printable(cell.text), widths[c.name])
            pad = " " * (widths[c.name] - width(text))
            last = i == len(columns) - 1
            out += (pad if c.right else "") + self(text, cell.style) + ("" if c.right or last else pad)
            out += "" if last else GAP
        return out.rstrip() if not self.colour else out


def fit(columns: Sequence[Column], rows: Sequence[Row], most: int | None) -> tuple[list[Column], dict[str, int]]:
    """Return the columns that have room, and their widths; the longest that is left-aligned is shortened at last."""
    kept = list(columns)
    whole = {c.name: max([width(c.head), *(width(printable(r[c.name].text)) for r in rows)]) for c in kept}
    widths = dict(whole)

    def need() -> int:
        return sum(widths[c.name] for c in kept) + len(GAP) * (len(kept) - 1)

    if most is not None and need() > most:
        widths |= {c.name: min(whole[c.name], max(SHORT_NAME, int(most * NAMES))) for c in kept if c.names}
    while most is not None and need() > most:
        extra = max(kept, key=lambda c: c.rank)
        if extra.rank == 0:
            break
        kept.remove(extra)
    spare = 0 if most is None else max(0, most - need())
    widths |= {c.name: min(whole[c.name], widths[c.name] + spare) for c in kept if c.names}
    if most is not None and (over := need() - most) > 0:
        long = max((c for c in kept if not c.right), key=lambda c: widths[c.name], default=None)
        if long is not None:
            widths[long.name] = max(width(long.head), widths[long.name] - over)
    return kept, widths
