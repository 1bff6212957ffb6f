"""What receivers of alerts are sent: lbd's own JSON, Alertmanager's API version 2, or a message for Slack. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lbd.model.alert import RULES, Kind
from lbd.model.units import Seconds
from lbd.observe.rules import alertname
from lbd.state.alerts import Alert, Phase

VERSION = "lbd/alerts/v1"
AGAIN: Seconds = 60.0  # Alertmanager takes for over what it has not heard of for its resolve_timeout
HOLDS: Seconds = 240.0  # and what was told holds for so long, as Prometheus does it: four times
MOST = 20  # alerts in one message for people; the others are counted


class Written:
    """An alert with its times of day: ``since``, ``changed`` and, once it is over, ``ended``, as RFC 3339."""

    __slots__ = ("alert", "changed", "since")

    def __init__(self, alert: Alert, since: str, changed: str) -> None:
        self.alert = alert
        self.since = since
        self.changed = changed

    @property
    def ended(self) -> str | None:
        """Return when it was over, None while it fires."""
        return self.changed if self.alert.phase is Phase.RESOLVED else None


def remedy(alert: Alert) -> str:
    """Return what to do."""
    return RULES[alert.rule].remedy.replace("{subject}", alert.subject)


def body(kind: Kind, alerts: Sequence[Written], labels: Mapping[str, str], now: str, until: str) -> Any:
    """Return the document for a receiver; ``until``: when what still fires is over, where nothing more is heard."""
    if kind is Kind.ALERTMANAGER:
        return [_alertmanager(a, labels, until) for a in alerts]
    if kind is Kind.SLACK:
        return _slack(alerts, labels)
    return {"schema": VERSION, "time": now, "labels": dict(labels), "alerts": [_own(a) for a in alerts]}


def _own(written: Written) -> dict[str, Any]:
    alert = written.alert
    return {
        "id": alert.id,
        "state": alert.phase,
        "rule": alert.rule,
        "subject": alert.subject,
        "severity": alert.severity,
        "since": written.since,
        "changed": written.changed,
        "value": alert.value,
        "limit": alert.limit,
        "title": RULES[alert.rule].title,
        "text": alert.text,
        "remedy": remedy(alert),
    }


def _alertmanager(written: Written, labels: Mapping[str, str], until: str) -> dict[str, Any]:
    alert, row = written.alert, RULES[written.alert.rule]
    known = {"alertname": alertname(alert.rule), "severity": str(alert.severity)}
    if row.about != "daemon":
        known[row.about] = alert.subject
    return {
        "labels": {**labels, **known, "job": "lbd"},
        "annotations": {"summary": row.title, "description": alert.text, "remedy": remedy(alert)},
        "startsAt": written.since,
        "endsAt": written.ended or until,
    }


def _slack(alerts: Sequence[Written], labels: Mapping[str, str]) -> dict[str, Any]:
    firing = [a for a in alerts if a.ended is None]
    over = len(alerts) - len(firing)
    counts = [f"{len(firing)} firing"] if firing else []
    counts += [f"{over} over"] if over else []
    where = "".join(f" {k}={v}" for k, v in sorted(labels.items()))
    head = f"lbd{where}: {', '.join(counts)}"
    blocks = [_section(f"*{_plain(head)}*"), *map(_told, alerts[:MOST])]
    if len(alerts) > MOST:
        blocks.append(_section(f"and {len(alerts) - MOST} more: lbd status"))
    return {"text": _plain("; ".join([head, *_titles(alerts)])[:3000]), "blocks": blocks}


def _titles(alerts: Iterable[Written]) -> list[str]:
    return [f"{RULES[a.alert.rule].title}: {a.alert.subject}" for a in alerts][:MOST]


def _told(written: Written) -> dict[str, Any]:
    alert = written.alert
    title = f"{RULES[alert.rule].title} ({alert.severity})"
    if written.ended is not None:
        return _section(f":white_check_mark: *over: {_plain(title)}*\n{_plain(alert.subject)} since {written.ended}")
    sign = ":rotating_light:" if alert.severity == "critical" else ":warning:"
    lines = (f"{sign} *{_plain(title)}*", _plain(alert.text), f"since {written.since}", _plain(remedy(alert)))
    return _section("\n".join(lines)[:3000])


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _plain(text: str) -> str:
    """Escape what Slack would read as a link or a mention."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
