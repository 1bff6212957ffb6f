"""``lbd shapes``: the page of what serves whom."""

from __future__ import annotations

import json

import pytest

from lbd import plugins
from lbd.cli import shapes
from lbd.cli.main import main
from tests.fakes.configs import ETC


def test_the_shipped_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """``lbd shapes > etc/shapes.md`` after every change of a declaration."""
    assert main(["shapes"]) == 0
    assert capsys.readouterr().out == shapes.document() == (ETC / "shapes.md").read_text()


def test_every_conversation_is_served_by_every_provider() -> None:
    """As it is or translated: no cell of a client that speaks in turns is empty."""
    lines = [line for line in shapes.document().splitlines() if line.startswith("| ")]
    head = [cell.strip() for cell in lines[0].strip("|").split("|")]
    for name in plugins.load().shapes:
        [row] = [line for line in lines if line.startswith(f"| {name} |") and line.count("|") == len(head) + 1]
        cells = dict(zip(head, [c.strip() for c in row.strip("|").split("|")], strict=True))
        talks = [
            c for c in head if c in ("openai.chat", "openai.completions", "openai.responses", "anthropic.messages")
        ]
        assert all(cells[c].startswith(("passes", "translated")) for c in talks), row


def test_programs_get_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """By provider and client."""
    assert main(["shapes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["anthropic"]["anthropic.messages"]["how"] == "passes"
    assert "tools" in told["openai"]["openai.chat"]["carries"]
