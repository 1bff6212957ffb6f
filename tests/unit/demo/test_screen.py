"""The demonstration's screen: what stands still, what is redrawn, what a pipe gets."""

from __future__ import annotations

import io
import json
import shlex
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from lbd.demo import screen
from lbd.demo.traffic import Fate, Judged, Traffic
from lbd.model import report as out
from lbd.model.table import HealthState
from tests.fakes.console_server import down, providers, row

URL, ADMIN = "http://127.0.0.1:18080", "http://127.0.0.1:18081"
DEMO = ("large", "medium", "small")


def written(shown: Any, width: int = 80, **more: Any) -> str:
    """Return what a console writes."""
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, **more).print(shown)
    return file.getvalue()


def tiers(*rows: out.DeploymentOut) -> dict[str, Any]:
    """Return the document of the demonstration: a row a tier."""
    names = ("primary", "secondary", "tertiary")
    listed = [out.TierOut(name, out.SloOut(1.5, 0.02), [r]) for name, r in zip(names, rows, strict=False)]
    return providers(tiers=listed, status="warn", summary="large/demo-large down, breaker_open")


def traffic(*fates: Fate) -> Traffic:
    """Return traffic in which requests ended so."""
    made = Traffic("http://127.0.0.1:1", "auto", [])
    made.judged = [Judged(fate, False, 0.0, 0.5, None, "a/m") for fate in fates]
    return made


# --- what stands still -----------------------------------------------------------------------------------


def test_the_command_to_paste_is_a_whole_command() -> None:
    """A shell splits it as meant, and its body is JSON."""
    words = shlex.split(screen.curl(URL))
    assert words[:3] == ["curl", "-s", f"{URL}/v1/chat/completions"]
    assert json.loads(words[words.index("-d") + 1])["model"] == "auto"


def test_the_command_survives_a_terminal_of_80_columns() -> None:
    """Each of its lines is shown as it is, from the first column on; nothing follows a backslash."""
    shown = written(screen.head(URL, ADMIN))
    assert screen.curl(URL) in shown
    assert all(len(line) < 80 and line == line.rstrip() for line in shown.splitlines())


def test_the_head_says_where_it_listens() -> None:
    """API and admin."""
    shown = written(screen.head(URL, ADMIN))
    assert f"API    {URL}/v1\n" in shown
    assert f"admin  {ADMIN}  (" in shown
    assert f"page   {ADMIN}/  " in shown


# --- what is redrawn -------------------------------------------------------------------------------------


def test_the_page_is_verdict_table_more_and_reasons() -> None:
    """In this order."""
    shown = written(screen.page(tiers(row("large/demo-large"), down("medium/demo-medium")), 80, Text("and more")))
    places = [shown.index(w) for w in ("◐ WARN large", "DEPLOYMENT", "● up", "and more", "✕ medium/demo-medium down")]
    assert places == sorted(places)


@pytest.mark.parametrize("state", list(HealthState))
def test_in_80_columns_no_cell_is_cut_and_every_tier_is_named(state: HealthState) -> None:
    """Whatever state the rows are in: columns are left out, never cut, and do not come and go."""
    failing = out.ErrorsOut(1.0, 40, {"timeout_first": 40}, 1.0)
    rows = [row(f"{name}/demo-{name}", state=state, errors=failing, inflight=2, limit=2.0) for name in DEMO]
    shown = written(screen.page(tiers(*rows), 80))
    assert "…" not in shown
    head = next(line for line in shown.splitlines() if "DEPLOYMENT" in line)
    assert head.split() == ["TIER", "DEPLOYMENT", "STATE", "TTFT", "p95", "SLO", "ms", "ERR", "%", "IN", "FLIGHT"]
    assert all(len(line) <= 80 for line in shown.splitlines())


