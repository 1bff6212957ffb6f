from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.model.table import HealthState, Reason
from lbd.state.row import Row
from lbd.state.stall import Stall
from lbd.state.uplink import CLEAR, Sign, Uplink
from lbd.table.telling import stalled, state_change, uplink
from tests.fakes.tables import owned


def row(state: HealthState) -> Row:
    _, owner = owned("p/a")
    owner.rows[0].state = state
    return owner.rows[0]


@pytest.mark.parametrize(
    ("before", "after", "level"),
    [
        (HealthState.UNKNOWN, HealthState.UP, "debug"),
        (HealthState.DOWN, HealthState.UP, "info"),
        (HealthState.DOWN, HealthState.RECOVERING, "info"),
        (HealthState.UP, HealthState.SUSPECT, "warning"),
        (HealthState.UP, HealthState.DEGRADED, "warning"),
        (HealthState.SUSPECT, HealthState.DOWN, "warning"),
        (HealthState.UNKNOWN, HealthState.LOCKED, "warning"),
    ],
)
def test_the_level_says_whether_somebody_should_look(before: HealthState, after: HealthState, level: str) -> None:
    """A first sign of life is no news; getting worse is a warning."""
    event = state_change(row(after), before, Reason("x"))
    assert (event["level"], event["before"], event["after"]) == (level, before, after)


def test_an_event_holds_the_numbers_behind_it() -> None:
    """What it was, what its limit is, how many requests run there, how often the breaker opened."""
    reason = Reason("slo_p95", "p95 of the first content", 2.5, 1.5)
    event = state_change(row(HealthState.DEGRADED), HealthState.UP, reason)
    assert (event["kind"], event["subject"], event["reason"]) == ("state_changed", "p/a", "slo_p95")
    assert event["evidence"] == {
        "inflight": 0,
        "openings": 0,
        "value": 2.5,
        "limit": 1.5,
        "text": "p95 of the first content",
    }


def test_a_number_of_nothing_is_evidence_too() -> None:
    """0 is a value; what is not known is left out."""
    assert state_change(row(HealthState.DEGRADED), HealthState.UP, Reason("r", value=0.0))["evidence"]["value"] == 0.0
    assert set(state_change(row(HealthState.UP), HealthState.DOWN, Reason("ok"))["evidence"]) == {
        "inflight",
        "openings",
    }


@pytest.mark.parametrize(
    ("kinds", "where"),
    [
        ((FailureKind.DNS, FailureKind.DNS), "see to its resolver"),
        ((FailureKind.TLS, FailureKind.TLS), "see to its clock"),
        ((FailureKind.CONNECT, FailureKind.RESET), "see to its network"),
        ((FailureKind.DNS, FailureKind.CONNECT), "see to its network"),
    ],
)
def test_a_way_out_that_is_lost_is_told_with_hosts_signs_and_where_to_look(
    kinds: tuple[FailureKind, ...], where: str
) -> None:
    """And with the breakers that were closed again for it; its end is told, too."""
    lost = Uplink(tuple(Sign(host, kind, 1.0) for host, kind in zip("ba", kinds, strict=True)), lost=True)
    event = uplink(lost, ["p/a"])
    assert (event["kind"], event["level"], event["subject"]) == ("uplink_lost", "error", "lbd")
    assert event["evidence"]["hosts"] == ["a", "b"]
    assert event["evidence"]["signs"] == sorted(set(map(str, kinds)))
    assert event["evidence"]["breakers_closed_again"] == ["p/a"]
    assert "a, b" in event["evidence"]["text"] and where in event["evidence"]["text"]
    assert (uplink(CLEAR)["kind"], uplink(CLEAR)["level"]) == ("uplink_back", "info")


def test_a_stall_is_told_with_its_length_and_its_kind() -> None:
    """A machine that was suspended is known by the clock on the wall."""
    assert stalled(Stall(1.0, 3.5))["evidence"]["for_s"] == 2.5
    assert stalled(Stall(1.0, 3.5))["reason"] == "late"
    assert stalled(Stall(1.0, 1.1, 60.0))["reason"] == "suspended_or_clock_set"
