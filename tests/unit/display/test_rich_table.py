"""The table drawn with rich."""

from __future__ import annotations

import re
import subprocess
import sys

from lbd.display import rich_table
from lbd.display.paint import Cell, Column

COLUMNS = (Column("a", "NAME"), Column("b", "N", right=True, rank=1))
ROWS = [{"a": Cell("first", "good"), "b": Cell("7")}, {"a": Cell("sec[bold]ond\x1b[2J"), "b": Cell("1234")}]


def test_it_is_a_header_a_rule_and_a_line_for_each_row() -> None:
    """So that rows can be counted and scrolled; markup and escapes in data are data."""
    lines = rich_table.lines(COLUMNS, ROWS, 60, None, colour=False)
    assert [re.sub(r" +", " ", line) for line in lines] == [
        "NAME N",
        lines[1],
        "first 7",
        "sec[bold]ond\N{REPLACEMENT CHARACTER}[2J 1234",
    ]
    assert set(lines[1]) == {"─"}


def test_without_colour_nothing_is_escaped() -> None:
    """NO_COLOR holds for rich too."""
    assert "\x1b" not in "".join(rich_table.lines(COLUMNS, ROWS, 60, 1, colour=False))


def test_the_selected_row_stands_out() -> None:
    """In reverse, beside the mark that it has anyway."""
    lines = rich_table.lines(COLUMNS, ROWS, 60, 1, colour=True)
    assert "\x1b[7m" in lines[3]
    assert "\x1b[7" not in lines[2]
    assert "32m" in lines[2]


def test_a_narrow_table_leaves_out_columns_as_the_plain_one_does() -> None:
    """One rule for both."""
    lines = rich_table.lines(COLUMNS, ROWS, 12, None, colour=False)
    assert lines[0] == "NAME"
    assert all(len(line) <= 12 for line in lines)


def test_no_rows_are_a_header() -> None:
    """Not an error."""
    assert len(rich_table.lines(COLUMNS, [], 60, None, colour=False)) == 2


def test_a_sentence_is_wrapped_and_only_its_mark_is_coloured() -> None:
    """What it says need not shout; markup and escapes in it are text."""
    told = rich_table.sentence([Cell("✕ a/m", "bad"), Cell(" down for 4s: [red]\x1bopened by connect")], 24)
    assert told.plain.split("\n") == ["✕ a/m down for 4s:", "  [red]\N{REPLACEMENT CHARACTER}opened by", "  connect"]
    assert [(s.start, s.end, s.style) for s in told.spans] == [(0, 5, "red")]


def test_only_the_live_view_imports_rich() -> None:
    """It is an extra, and takes its time."""
    code = "import sys, lbd.cli.top, lbd.cli.status; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
