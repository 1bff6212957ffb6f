"""``lbd report``: the headline, the groups, what it rests on."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from lbd.cli import report
from lbd.cli.main import main
from lbd.display.paint import Paint


def facts(requests: int = 100, *, saved: float = 1680.0, premium: float = 3000.0, **more: Any) -> dict[str, Any]:
    return {
        "requests": requests,
        "attempts": requests,
        "failed_attempts": 2,
        "cost_usd": premium - saved,
        "compared": {"requests": requests, "cost_usd": premium - saved, "premium_usd": premium, "cheapest_usd": 200.0},
        "saved_usd": saved,
        "saved_share": saved / premium if premium else None,
        "interval_usd": [saved - 10, saved + 10],
        "estimated_entries": 3,
        "unpriced_entries": 0,
        **more,
    }


def document(by: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    own = {"probe_usd": 0.5, "evaluation_usd": 0.0, "failed_attempts_usd": 1.0, "cpu_usd": 0.01, "share": 0.0011}
    told = {"since": "a", "until": "b", "baseline": None, "overhead": own, "lost_entries": 0, "by": by or []}
    return {**facts(), **told, **more}


def test_the_headline_comes_first() -> None:
    """The number, its share, its interval."""
    lines = report.lines(document(), "", Paint(False), None)
    assert lines[0] == "$1,680.00 saved, 56.0% (95 %: $1,670.00 to $1,690.00)"
    assert "$3,000.00 there, $1,320.00 here, $200.00 at the cheapest" in lines[1]
    assert "0.11% of what was spent" in " ".join(lines) and "3 attempts told no usage" in lines[-1]


def test_groups_are_a_table() -> None:
    """In the order of the words that were asked for."""
    by = [{"client": "bot", "model": "m", **facts(7)}]
    lines = report.lines(document(by), "client,model", Paint(False), None)
    assert lines[3].split()[:3] == ["CLIENT", "MODEL", "REQUESTS"]
    assert lines[4].split()[:4] == ["bot", "m", "7", "$1,320.00"]


def test_a_spreadsheet_gets_a_line_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers as numbers, nothing for what is not known."""
    report._csv([{"model": "m", **facts(interval_usd=None)}], ["model"], rows=False)
    head, line = csv.reader(io.StringIO(capsys.readouterr().out))
    told = dict(zip(head, line, strict=True))
    assert (told["model"], told["saved_usd"], told["saved_low_usd"]) == ("m", "1680.0", "")


def test_a_page_shows_what_the_daemon_knows(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """By hour, surface, model, provider, or by what was asked for."""
    assert daemon.ask("big")[0] == 200
    assert main(["report", *daemon.admin, "--html"]) == 0
    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>") and "By hour (UTC)" in page and "By provider" in page and ">good<" in page
    assert main(["report", *daemon.admin, "--html", "--by", "client"]) == 0
    page = capsys.readouterr().out
    assert "By client" in page and "By model" not in page


def test_a_page_is_of_what_was_saved(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Attempts and experiments are no groups."""
    assert main(["report", *daemon.admin, "--html", "--rows", "3"]) == 2
    assert "--html is of what was saved" in capsys.readouterr().err


def test_hours_are_written_as_people_do(daemon: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Not as seconds since 1970."""
    assert daemon.ask("big")[0] == 200
    assert main(["report", *daemon.admin, "--by", "hour"]) == 0
    assert re.search(r"^20\d\d-\d\d-\d\d \d\d:00 ", capsys.readouterr().out, re.MULTILINE)
