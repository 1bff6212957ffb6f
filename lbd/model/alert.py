"""Alerts: what is watched, from when on it is one, who is told, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from lbd.model.secret import Secret
from lbd.model.units import Ratio, Seconds


class Severity(StrEnum):
    """How soon a person is needed."""

    CRITICAL = "critical"  # requests fail, or will within the hour: now
    WARNING = "warning"  # in working hours


class Rule(StrEnum):
    """What is watched. The words are ids: they stand in configurations, silences and other systems."""

    REQUESTS_FAIL = "requests_fail"
    ERROR_RATE = "error_rate"
    TTFT_OVER_TARGET = "ttft_over_target"
    BURN_FAST = "slo_burn_fast"
    BURN_SLOW = "slo_burn_slow"
    TIER_DOWN = "tier_down"
    PROBE_STALE = "probe_stale"
    QUALITY_DROP = "quality_drop"
    BUDGET_USED = "budget_used"
    BUDGET_PACE = "budget_pace"
    RELOAD_FAILED = "reload_failed"
    STORE_DOWN = "store_down"
    HOST_FAULT = "host_fault"


class RuleRow(NamedTuple):
    """What is said of a rule. ``about``: what its subject is. ``held``: it must hold for a while to be an alert."""

    severity: Severity
    about: Literal["surface", "deployment", "class", "tier", "budget", "daemon"]
    title: str
    remedy: str  # in words; {subject} stands for the subject
    held: bool = True


_C, _W = Severity.CRITICAL, Severity.WARNING
RULES: dict[Rule, RuleRow] = {
    Rule.REQUESTS_FAIL: RuleRow(
        _C,
        "surface",
        "Requests fail",
        "See which deployments fail and why: lbd status, lbd ctl decisions. Take out the one that does: lbd ctl drain.",
    ),
    Rule.ERROR_RATE: RuleRow(
        _W,
        "deployment",
        "A deployment fails too often",
        "See how: lbd events --subject {subject}. Take it out until it is well: lbd ctl drain {subject}.",
    ),
    Rule.TTFT_OVER_TARGET: RuleRow(
        _W,
        "deployment",
        "A deployment is slower than its tier's target",
        "Give it less (weight, max_concurrency), move it to a slower tier, or raise the tier's ttft_p95_s.",
    ),
    Rule.BURN_FAST: RuleRow(
        _C,
        "class",
        "The error budget burns fast",
        "Requests miss what they were promised right now: lbd status names the deployments that fail or are slow.",
    ),
    Rule.BURN_SLOW: RuleRow(
        _W,
        "class",
        "The error budget burns",
        "Requests have missed what they were promised for hours: compare deployments in lbd status, shift weight.",
    ),
    Rule.TIER_DOWN: RuleRow(
        _C,
        "tier",
        "No deployment of a tier can serve",
        "lbd status says why each is out. Breakers close by themselves; a lock-out (key, money) waits for you.",
    ),
    Rule.PROBE_STALE: RuleRow(
        _W,
        "deployment",
        "A deployment is not probed",
        "The probe loop hangs or fails: see loops in /health and the log; lbd ctl probe-now {subject}.",
    ),
    Rule.QUALITY_DROP: RuleRow(
        _W,
        "deployment",
        "Answers have become worse",
        "Read what was scored badly, ask the provider for changes of the model; it comes back by good scores alone.",
        held=False,
    ),
    Rule.BUDGET_USED: RuleRow(
        _W,
        "budget",
        "A budget is nearly used up",
        "Raise it, or let what it pays for take cheaper models: what would pass a hard budget is refused.",
        held=False,
    ),
    Rule.BUDGET_PACE: RuleRow(
        _W,
        "budget",
        "A budget will not last",
        "Find who spends it: lbd report --by client. Raise it, or limit the requests (clients: limit).",
    ),
    Rule.RELOAD_FAILED: RuleRow(
        _W,
        "daemon",
        "The last reload was refused",
        "The configuration before it is in force. lbd check says file and line; mend it, then lbd ctl reload.",
        held=False,
    ),
    Rule.STORE_DOWN: RuleRow(
        _C,
        "daemon",
        "State is not being kept",
        "Look at the disk of store.url (space, rights). Until it takes writes, hard budgets grant nothing more.",
    ),
    Rule.HOST_FAULT: RuleRow(
        _C,
        "daemon",
        "This host itself is in trouble",
        "Its own network, name resolution or descriptors: look at routes, resolver and limits before any provider.",
        held=False,
    ),
}


class RulePlan(NamedTuple):
    """How a rule is applied. ``for_s``: it must be broken so long to fire, ``clear_s`` kept so long to be over."""

    severity: Severity
    for_s: Seconds
    clear_s: Seconds


class Kind(StrEnum):
    """What a receiver speaks."""

    WEBHOOK = "webhook"
    ALERTMANAGER = "alertmanager"
    SLACK = "slack"


class Receiver(msgspec.Struct, frozen=True):
    """Who is told. The URL may be a key, so it is a secret."""

    name: str
    kind: Kind
    url: Secret


def plans(for_s: Seconds, clear_s: Seconds) -> dict[Rule, RulePlan]:
    """Return how every rule is applied where none is named."""
    return {rule: RulePlan(row.severity, for_s if row.held else 0.0, clear_s) for rule, row in RULES.items()}


FOR_S: Seconds = 60.0
CLEAR_S: Seconds = 120.0


class AlertsSpec(msgspec.Struct, frozen=True):
    """What is watched, by which limits, and who is told."""

    error_rate: Ratio = 0.02
    requests_min: int = 20
    ttft_over_target: float = 1.0
    burn_fast: float = 14.4
    burn_slow: float = 6.0
    budget_used: Ratio = 0.9
    probe_age_s: Seconds = 120.0
    repeat_s: Seconds = 4 * 3600.0
    rules: Mapping[Rule, RulePlan] = msgspec.field(default_factory=lambda: plans(FOR_S, CLEAR_S))  # those in use
    labels: Mapping[str, str] = {}
    receivers: tuple[Receiver, ...] = ()


class AlertOut(msgspec.Struct):
    """An alert as the admin API shows it. Times of day are RFC 3339."""

    id: str
    rule: str
    subject: str
    severity: Severity
    state: Literal["pending", "firing", "resolved"]
    since: str  # the condition has held from then on, short breaks included
    changed: str  # it came to this state
    value: float | None
    limit: float | None
    title: str
    text: str
    remedy: str
    silenced_until: str | None = None
    silenced_by: str | None = None
    silence_reason: str | None = None
