"""Events of the table: what the timeline, the log and alerts are told, and who tells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lbd.model.event import Event
from lbd.model.table import HealthState, Reason
from lbd.model.units import Instant
from lbd.ports import Env
from lbd.state.row import Row
from lbd.state.uplink import Uplink

_BAD = frozenset({HealthState.DOWN, HealthState.LOCKED, HealthState.SUSPECT, HealthState.DEGRADED})

Listener = Callable[[Event], None]


class Herald:
    """Numbers the events of one table and tells every listener of them, in order."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._last = 0
        self.listeners: list[Listener] = []

    def emit(
        self,
        kind: str,
        subject: str,
        reason: str,
        *,
        level: str = "info",
        before: str | None = None,
        after: str | None = None,
        evidence: dict[str, object] | None = None,
        by: str | None = None,
    ) -> None:
        """Tell every listener of an event."""
        self._last += 1
        event = Event(
            self._last,
            self._env.wall(),
            kind,
            subject,
            reason,
            level,
            None if before is None else str(before),
            None if after is None else str(after),
            evidence or {},
            by,
        )
        for listener in self.listeners:
            listener(event)


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


def ejected(row: Row, now: Instant) -> dict[str, Any]:
    """Return the arguments of the event of an ejection. The row's word may stay: it may be degraded already."""
    e = row.ejection
    evidence: dict[str, object] = {
        "value": e.value,
        "limit": e.limit,
        "for_s": round(e.until - now, 3),
        "times": e.times,
    }
    return {"kind": "ejected", "subject": row.spec.id, "reason": e.reason, "level": "warning", "evidence": evidence}


def new_build(row: Row, seen: str) -> dict[str, Any]:
    """Return the arguments of the event that says that another build of the model answers now."""
    return {
        "kind": "fingerprint_changed",
        "subject": row.spec.id,
        "reason": "new_build",
        "before": row.fingerprints[-1],
        "after": seen,
        "evidence": {"known": list(row.fingerprints)},
    }


def uplink(now: Uplink) -> dict[str, Any]:
    """Return the arguments of the event that says how this host's way out fares."""
    word, level = ("uplink_lost", "error") if now.lost else ("uplink_back", "info")
    return {
        "kind": word,
        "subject": "lbd",
        "reason": "own_network" if now.lost else "recovered",
        "level": level,
        "evidence": {"hosts": sorted(host for host, _ in now.failed)},
    }
