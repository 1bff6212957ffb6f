"""A sign of life while something takes long."""

from __future__ import annotations

import io
import time

from lbd.cli.waiting import CLEAR, Waiting


class Screen(io.StringIO):
    """A terminal, or none."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def shown(terminal: bool, seconds: float) -> str:
    screen = Screen(terminal)
    with Waiting("reading", screen, after_s=0.02):
        time.sleep(seconds)
    return screen.getvalue()


def test_a_terminal_is_told_and_cleared() -> None:
    """Nothing stays on it."""
    told = shown(True, 0.1)
    assert "lbd: reading (" in told and told.endswith(CLEAR)


def test_what_is_quick_or_no_terminal_sees_nothing() -> None:
    """A file must not be written into."""
    assert shown(True, 0) == "" and shown(False, 0.1) == ""
