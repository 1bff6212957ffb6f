"""The keys that say what is an alert and who is told, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

import msgspec

from lbd.config.strict import Strict
from lbd.config.tree import Path_
from lbd.config.urls import wrong_url
from lbd.model.alert import RULES, AlertsSpec, Kind, Receiver, Rule, RulePlan, Severity
from lbd.model.secret import Secret, SecretRef
from lbd.model.units import Seconds
from lbd.shapes.providers import Count, NonNegative, Positive, Ratio01

Tell: TypeAlias = Callable[[Path_, str], None]
Follow: TypeAlias = Callable[[SecretRef, Path_], Secret | None]

STALE_ROUNDS = 4  # of probes, and their time-out
ALERTMANAGER = "/api/v2/alerts"


class RuleOverride(Strict, frozen=True):
    """What is different for one rule.

    enabled: whether it is watched.
    for_s: how long it must be broken before it is an alert.
    severity: critical or warning.
    """

    enabled: bool = True
    for_s: NonNegative | None = None
    severity: Severity | None = None


class AlertsConfig(Strict, frozen=True):
    """What is an alert, and who is told. Without a receiver they stand in lbd status, the page and the timeline.

    webhook: URL that gets lbd's own JSON; a reference where the URL is a key.
    alertmanager: base URL of an Alertmanager (its API version 2), or of each of a cluster.
    slack: URL of an incoming webhook that takes Slack's messages.
    error_rate: share of failed requests, and of a deployment's failed attempts, from which there is an alert.
    requests_min: fewer in the window say nothing.
    ttft_over_target: a deployment's p95 of the first content, in times its tier's target.
    burn_fast: pace of the error budget over an hour and 5 minutes, in times what the objective allows.
    burn_slow: the same over 6 hours and 30 minutes.
    budget_used: share of a budget of money from which there is an alert.
    probe_age_s: age of the last probe's result; four rounds of probes when not given.
    for_s: how long something must be broken before it is an alert.
    resolve_for_s: how long it must be well before that is over.
    repeat_s: what still fires is told again after so long.
    rules: what is different for single rules.
    labels: added to every alert, such as an environment or a team.
    """

    webhook: SecretRef | str | None = None
    alertmanager: SecretRef | str | list[SecretRef | str] | None = None
    slack: SecretRef | str | None = None
    error_rate: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.02
    requests_min: Count = 20
    ttft_over_target: Positive = 1.0
    burn_fast: Positive = 14.4
    burn_slow: Positive = 6.0
    budget_used: Ratio01 = 0.9
    probe_age_s: Positive | None = None
    for_s: NonNegative = 60.0
    resolve_for_s: NonNegative = 120.0
    repeat_s: Annotated[float, msgspec.Meta(ge=60)] = 4 * 3600.0
    rules: dict[str, RuleOverride] = {}
    labels: dict[str, str] = {}


def spec(
    given: AlertsConfig, probe_every_s: Seconds, probe_timeout_s: Seconds, *, follow: Follow, error: Tell, warn: Tell
) -> AlertsSpec:
    """Return what is watched and who is told; ``error`` and ``warn`` are told what is wrong with it."""
    path: Path_ = ("alerts",)
    rules = {}
    for name in given.rules:
        if name not in set(Rule):
            error((*path, "rules", name), f"there is no such rule. Known: {', '.join(Rule)}")
    for rule, row in RULES.items():
        own = given.rules.get(rule, RuleOverride())
        for_s = given.for_s if row.held else 0.0
        if own.enabled:
            severity = row.severity if own.severity is None else own.severity
            rules[rule] = RulePlan(severity, for_s if own.for_s is None else own.for_s, given.resolve_for_s)
    for name in given.labels:
        if not (name.isidentifier() and name.isascii()) or name.startswith("__"):
            error((*path, "labels", name), "a label's name is letters, digits and _, and begins with no digit")
        elif name in {"alertname", "severity", "job", *(row.about for row in RULES.values())}:
            error((*path, "labels", name), f"{name} is a label that lbd sets")
    age = given.probe_age_s
    return AlertsSpec(
        error_rate=given.error_rate,
        requests_min=given.requests_min,
        ttft_over_target=given.ttft_over_target,
        burn_fast=given.burn_fast,
        burn_slow=given.burn_slow,
        budget_used=given.budget_used,
        probe_age_s=STALE_ROUNDS * (probe_every_s + probe_timeout_s) if age is None else age,
        repeat_s=given.repeat_s,
        rules=rules,
        labels=dict(given.labels),
        receivers=_receivers(given, path, follow, error, warn),
    )


def _receivers(given: AlertsConfig, path: Path_, follow: Follow, error: Tell, warn: Tell) -> tuple[Receiver, ...]:
    many = given.alertmanager if isinstance(given.alertmanager, list) else [given.alertmanager]
    wanted: list[tuple[str, Kind, SecretRef | str | None, Path_]] = [
        ("webhook", Kind.WEBHOOK, given.webhook, (*path, "webhook")),
        ("slack", Kind.SLACK, given.slack, (*path, "slack")),
    ]
    for i, one in enumerate(many):
        of: Path_ = (*path, "alertmanager", i) if isinstance(given.alertmanager, list) else (*path, "alertmanager")
        wanted.append(("alertmanager" if i == 0 else f"alertmanager-{i + 1}", Kind.ALERTMANAGER, one, of))
    out = []
    for name, kind, ref, at in wanted:
        if ref is None:
            continue
        url = Secret(ref) if isinstance(ref, str) else follow(ref, at)
        if url is None:
            continue
        why = wrong_url(url.reveal())
        if why is not None:
            error(at, why)
            continue
        if isinstance(ref, str) and (kind is Kind.SLACK or "@" in urlsplit(ref).netloc or urlsplit(ref).query):
            warn(at, "this URL is a key in plain text: use {file: ...}, {env: ...} or {credential: ...}")
        out.append(Receiver(name, kind, _whole(url) if kind is Kind.ALERTMANAGER else url))
    return tuple(out)


def _whole(url: Secret) -> Secret:
    text = url.reveal().rstrip("/")
    return url if text.endswith(ALERTMANAGER) else Secret(text + ALERTMANAGER)
