"""The live table: what the admin API's document says, in a terminal's words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from rich.console import Console

from lbd.demo import screen
from lbd.model.table import HealthState
from tests.fakes import console_server


def document(**changes: Any) -> dict[str, Any]:
    """Return the document of one tier with one row, changed so."""
    row = {**msgspec.to_builtins(console_server.row("eu/gpt")), **changes}
    slo = {"ttft_p95_s": 1.5, "error_rate_max": 0.02}
    tier = {"name": "primary", "slo": slo, "deployments": [row]}
    return {"status": "pass", "summary": "all well", "tiers": [tier]}


def drawn(told: dict[str, Any], width: int = 220, *more: Any) -> str:
    """Return the screen as text."""
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(screen.page(told, *more))
    return capture.get()


def test_the_row_is_there_with_its_figures() -> None:
    """Tier, name, state, percentiles in milliseconds, limits."""
    text = drawn(document(inflight=14, limit=64.0, rps=3.25, throughput_tps=41.7, probe_age_s=7.2))
    for word in (
        "PASS",
        "all well",
        "primary",
        "eu/gpt",
        "● up",
        "closed",
        "310/820/1200",
        "1500",
        "14/64",
        "3.2",
        "42",
    ):
        assert word in text, (word, text)
    assert "7s" in text


def test_what_is_not_known_is_a_dot() -> None:
    """No number is made up."""
    none = {"p50": None, "p95": None, "p99": None, "n": 0, "window_s": 300.0}
    unknown = document(
        ttft_s={"1m": none, "5m": none, "1h": none},
        limit=None,
        throughput_tps=None,
        probe_age_s=None,
        uptime={"5m": None, "30m": None, "1d": None},
        errors={"ratio": None, "n": 0, "by_kind": {}, "timeout_ratio": None, "window_s": 300.0},
    )
    text = drawn(unknown)
    assert "·/·/·" in text
    assert "None" not in text


@pytest.mark.parametrize("state", [str(s) for s in HealthState])
def test_every_state_has_a_sign(state: str) -> None:
    """Colour alone would not be seen by everybody."""
    assert state in screen._LOOK
    text = drawn(document(state=state))
    assert f"{screen._LOOK[state][1]} {state}" in text


def test_orders_and_reasons_are_shown() -> None:
    """The admin state beside the health, and why."""
    admin = {"state": "drain", "weight": None, "by": "me"}
    reason = {"code": "breaker_open", "text": "opened by connect", "value": 1.0, "limit": None}
    breaker = {**document()["tiers"][0]["deployments"][0]["breaker"], "state": "open"}
    text = drawn(document(state="down", admin=admin, reason=reason, breaker=breaker), 260)
    assert "[drain]" in text
    assert "breaker_open: opened by connect" in text
    assert "open" in text


@pytest.mark.parametrize("status", ["pass", "warn", "fail"])
def test_the_verdict_comes_first(status: str) -> None:
    """Whatever else is on the screen."""
    text = drawn({**document(), "status": status}, 200, "and more")
    assert text.split()[0] == status.upper()
    assert text.rstrip().endswith("and more")


def test_a_narrow_terminal_is_no_reason_to_fail() -> None:
    """Cells are cut, lines stay within the width."""
    for width in (40, 80, 120):
        assert all(len(line) <= width for line in drawn(document(), width).splitlines())


def test_milliseconds() -> None:
    """Rounded; a dot where there is none."""
    assert (screen.ms(0.0316), screen.ms(1.5), screen.ms(0.0), screen.ms(None)) == ("32", "1500", "0", "·")
