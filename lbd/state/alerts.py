"""Alerts over time: a condition that has held for long enough fires, one that has been clear for long enough is over.

============  ==================================  ===========
from          when                                to
============  ==================================  ===========
nothing       broken                              pending, or firing where it need not hold
pending       clear                               nothing
pending       broken for ``for_s``                firing
firing        clear for ``clear_s`` on end        resolved
firing        its rule is switched off            resolved
resolved      broken                              pending, or firing
resolved      ``KEPT`` later                      nothing
============  ==================================  ===========

What is not looked at is clear: its subject is gone, or, after a restart, not there yet. A condition that is broken now
and then within ``clear_s`` is one alert, told once. Silences belong to an id (rule and subject), not to one alert of
it: they may begin before it, and outlive it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from lbd.model.alert import Rule, RulePlan, Severity
from lbd.model.units import Instant, Seconds

KEPT: Seconds = 900.0  # an alert that is over is shown, and tried to be told, for so long


class Phase(StrEnum):
    """Where an alert is."""

    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Reading(NamedTuple):
    """What was found at one look. ``value`` None: there is nothing to judge by, which is no breach."""

    rule: Rule
    subject: str
    broken: bool
    value: float | None
    limit: float | None
    text: str

    @property
    def id(self) -> str:
        """Name it for ever."""
        return f"{self.rule}:{self.subject}"


class Alert(msgspec.Struct, frozen=True):
    """One alert with its evidence: of a firing one the last that was broken."""

    rule: Rule
    subject: str
    severity: Severity
    phase: Phase
    since: Instant
    changed: Instant
    clear_since: Instant | None
    value: float | None
    limit: float | None
    text: str

    @property
    def id(self) -> str:
        """Name it for ever."""
        return f"{self.rule}:{self.subject}"


class Silence(msgspec.Struct, frozen=True):
    """Nobody is told of an id before ``until``."""

    until: Instant
    by: str
    reason: str = ""


class Board(msgspec.Struct, frozen=True):
    """All alerts and silences, by id."""

    alerts: Mapping[str, Alert] = {}
    silences: Mapping[str, Silence] = {}


class Change(NamedTuple):
    """An alert that has begun to fire, or is over."""

    before: Phase | None
    alert: Alert


def step(alert: Alert | None, reading: Reading, plan: RulePlan, now: Instant) -> Alert | None:
    """Return what becomes of an alert by one reading."""
    if not reading.broken:
        return None if alert is None else _clear(alert, plan, now)
    seen = {"value": reading.value, "limit": reading.limit, "text": reading.text, "severity": plan.severity}
    if alert is None or alert.phase is Phase.RESOLVED:
        phase = Phase.PENDING if plan.for_s > 0 else Phase.FIRING
        text = reading.text
        return Alert(
            reading.rule, reading.subject, plan.severity, phase, now, now, None, reading.value, reading.limit, text
        )
    if alert.phase is Phase.PENDING and now - alert.since >= plan.for_s:
        return replace(alert, phase=Phase.FIRING, changed=now, **seen)
    return replace(alert, clear_since=None, **seen)


def _clear(alert: Alert, plan: RulePlan, now: Instant) -> Alert | None:
    if alert.phase is Phase.PENDING:
        return None
    if alert.phase is Phase.RESOLVED:
        return alert if now - alert.changed < KEPT else None
    since = now if alert.clear_since is None else alert.clear_since
    if now - since >= plan.clear_s:
        return replace(alert, phase=Phase.RESOLVED, changed=now, clear_since=since)
    return replace(alert, clear_since=since)


def look(
    board: Board, readings: Iterable[Reading], rules: Mapping[Rule, RulePlan], now: Instant
) -> tuple[Board, list[Change]]:
    """Return the board after a look at everything, and what began or ended by it."""
    alerts: dict[str, Alert] = {}
    seen: set[str] = set()
    for reading in readings:
        plan = rules.get(reading.rule)
        if plan is None:
            continue
        seen.add(reading.id)
        after = step(board.alerts.get(reading.id), reading, plan, now)
        if after is not None:
            alerts[reading.id] = after
    for id_, alert in board.alerts.items():
        if id_ not in seen and (left := _gone(alert, rules.get(alert.rule), now)) is not None:
            alerts[id_] = left
    silences = {id_: s for id_, s in board.silences.items() if now < s.until}
    changes = []
    for id_, alert in alerts.items():
        old = board.alerts.get(id_)
        before = None if old is None else old.phase
        if alert.phase is not before and alert.phase is not Phase.PENDING:
            changes.append(Change(before, alert))
    return Board(alerts, silences), changes


def _gone(alert: Alert, plan: RulePlan | None, now: Instant) -> Alert | None:
    """Its subject was not looked at; without a plan it will not be."""
    left = _clear(alert, RulePlan(alert.severity, 0.0, 0.0) if plan is None else plan, now)
    if left is not None and left.phase is Phase.RESOLVED and alert.phase is Phase.FIRING:
        return replace(left, text=f"{alert.subject} is not watched any more; before: {alert.text}")
    return left


def silence(board: Board, id_: str, told: Silence | None) -> Board:
    """Return the board with a silence, or without the one that was there."""
    silences = {key: s for key, s in board.silences.items() if key != id_}
    if told is not None:
        silences[id_] = told
    return replace(board, silences=silences)


# --- who has been told what --------------------------------------------------------------------------


class Told(NamedTuple):
    """What a receiver was told of an id last, and when."""

    phase: Phase
    at: Instant


def due(board: Board, told: Mapping[str, Told], now: Instant, repeat_s: Seconds) -> list[Alert]:
    """Return what a receiver has to be told now: each begin and end once, what goes on every ``repeat_s``.

    What was over before it could be told is told to nobody.
    """
    out = []
    for id_, alert in board.alerts.items():
        last = told.get(id_)
        known = last is not None and last.phase is Phase.FIRING
        if alert.phase is Phase.RESOLVED:
            wanted = known
        else:
            fresh = last is None or last.phase is not Phase.FIRING or last.at < alert.changed
            again = last is not None and now - last.at >= repeat_s
            wanted = alert.phase is Phase.FIRING and id_ not in board.silences and (fresh or again)
        if wanted:
            out.append(alert)
    return out


def note(board: Board, told: Mapping[str, Told], sent: Iterable[Alert], now: Instant) -> dict[str, Told]:
    """Return what a receiver knows once it has taken what was ``sent``; what is on no board any more is forgotten."""
    after = {id_: t for id_, t in told.items() if id_ in board.alerts}
    after.update({alert.id: Told(alert.phase, now) for alert in sent})
    return after


# --- over a restart: instants are of one run, so ages are written ------------------------------------


def shifted(board: Board, by: Seconds) -> Board:
    """Return the board with every instant moved."""

    def moved(alert: Alert) -> Alert:
        clear = None if alert.clear_since is None else alert.clear_since + by
        return replace(alert, since=alert.since + by, changed=alert.changed + by, clear_since=clear)

    return Board(
        {id_: moved(a) for id_, a in board.alerts.items()},
        {id_: replace(s, until=s.until + by) for id_, s in board.silences.items()},
    )
