from __future__ import annotations

import pytest

from lbd.model.table import HealthState, Reason
from lbd.state.row import Row
from lbd.table.telling import state_change
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
