"""Events of the table: what the timeline, the log and alerts are told, and who tells them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lbd.model.event import Event
from lbd.model.failure import FailureKind
from lbd.model.table import HealthState, Reason
from lbd.model.units import Instant
from lbd.ports import Env
from lbd.state.row import Row
from lbd.state.stall import Stall
from lbd.state.uplink import RESOLVING, Uplink

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


def uplink(now: Uplink, closed: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arguments of the event that says how this host's way out fares; ``closed``: breakers taken back."""
    word, level = ("uplink_lost", "error") if now.lost else ("uplink_back", "info")
    evidence: dict[str, object] = {"hosts": now.hosts}
    if now.lost:
        evidence["signs"] = sorted({str(sign.kind) for sign in now.signs})
        evidence["text"] = cut_off(now)
    if closed:
        evidence["breakers_closed_again"] = list(closed)
    return {
        "kind": word,
        "subject": "lbd",
        "reason": "own_network" if now.lost else "recovered",
        "level": level,
        "evidence": evidence,
    }


def cut_off(now: Uplink) -> str:
    """Say what this host cannot do, and where to look."""
    hosts = ", ".join(now.hosts)
    kinds = {sign.kind for sign in now.signs}
    if kinds <= RESOLVING:
        return f"this host cannot resolve names ({hosts}): see to its resolver"
    if kinds <= {FailureKind.TLS}:
        return f"this host trusts no certificate ({hosts}): see to its clock and its authorities"
    return f"this host cannot reach anybody beyond it ({hosts}): see to its network"


def stalled(found: Stall) -> dict[str, Any]:
    """Return the arguments of the event that says that the process did not run for a while."""
    evidence: dict[str, object] = {
        "for_s": round(found.length_s, 3),
        "text": "time-outs that were noticed late are held against nobody",
    }
    reason = "suspended_or_clock_set" if found.span_s > found.until - found.began else "late"
    return {"kind": "loop_stalled", "subject": "lbd", "reason": reason, "level": "warning", "evidence": evidence}
