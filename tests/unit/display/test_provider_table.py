"""One row in cells and in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lbd.display import provider_table
from lbd.display.paint import Paint
from lbd.display.provider_table import cells, span, why
from lbd.model import report as out
from lbd.model.scored import ScoredOut
from lbd.model.table import HealthState
from tests.fakes.console_server import TIME, down, health, providers, quantiles, row, windows

TIER = {"name": "primary", "slo": {"ttft_p95_s": 1.5, "error_rate_max": 0.02}}


def text(made: out.DeploymentOut) -> dict[str, str]:
    return {k: c.text for k, c in cells(TIER, msgspec.to_builtins(made), TIME).items()}


def reason(made: out.DeploymentOut) -> str | None:
    told = why(TIER, msgspec.to_builtins(made), TIME)
    return None if told is None else "".join(c.text for c in told)


def test_a_healthy_row_says_so_in_numbers() -> None:
    """Percentiles come with the target and the number of samples behind them."""
    assert text(row()) == {
        "tier": "primary",
        "deployment": "openai-eu/gpt-4.1",
        "state": "● up",
        "admin": "ready",
        "breaker": "closed",
        "p50": "310",
        "p95": "820",
        "p99": "1200",
        "slo": "1500",
        "n": "1841",
        "errors": "0.4",
        "quality": "0.92",
        "inflight": "14/64",
        "rps": "6.1",
        "tps": "40",
        "quota": "81",
        "uptime": "99.6",
        "probe": "7s",
    }


def test_every_column_has_a_cell() -> None:
    """And the other way round."""
    assert {c.name for c in provider_table.COLUMNS} == set(text(row()))


@pytest.mark.parametrize("state", list(HealthState))
def test_every_state_has_a_mark_of_its_own_beside_its_word(state: HealthState) -> None:
    """Colour never says anything alone."""
    shown = text(row(state=state))["state"]
    assert shown.endswith(f" {state}")
    others = {text(row(state=s))["state"][0] for s in HealthState if s is not state}
    assert shown[0] not in others


def test_no_data_is_a_dot_and_never_a_zero() -> None:
    """A row without traffic has not failed nothing of nothing."""
    idle = row(
        ttft_s=windows(), errors=out.ErrorsOut(None, 0, {}, None), uptime=out.UptimeOut(None, None, None), quota=[],
        quota_left=1.0, limit=None, inflight=0, probe_age_s=None, throughput_tps=None, quality={},
    )  # fmt: skip
    shown = text(idle)
    assert {k for k, v in shown.items() if v == "·"} == {
        "p50", "p95", "p99", "n", "errors", "tps", "uptime", "quota", "probe", "quality",
    }  # fmt: skip
    assert shown["inflight"] == "0"


def test_what_is_over_its_limit_is_marked_and_explained() -> None:
    """A mark, for those who see no colour; and a sentence."""
    late = row(ttft_s=windows(quantiles(0.5, 2.41, 3.9, 20)), errors=out.ErrorsOut(0.25, 8, {"server_error": 2}, 0.0))
    assert (text(late)["p95"], text(late)["errors"]) == ("2410!", "25.0!")
    assert reason(late) == (
        "● openai-eu/gpt-4.1 up for 20m00s: p95 of 5 minutes 2410 ms over the target of 1500 ms;"
        " 2 of 8 attempts failed in 5 minutes (server_error 2)"
    )


@pytest.mark.parametrize(
    ("quality", "failed", "told"),
    [
        ({"default": 0.92}, 0, "0.92"),
        ({"default": 0.92}, 3, "0.92 (3 failed)"),
        ({"code": 0.5}, 0, "·"),
        ({}, 3, "(3 failed)"),
        ({"default": 1.0}, 1, "1 (1 failed)"),
    ],
)
def test_answers_that_failed_a_check_are_told_beside_the_quality(
    quality: dict[str, float], failed: int, told: str
) -> None:
    """In words, and marked; they are no reason for a row not to be green."""
    made = row(quality=quality, quality_failures=out.QualityOut(failed, 40))
    cell = cells(TIER, msgspec.to_builtins(made), TIME)["quality"]
    assert cell == (told, "warn" if failed else "") and reason(made) is None


def scored(phase: str = "in_use", family: str = "all", value: float | None = 0.8765) -> ScoredOut:
    return ScoredOut(family, value, None if value is None else 0.8412, 0.9, 80.0, 90, 3.0, phase, 0.92)


@pytest.mark.parametrize(
    ("scores", "told", "style"),
    [
        ([scored()], "0.88>0.84", ""),
        ([scored(value=None)], "0.92", ""),
        ([scored("dropped"), scored("probation", "code")], "0.88>0.84 dropped: all, code", "bad"),
    ],
)
def test_a_measured_quality_is_told_with_what_it_is_at_least(scores: list[ScoredOut], told: str, style: str) -> None:
    """And where it was lost."""
    made = row(quality={"default": 0.92}, scores=scores, quality_failures=out.QualityOut(0, 40))
    assert cells(TIER, msgspec.to_builtins(made), TIME)["quality"] == (told, style)


def test_a_green_row_needs_no_reason() -> None:
    """Silence is good news."""
    assert reason(row()) is None


def test_a_row_that_is_down_says_why_and_when_it_may_be_tried() -> None:
    """Its failures are not told twice."""
    assert text(down())["breaker"] == "open 9s"
    assert reason(down()) == (
        "✕ local-a/smollm2 down for 4m00s: breaker_open, opened by connect; a last-resort trial may go there in 9s"
    )


def test_the_numbers_behind_a_state_are_told() -> None:
    """Value against limit."""
    slow = row(state="degraded", reason=out.ReasonOut("slo_p95", "p95 of the first content", 2.41, 1.5))
    assert "slo_p95, p95 of the first content (2.41 against 1.5)" in str(reason(slow))


def test_half_open_shows_its_progress() -> None:
    """n of m trials."""
    trying = row(breaker=out.BreakerOut("half_open", "connect", 1, None, out.HalfOpenOut(1, 3)))
    assert text(trying)["breaker"] == "half-open 1/3"


def test_an_open_breaker_without_a_time_is_open() -> None:
    """No time, no promise."""
    assert text(row(breaker=out.BreakerOut("open", "connect", 1, None, out.HalfOpenOut(0, 3))))["breaker"] == "open"


@pytest.mark.parametrize(
    ("admin", "cell", "told"),
    [
        (out.AdminOut("drain", None, "ana (unix socket)"), "drain", "drained by ana (unix socket)"),
        (out.AdminOut("maint", None, "token"), "maint", "in maintenance by token"),
        (out.AdminOut("ready", 0.5, "token"), "ready weight 0.5", "weight 0.5 ordered by token"),
        (
            out.AdminOut("drain", 0.5, "ana", "2026-11-24T09:29:50.000Z", "2026-11-24T10:20:00.000Z"),
            "drain weight 0.5",
            "drained by ana for another 9m50s; weight 0.5 ordered by ana for another 1h00m",
        ),
    ],
)
def test_an_order_is_told_with_who_gave_it(admin: out.AdminOut, cell: str, told: str) -> None:
    """Apart from health: a drained row may be well. And for how long, where it ends by itself."""
    made = row(admin=admin)
    assert text(made)["admin"] == cell
    assert str(reason(made)).endswith(f"up for 20m00s: {told}")


def test_stale_data_is_told_unless_probes_were_switched_off() -> None:
    """Old numbers are no numbers; in maintenance they are meant to be old."""
    assert "no recent probe" in str(reason(row(health=health(stale=True))))
    assert "never probed" in str(reason(row(health=health(stale=True), probe_age_s=None)))
    resting = row(health=health(stale=True), admin=out.AdminOut("maint", None, "token"))
    assert "probe" not in str(reason(resting))


def test_the_verdict_is_a_mark_a_word_and_a_sentence() -> None:
    """First line of everything."""
    told: dict[str, Any] = providers(status="fail", summary="no deployment can serve")
    assert "".join(c.text for c in provider_table.verdict(told)) == "✕ FAIL  no deployment can serve"


def test_the_whole_of_it_is_verdict_table_and_reasons() -> None:
    """A row that is well has no reason; where all are well the table is the end."""
    lines = provider_table.lines(providers(row(), down()), Paint(False), None)
    assert [line.split()[0] for line in lines if line] == ["●", "TIER", "primary", "primary", "✕"]
    assert len(provider_table.lines(providers(row()), Paint(False), None)) == 4
    assert [cells["deployment"].text for cells in provider_table.body(providers(row(), down()))] == [
        "openai-eu/gpt-4.1",
        "local-a/smollm2",
    ]
    assert len(provider_table.reasons(providers(row(), down()))) == 1


@pytest.mark.parametrize(
    ("seconds", "told"), [(-1, "0s"), (0.4, "0s"), (59.9, "59s"), (61, "1m01s"), (3600, "1h00m"), (90000, "1d01h")]
)
def test_a_duration_has_two_units_at_most(seconds: float, told: str) -> None:
    """Enough to know."""
    assert span(seconds) == told


def test_short_times_keep_a_digit() -> None:
    """A local model answers in milliseconds."""
    assert (provider_table.ms(0.0042), provider_table.ms(0.42), provider_table.ms(None)) == ("4.2", "420", "·")


def test_times_are_shown_as_the_hosts_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of time that the API writes."""
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert provider_table.local("2026-11-24T09:20:00.123Z") == "2026-11-24 10:20:00"
        assert provider_table.local(1795512000.0) == "2026-11-24 10:20:00"
    finally:
        monkeypatch.undo()
        time.tzset()
