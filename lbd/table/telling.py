"""A change of state in words: the event that the timeline, the log and alerts get of it."""

from __future__ import annotations

from typing import Any

from lbd.model.table import HealthState, Reason
from lbd.state.row import Row

_BAD = frozenset({HealthState.DOWN, HealthState.LOCKED, HealthState.SUSPECT, HealthState.DEGRADED})


def state_change(row: Row, before: HealthState, reason: Reason) -> dict[str, Any]:
    """Return the arguments of the event that says how ``row`` came from ``before`` to its state, with evidence."""
    if before is HealthState.UNKNOWN and row.state is HealthState.UP:
        level = "debug"
    else:
        level = "warning" if row.state in _BAD else "info"
    evidence: dict[str, object] = {"inflight": row.inflight, "openings": row.breaker.opened_total}
    if reason.value is not None:
        evidence["value"] = reason.value
    if reason.limit is not None:
        evidence["limit"] = reason.limit
    if reason.text:
        evidence["text"] = reason.text
    return {
        "kind": "state_changed",
        "subject": row.spec.id,
        "reason": reason.code,
        "level": level,
        "before": before,
        "after": row.state,
        "evidence": evidence,
    }
