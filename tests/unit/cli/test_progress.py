"""How far work is, for who looks at it."""

from __future__ import annotations

import io

import pytest

from lbd.cli import progress
from lbd.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_a_share_and_nothing_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_AFTER", 0.0)
    out = Terminal()
    with Progress("reading", out) as told:
        told(1, 4)
    assert "lbd: reading,  25%" in out.getvalue() and out.getvalue().endswith("\r\x1b[K")


def test_what_is_short_and_what_nobody_looks_at_needs_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    short = Terminal()
    with Progress("reading", short) as told:
        told(1, 4)
    monkeypatch.setattr(progress, "FIRST_AFTER", 0.0)
    pipe = io.StringIO()
    with Progress("reading", pipe) as told:
        told(1, 4)
    assert short.getvalue() == pipe.getvalue() == ""
