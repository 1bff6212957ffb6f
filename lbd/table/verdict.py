"""Whether the table as a whole is well: one word and one sentence."""

from __future__ import annotations

import math

from lbd.model import report as out
from lbd.model.table import AdminState, HealthState
from lbd.model.units import Instant, Seconds
from lbd.state.row import Row
from lbd.table.owner import Owner

STALE_INTERVALS = 2.0

_WORKS = frozenset({HealthState.UP, HealthState.UNKNOWN, HealthState.DEGRADED, HealthState.RECOVERING})


def serving(row: Row) -> bool:
    """Tell whether requests are sent there."""
    return row.admin is AdminState.READY and (row.state in _WORKS or row.state is HealthState.SUSPECT)


def stale(row: Row, now: Instant, probe_every_s: Seconds) -> bool:
    """Tell whether nothing was heard of ``row`` for two rounds of probes; requests are news as well as probes."""
    return now - _heard(row) > STALE_INTERVALS * probe_every_s


def _heard(row: Row) -> Instant:
    return max(row.last_used, *(p.at for p in row.probes.values()), -math.inf)


def _unheard(row: Row, now: Instant, probe_every_s: Seconds) -> Seconds | None:
    """Return for how long nothing was heard of a stale row; a new one is given the time of its first probes."""
    span = now - max(_heard(row), row.watched_from)
    return span if span > STALE_INTERVALS * probe_every_s else None


def verdict(owner: Owner, now: Instant, probe_every_s: Seconds) -> tuple[out.Status, str]:
    """Return pass, warn or fail, and one sentence that says what is wrong. What an operator took out is no fault."""
    meant = [r for r in owner.rows if r.admin is AdminState.READY]
    if not any(serving(r) for r in meant):
        return "fail", "no deployment can serve"
    bad = [r for r in meant if r.state not in (HealthState.UP, HealthState.UNKNOWN)]
    if bad:
        return "warn", _worst(bad)
    silent = {r.spec.id: span for r in meant if (span := _unheard(r, now, probe_every_s)) is not None}
    if silent:
        longest = max(silent, key=lambda i: silent[i])
        more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
        return "warn", f"{longest} stale{more}, no_news: neither probed nor used for {silent[longest]:.0f} s"
    ordered = [r.spec.id for r in owner.rows if r.admin is not AdminState.READY]
    return "pass", f"all deployments are well{'; out by order: ' + ', '.join(ordered) if ordered else ''}"


def _worst(bad: list[Row]) -> str:
    worst = min(bad, key=lambda r: _ORDER.index(r.state))
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    reason = worst.reason
    numbers = ""
    if reason.value is not None and reason.limit is not None:
        numbers = f" ({reason.value:.3g} against {reason.limit:.3g})"
    text = f": {reason.text}" if reason.text else ""
    return f"{worst.spec.id} {worst.state}{more}, {reason.code}{text}{numbers}"


_ORDER = (HealthState.LOCKED, HealthState.DOWN, HealthState.SUSPECT, HealthState.DEGRADED, HealthState.RECOVERING)
