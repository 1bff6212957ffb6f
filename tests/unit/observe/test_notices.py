"""What receivers are sent: each in the form that it takes."""

from __future__ import annotations

import json
import re
from typing import Any

from lbd.model.alert import RULES, Kind, Rule, Severity
from lbd.observe.notices import MOST, Written, body
from lbd.state.alerts import Alert, Phase

SINCE, CHANGED, NOW, UNTIL = (f"2026-11-27T10:0{i}:00.000Z" for i in range(4))


def written(phase: Phase = Phase.FIRING, rule: Rule = Rule.ERROR_RATE, subject: str = "a/m", **more: Any) -> Written:
    given: dict[str, Any] = {"value": 0.25, "limit": 0.02, "text": f"{subject}: 25 % failed", **more}
    severity = given.pop("severity", Severity.WARNING)
    return Written(Alert(rule, subject, severity, phase, 10.0, 70.0, None, **given), SINCE, CHANGED)


def made(kind: Kind, *alerts: Written, **labels: str) -> Any:
    return json.loads(json.dumps(body(kind, alerts, labels, NOW, UNTIL)))


def test_the_webhook_gets_everything() -> None:
    """With a version, and the remedy for this very subject."""
    document = made(Kind.WEBHOOK, written(), written(Phase.RESOLVED, Rule.TIER_DOWN, "primary"), team="x")
    assert (document["schema"], document["time"], document["labels"]) == ("lbd/alerts/v1", NOW, {"team": "x"})
    first, second = document["alerts"]
    assert first == {
        "id": "error_rate:a/m",
        "state": "firing",
        "rule": "error_rate",
        "subject": "a/m",
        "severity": "warning",
        "since": SINCE,
        "changed": CHANGED,
        "value": 0.25,
        "limit": 0.02,
        "title": "A deployment fails too often",
        "text": "a/m: 25 % failed",
        "remedy": RULES[Rule.ERROR_RATE].remedy.replace("{subject}", "a/m"),
    }
    assert (second["state"], second["changed"]) == ("resolved", CHANGED)


def test_alertmanager_gets_labels_that_stay_and_annotations_that_change() -> None:
    """One alert is one set of labels; what fires ends ahead, what is over ended then."""
    first, second, third = made(
        Kind.ALERTMANAGER,
        written(),
        written(Phase.RESOLVED, Rule.BUDGET_USED, "client/c/day", value=0.95),
        written(Phase.FIRING, Rule.STORE_DOWN, "store", severity=Severity.CRITICAL),
        environment="prod",
    )
    assert first["labels"] == {
        "alertname": "LbdErrorRate",
        "severity": "warning",
        "deployment": "a/m",
        "environment": "prod",
        "job": "lbd",
    }
    assert (first["startsAt"], first["endsAt"]) == (SINCE, UNTIL)
    assert (second["labels"]["budget"], second["endsAt"]) == ("client/c/day", CHANGED)
    assert third["labels"].keys() == {"alertname", "severity", "environment", "job"}
    assert first["annotations"].keys() == {"summary", "description", "remedy"}
    assert all(isinstance(v, str) for one in (first, second, third) for v in one["labels"].values())
    assert all(re.fullmatch(r"[a-zA-Z_]\w*", k) for one in (first, second, third) for k in one["labels"])


def test_slack_gets_a_message_that_says_it_all() -> None:
    """What it would read as a mention or a link is text; a sign and a word for how bad it is."""
    document = made(Kind.SLACK, written(text="<!channel> & co"), written(Phase.RESOLVED, subject="b/m"), env="prod")
    assert document["text"].startswith("lbd env=prod: 1 firing, 1 over; A deployment fails too often: a/m")
    head, first, second = (block["text"]["text"] for block in document["blocks"])
    assert head == "*lbd env=prod: 1 firing, 1 over*"
    assert ":warning: *A deployment fails too often (warning)*\n&lt;!channel&gt; &amp; co\nsince" in first
    assert "lbd ctl drain a/m" in first and "over: " in second and CHANGED in second
    assert all(
        b == {"type": "section", "text": {"type": "mrkdwn", "text": b["text"]["text"]}} for b in document["blocks"]
    )
    critical = made(Kind.SLACK, written(severity=Severity.CRITICAL))
    assert ":rotating_light:" in critical["blocks"][1]["text"]["text"]


def test_a_storm_is_one_message_of_a_bounded_size() -> None:
    """Slack takes 50 blocks of 3,000 characters."""
    storm = [written(subject=f"p/{i}", text="x" * 5000) for i in range(200)]
    document = made(Kind.SLACK, *storm)
    assert len(document["blocks"]) == MOST + 2 and "and 180 more" in document["blocks"][-1]["text"]["text"]
    assert all(len(b["text"]["text"]) <= 3000 for b in document["blocks"]) and len(document["text"]) <= 3000
    assert len(made(Kind.ALERTMANAGER, *storm)) == len(made(Kind.WEBHOOK, *storm)["alerts"]) == 200