def test_a_narrow_terminal_is_no_reason_to_fail() -> None:
    """Lines stay within the width, down to what no table fits into."""
    for width in (20, 40, 60, 120, 200):
        shown = written(screen.page(tiers(row(), down()), width), width)
        assert all(len(line) <= width for line in shown.splitlines()), width


def test_a_providers_words_cannot_command_the_terminal() -> None:
    """Reasons may quote what a server said; markup in them is text."""
    bad = down()
    bad.reason.text = "\x1b[2J[red]owned"
    shown = written(screen.page(tiers(bad), 120), 120)
    assert "\x1b" not in shown
    assert "[red]owned" in shown


def test_every_fate_has_its_number() -> None:
    """Also the fates that nobody had."""
    lines = written(screen.fates(traffic(Fate.OK, Fate.OK, Fate.MOVED, Fate.LOST))).split("\n")
    told = dict(line.split(maxsplit=1)[::-1] for line in lines if line)
    assert told == {str(f): str({Fate.OK: 2, Fate.MOVED: 1, Fate.LOST: 1}.get(f, 0)) for f in Fate}


@pytest.mark.parametrize(("now", "told"), [(12.34, " 12.3 s of 48 s, 3 requests"), (50.0, "48 s are over, 3 requests")])
def test_the_progress_says_how_far_it_is(now: float, told: str) -> None:
    """And that it only waits, when it only waits."""
    made = traffic(Fate.OK)
    made.under_way = 3
    assert written(screen.progress(made, now, 48.0)).startswith(told)


# --- a terminal and a pipe -------------------------------------------------------------------------------


def run(console: Console, *documents: dict[str, Any]) -> None:
    """Show documents, a second each."""
    with screen.Screen(console) as shown:
        for i, document in enumerate(documents):
            shown.show(document, float(i), Text("and more"))
        shown.tell(9.0, "kill \x1bmedium")


def test_a_pipe_gets_the_table_twice_and_what_happened_between() -> None:
    """Not redrawn, not coloured, not cut, not wrapped."""
    file = io.StringIO()
    run(Console(file=file, width=80), tiers(row()), tiers(row()), tiers(down("openai-eu/gpt-4.1")))
    text = file.getvalue()
    assert "\x1b" not in text
    assert text.count("DEPLOYMENT") == 2
    assert "and more" not in text
    lines = [line for line in text.splitlines() if " s  " in line]
    assert lines == [
        "  2.0 s  openai-eu/gpt-4.1: up -> down (breaker_open)",
        "  9.0 s  kill \N{REPLACEMENT CHARACTER}medium",
    ]
    assert len(next(line for line in text.splitlines() if "DEPLOYMENT" in line)) > 80
    assert "✕ openai-eu/gpt-4.1 down for 4m00s: " in text.split("  9.0 s")[1]


def test_a_terminal_is_redrawn_below_what_happened() -> None:
    """With what is to be shown beside the table; it is given back with its cursor."""
    file = io.StringIO()
    console = Console(file=file, width=80, height=40, force_terminal=True, color_system=None, legacy_windows=False)
    console._environ = {"TERM": "xterm"}
    run(console, tiers(row()), tiers(down("openai-eu/gpt-4.1")))
    text = file.getvalue()
    assert text.count("and more") >= 2
    assert "  1.0 s  openai-eu/gpt-4.1: up -> down (breaker_open)\n" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


def test_a_terminal_that_cannot_be_redrawn_is_written_to_as_a_pipe_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """TERM=dumb."""
    file = io.StringIO()
    monkeypatch.setenv("TERM", "dumb")
    run(Console(file=file, width=80, force_terminal=True), tiers(row()))
    assert "\x1b" not in file.getvalue()
    assert file.getvalue().count("DEPLOYMENT") == 2


def test_nothing_was_shown_nothing_is_repeated() -> None:
    """What ends before the first document leaves nothing."""
    file = io.StringIO()
    with screen.Screen(Console(file=file)):
        pass
    assert file.getvalue() == ""
