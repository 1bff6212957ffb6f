"""Events: what the timeline, the log and alerts tell an operator."""

from __future__ import annotations

import msgspec
import pytest

from lbd.model.event import Event


def test_an_event_is_data_that_encodes_with_its_evidence() -> None:
    """It goes to the timeline's readers as it is."""
    event = Event(7, 1.7e9, "state_changed", "p/a", "breaker_open", "warning", "up", "down", {"openings": 2})
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_events_do_not_share_their_evidence_and_cannot_be_changed() -> None:
    """One without numbers must not get another's; what happened has happened."""
    one, other = (Event(i, 1.7e9, "reloaded", "config", "ordered") for i in (1, 2))
    one.evidence["note"] = "mine"
    assert other.evidence == {}
    assert (one.level, one.by) == ("info", None)
    with pytest.raises(AttributeError):
        one.level = "error"  # type: ignore[misc]
