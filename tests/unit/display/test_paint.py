"""Columns, colour, width, and what must not reach a terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.display import paint
from lbd.display.paint import Cell, Column, Paint, cut, fit, printable, wrap

COLUMNS = (Column("a", "NAME"), Column("b", "N", right=True, rank=1), Column("c", "NOTE", rank=2))
ROWS = [
    {"a": Cell("first"), "b": Cell("7"), "c": Cell("x")},
    {"a": Cell("a-long-name", "bad"), "b": Cell("1234"), "c": Cell("")},
]


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_are_aligned_to_their_own_side() -> None:
    """Numbers to the right, words to the left."""
    assert Paint(False).table(COLUMNS, ROWS) == [
        "NAME            N  NOTE",
        "first           7  x",
        "a-long-name  1234",
    ]


def test_a_table_of_nothing_is_its_header() -> None:
    """Not an error."""
    assert Paint(False).table(COLUMNS, []) == ["NAME  N  NOTE"]


def test_colour_changes_nothing_but_colour() -> None:
    """Without its escapes a coloured table is the plain one."""
    plain, coloured = Paint(False).table(COLUMNS, ROWS), Paint(True).table(COLUMNS, ROWS)
    assert "\x1b[31ma-long-name\x1b[0m" in coloured[2]
    assert [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in coloured] == plain


def test_the_least_important_columns_are_left_out_first() -> None:
    """The highest rank goes first; rank 0 stays and is shortened."""
    assert [c.name for c in fit(COLUMNS, ROWS, 100)[0]] == ["a", "b", "c"]
    assert [c.name for c in fit(COLUMNS, ROWS, 20)[0]] == ["a", "b"]
    assert [c.name for c in fit(COLUMNS, ROWS, 11)[0]] == ["a"]
    assert Paint(False).table(COLUMNS, ROWS, 8) == ["NAME", "first", "a-long-…"]


def test_a_long_name_costs_no_other_column() -> None:
    """Names are shortened first, in the middle, and get back what is left over; one name must not hide every number."""
    columns = (Column("a", "NAME", names=True), Column("b", "N", right=True, rank=1), Column("c", "NOTE", rank=2))
    rows = [{**row, "a": Cell(f"{'x' * 80}-{i}")} for i, row in enumerate(ROWS)]
    for most, shown in ((200, 82), (60, 48), (38, 26)):
        kept, widths = fit(columns, rows, most)
        assert [c.name for c in kept] == ["a", "b", "c"] and widths["a"] == shown
    assert [c.name for c in fit(columns, rows, 34)[0]] == ["a", "b"]
    assert all(paint.width(line) <= 60 for line in Paint(False).table(columns, rows, 60))
    assert Paint(False).table(columns, rows, 60)[2].startswith("x" * 23 + "…" + "x" * 22 + "-1  1234")


@given(st.text(st.characters(categories=["L", "Mn", "Nd"]), max_size=30), st.integers(0, 20))
def test_a_shortened_name_has_both_its_ends(text: str, most: int) -> None:
    """And never more columns than there are."""
    short = paint.shorten(text, most)
    assert paint.width(short) <= most
    assert short == text if paint.width(text) <= most else most == 0 or text.startswith(short.partition("…")[0])


def test_numbers_are_never_shortened() -> None:
    """Half a number is another number."""
    kept, widths = fit((Column("b", "N", right=True),), ROWS, 2)
    assert ([c.name for c in kept], widths) == (["b"], {"b": 4})


@given(st.integers(8, 60))
def test_a_table_is_never_wider_than_the_room(most: int) -> None:
    """From the width of a header on."""
    assert all(paint.width(line) <= most for line in Paint(False).table(COLUMNS, ROWS, most))


def test_wide_and_combining_characters_are_counted_as_they_are_shown() -> None:
    """A terminal gives two columns to an ideograph and none to an accent."""
    assert paint.width("日本") == 4
    assert paint.width("e\u0301") == 1
    assert cut("日本語", 5) == "日本…"
    assert cut("日本語", 0) == ""


@given(st.text())
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    """A provider's error message is printed; it must not move a cursor or fake a line."""
    shown = printable(text)
    assert "\x1b" not in shown
    assert shown.isprintable()
    assert Paint(False)(text) == shown


def test_a_text_is_wrapped_at_words() -> None:
    """With an indent, and with a last line that is cut."""
    text = "one two three four five"
    assert wrap(text, 9) == ["one two", "three", "four five"]
    assert wrap(text, 9, indent="  ") == ["one two", "  three", "  four", "  five"]
    assert wrap(text, 9, lines=2) == ["one two", "three fo…"]
    assert wrap("", 9) == [""]


@pytest.mark.parametrize(
    ("stream", "environ", "colour"),
    [
        (Tty(), {"TERM": "xterm"}, True),
        (Tty(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Tty(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Tty(), {"TERM": "dumb"}, False),
        (Tty(), {}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(stream: io.StringIO, environ: dict[str, str], colour: bool) -> None:
    """See no-color.org: an empty NO_COLOR is none."""
    assert paint.coloured(stream, environ) is colour


def test_a_pipe_has_no_end_of_a_line() -> None:
    """Columns are left out for people, never for programs."""
    assert paint.room(io.StringIO(), {}) is None
    assert paint.room(io.StringIO(), {"COLUMNS": "100"}) == 100
    assert paint.room(io.StringIO(), {"COLUMNS": "x"}) is None


def test_a_document_is_tamed_at_every_depth() -> None:
    """Keys and values; what is no text stays."""
    told = paint.tame({"a\x1b": ["x\x07", {"b": "y\u202e"}, 1, None, 0.5], "c": True})
    assert told == {"a\ufffd": ["x\ufffd", {"b": "y\ufffd"}, 1, None, 0.5], "c": True}
