"""The keys of alerts, and what they become."""

from __future__ import annotations

import pytest

from lbd.model.alert import RULES, AlertsSpec, Kind, Rule, Severity
from tests.fakes.configs import LOCAL, checked, problems, warnings

HOOK = "https://hooks.example/lbd"


def spec(text: str, environ: dict[str, str] | None = None) -> AlertsSpec:
    return checked(f"{LOCAL}alerts: {text}\n", environ).alerts


def told(made: AlertsSpec) -> list[tuple[str, Kind, str]]:
    return [(r.name, r.kind, r.url.reveal()) for r in made.receivers]


def test_without_a_word_every_rule_is_watched_and_nobody_told() -> None:
    """By the usual limits; a probe is stale after four rounds."""
    made = checked(LOCAL).alerts
    assert made == AlertsSpec(probe_age_s=100.0) and not made.receivers
    assert checked(f"{LOCAL}probes: {{every_s: 15, timeout_s: 1}}\n").alerts.probe_age_s == 64.0


def test_the_contracts_own_example_is_taken() -> None:
    """A URL that is no key may stand as it is."""
    made = spec(f"{{webhook: {HOOK}, error_rate: 0.05}}")
    assert told(made) == [("webhook", Kind.WEBHOOK, HOOK)] and made.error_rate == 0.05
    assert not [w for w in warnings(f"{LOCAL}alerts: {{webhook: {HOOK}}}\n") if "alerts" in w]


def test_receivers_are_named_by_a_reference_too() -> None:
    """Alertmanager's path is added where it is not there; a cluster's members are one receiver each."""
    made = spec(
        "{webhook: {env: W}, slack: {env: S}, alertmanager: [http://a:9093, {env: A}, http://c/x/api/v2/alerts]}",
        {"W": HOOK, "S": "https://hooks.slack.example/services/T/B/key", "A": "https://u:p@b:9093/"},
    )
    assert told(made) == [
        ("webhook", Kind.WEBHOOK, HOOK),
        ("slack", Kind.SLACK, "https://hooks.slack.example/services/T/B/key"),
        ("alertmanager", Kind.ALERTMANAGER, "http://a:9093/api/v2/alerts"),
        ("alertmanager-2", Kind.ALERTMANAGER, "https://u:p@b:9093/api/v2/alerts"),
        ("alertmanager-3", Kind.ALERTMANAGER, "http://c/x/api/v2/alerts"),
    ]
    assert told(spec("{alertmanager: http://a:9093}"))[0][2] == "http://a:9093/api/v2/alerts"
    assert "hooks" not in repr(made.receivers)


def test_rules_are_told_apart() -> None:
    """Off, with another time, or another severity; a fact needs no time unless one is given."""
    made = spec(
        "{for_s: 30, resolve_for_s: 45, rules: {budget_pace: {enabled: false},"
        " probe_stale: {for_s: 300, severity: critical}, reload_failed: {for_s: 10}}}"
    )
    assert made.rules.keys() == set(Rule) - {Rule.BUDGET_PACE}
    assert made.rules[Rule.PROBE_STALE] == (Severity.CRITICAL, 300.0, 45.0)
    assert made.rules[Rule.RELOAD_FAILED] == (Severity.WARNING, 10.0, 45.0)
    assert made.rules[Rule.ERROR_RATE] == (RULES[Rule.ERROR_RATE].severity, 30.0, 45.0)
    assert made.rules[Rule.HOST_FAULT].for_s == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{webhook: hooks.example}", "6:10: alerts.webhook: must be an http:// or https:// URL"),
        ("{webhook: 'http://[::1'}", "6:10: alerts.webhook: this is no URL"),
        ("{webhook: 'http://h:99999/'}", "6:10: alerts.webhook: this is no URL"),
        ("{webhook: 'http://h/a b'}", "6:10: alerts.webhook: a URL has no spaces and only ASCII"),
        ("{slack: {env: GONE}}", "6:10: alerts.slack: the environment variable GONE is not set"),
        ("{slack: {env: BAD}}", "6:10: alerts.slack: must be an http:// or https:// URL"),
        ("{alertmanager: [http://a, ftp://b]}", "6:35: alerts.alertmanager[1]: must be an http:// or https:// URL"),
        ("{rules: {probe_stal: {}}}", "6:18: alerts.rules.probe_stal: there is no such rule. Known: requests_fail,"),
        ("{labels: {1a: x}}", "6:19: alerts.labels.1a: a label's name is letters, digits and _"),
        ("{labels: {severity: x}}", "6:19: alerts.labels.severity: severity is a label that lbd sets"),
        ("{labels: {deployment: x}}", "6:19: alerts.labels.deployment: deployment is a label that lbd sets"),
        ("{error_rate: 0}", "6:10: alerts.error_rate: expected a number > 0"),
        ("{repeat_s: 1}", "6:10: alerts.repeat_s: expected a number >= 60"),
        ("{rules: {probe_stale: {severity: bad}}}", "6:32: alerts.rules.probe_stale.severity: "),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text: str, expected: str) -> None:
    """And never the value, which may be a key."""
    (found,) = problems(f"{LOCAL}alerts: {text}\n", {"BAD": "sk-secret"})
    assert found.startswith(expected) and "sk-secret" not in found


@pytest.mark.parametrize(
    "text",
    [
        "{slack: https://hooks.slack.example/services/T/B/x}",
        "{webhook: 'https://u:p@h/'}",
        "{webhook: 'https://h/?key=1'}",
    ],
)
def test_a_url_that_is_a_key_should_not_stand_there(text: str) -> None:
    """It works, and is doubtful."""
    (found,) = (w for w in warnings(f"{LOCAL}alerts: {text}\n") if "alerts" in w)
    assert "this URL is a key in plain text" in found
