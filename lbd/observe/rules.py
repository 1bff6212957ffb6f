"""Prometheus rules that say of the metrics page what :mod:`lbd.observe.alerting` says inside, by the same numbers.

Two things differ. A time-out that is not held against a deployment counts here, since the page has no word for it. And
a percentile is read from buckets here, so it is right to one bucket's width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lbd.model.alert import RULES, AlertsSpec, Rule
from lbd.model.failure import COUNTS, TABLE
from lbd.model.units import Seconds
from lbd.observe.alerting import LEAST_USED, WINDOWS
from lbd.observe.pulse import OBJECTIVE

GROUP = "lbd"
EVERY = "15s"
# what speaks against lbd as a whole, and what against a deployment: patterns of outcomes
MISSES = "|".join(sorted(str(kind) for kind, row in TABLE.items() if row.slo))
FAULTS = "|".join(sorted(map(str, COUNTS)))
_UP = "instance"  # each daemon for itself, as its own alerts are


def alertname(rule: Rule) -> str:
    """Return what other systems call a rule."""
    return "Lbd" + "".join(word.capitalize() for word in rule.split("_"))


def document(spec: AlertsSpec) -> dict[str, Any]:
    """Return a rules file: what is recorded, what is an alert, and two alerts that lbd cannot give itself."""
    alerts = [_alert(rule, spec) for rule in spec.rules]
    return {
        "groups": [
            {"name": f"{GROUP}-records", "interval": EVERY, "rules": _records()},
            {"name": GROUP, "interval": EVERY, "rules": [*alerts, *_outside(spec.labels)]},
        ]
    }


def span(seconds: Seconds) -> str:
    """Write a duration as Prometheus reads it."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{round(seconds * 1000)}ms" if seconds % 1 else f"{int(seconds)}s"


# --- what is recorded --------------------------------------------------------------------------------


def _ratio(metric: str, by: str, bad: str) -> str:
    def rate(outcomes: str) -> str:
        return f'sum by ({_UP}, {by}) (rate({metric}{{outcome=~"{outcomes}"}}[5m]))'

    return f"{rate(bad)} / {rate(f'ok|{bad}')}"


def _burn(window: str) -> str:
    def rate(name: str) -> str:
        return f"sum by ({_UP}, class) (rate(lbd_slo_{name}_total[{window}]))"

    return f"(1 - {rate('kept')} / {rate('requests')}) / {1 - OBJECTIVE:g}"


def _p95(metric: str, by: str) -> str:
    return f"histogram_quantile(0.95, sum by ({_UP}, {by}, le) (rate({metric}_bucket[5m])))"


def _records() -> list[dict[str, str]]:
    records = {
        "surface:lbd_requests_failed:ratio_rate5m": _ratio("lbd_requests_total", "surface", MISSES),
        "deployment:lbd_attempts_failed:ratio_rate5m": _ratio("lbd_upstream_requests_total", "deployment", FAULTS),
        "deployment:lbd_upstream_ttft_seconds:p95_5m": _p95("lbd_upstream_ttft_seconds", "deployment"),
        "class:lbd_ttft_seconds:p95_5m": _p95("lbd_ttft_seconds", "class"),
    }
    for window in sorted({w for pair in WINDOWS.values() for w in pair}):
        records[f"class:lbd_slo_burn:{span(window)}"] = _burn(span(window))
    return [{"record": name, "expr": expression} for name, expression in records.items()]


# --- what is an alert --------------------------------------------------------------------------------


def _expression(rule: Rule, spec: AlertsSpec) -> str:
    if rule in WINDOWS:
        long, short = (span(w) for w in WINDOWS[rule])
        factor = spec.burn_fast if rule is Rule.BURN_FAST else spec.burn_slow
        n = f"sum by ({_UP}, class) (increase(lbd_slo_requests_total[{long}])) >= {spec.requests_min}"
        return f"class:lbd_slo_burn:{long} > {factor:g} and class:lbd_slo_burn:{short} > {factor:g} and {n}"
    return _requests(spec)[rule] if rule in _requests(spec) else _standing(spec)[rule]


def _requests(spec: AlertsSpec) -> dict[Rule, str]:
    """Return the conditions that are of the traffic: nothing is said of little."""

    def enough(counter: str, by: str) -> str:
        return f"sum by ({_UP}, {by}) (increase({counter}[5m])) >= {spec.requests_min}"

    requests = enough(f'lbd_requests_total{{outcome=~"ok|{MISSES}"}}', "surface")
    attempts = enough(f'lbd_upstream_requests_total{{outcome=~"ok|{FAULTS}"}}', "deployment")
    firsts = enough("lbd_upstream_ttft_seconds_count", "deployment")
    target = f"({spec.ttft_over_target:g} * lbd_deployment_ttft_target_seconds)"
    on = f"on ({_UP}, deployment)"
    return {
        Rule.REQUESTS_FAIL: f"surface:lbd_requests_failed:ratio_rate5m > {spec.error_rate:g} and {requests}",
        Rule.ERROR_RATE: f"deployment:lbd_attempts_failed:ratio_rate5m > {spec.error_rate:g} and {attempts}",
        Rule.TTFT_OVER_TARGET: f"deployment:lbd_upstream_ttft_seconds:p95_5m > {on} {target} and {on} {firsts}",
    }


def _standing(spec: AlertsSpec) -> dict[Rule, str]:
    """Return the conditions that are of how things stand."""
    pace = "clamp_min(deriv(lbd_budget_spent_usd[1h]), 0) * lbd_budget_resets_in_seconds"
    used = f"lbd_budget_spent_usd >= {LEAST_USED:g} * lbd_budget_limit_usd"
    return {
        Rule.TIER_DOWN: "lbd_tier_serving == 0 and lbd_tier_meant > 0",
        Rule.PROBE_STALE: f"lbd_probe_age_seconds > {spec.probe_age_s:g}",
        Rule.QUALITY_DROP: f"max by ({_UP}, deployment) (lbd_quality_lost) == 1",
        Rule.BUDGET_USED: f"lbd_budget_spent_usd / lbd_budget_limit_usd >= {spec.budget_used:g}",
        Rule.BUDGET_PACE: f"lbd_budget_spent_usd + {pace} > lbd_budget_limit_usd and {used}",
        Rule.RELOAD_FAILED: "lbd_config_last_reload_success == 0",
        Rule.STORE_DOWN: "lbd_store_up == 0",
        Rule.HOST_FAULT: "lbd_host_faults > 0",
    }


_PERCENT = "{{ $value | humanizePercentage }}"
_TEXTS: dict[Rule, str] = {
    Rule.REQUESTS_FAIL: f"{_PERCENT} of the requests of surface '{{subject}}' failed in 5 min, limit {{limit}}",
    Rule.ERROR_RATE: f"{{subject}}: {_PERCENT} of the attempts failed in 5 min, limit {{limit}}",
    Rule.TTFT_OVER_TARGET: "{subject}: p95 of the first content {{ $value | humanizeDuration }} in 5 min,"
    " limit {limit} times the target of its tier",
    Rule.BURN_FAST: "{subject} requests miss what they were promised {{ $value | humanize }} times as often as the"
    " objective allows, over an hour and 5 min, limit {limit}",
    Rule.BURN_SLOW: "{subject} requests miss what they were promised {{ $value | humanize }} times as often as the"
    " objective allows, over 6 h and 30 min, limit {limit}",
    Rule.TIER_DOWN: "no deployment of tier {subject} can serve",
    Rule.PROBE_STALE: "{subject}: the last probe's result is {{ $value | humanizeDuration }} old, limit {limit} s",
    Rule.QUALITY_DROP: "{subject}: scores of its answers fell under what was expected",
    Rule.BUDGET_USED: f"{{subject}}: {_PERCENT} spent, limit {{limit}}",
    Rule.BUDGET_PACE: "{subject}: at the pace of the last hour {{ $value | humanize }} USD are spent before it begins"
    " anew, which is more than its limit",
    Rule.RELOAD_FAILED: "the last reload of the configuration was refused",
    Rule.STORE_DOWN: "what has to be kept on disk cannot be written",
    Rule.HOST_FAULT: "the host itself has {{ $value }} faults: of its network, its name resolution or its descriptors",
}


def _limit(rule: Rule, spec: AlertsSpec) -> str:
    limits: dict[Rule, float] = {
        Rule.TTFT_OVER_TARGET: spec.ttft_over_target,
        Rule.BURN_FAST: spec.burn_fast,
        Rule.BURN_SLOW: spec.burn_slow,
        Rule.PROBE_STALE: spec.probe_age_s,
    }
    ratios = {
        Rule.REQUESTS_FAIL: spec.error_rate,
        Rule.ERROR_RATE: spec.error_rate,
        Rule.BUDGET_USED: spec.budget_used,
    }
    return f"{ratios[rule] * 100:g} %" if rule in ratios else f"{limits.get(rule, 0):g}"


def _alert(rule: Rule, spec: AlertsSpec) -> dict[str, Any]:
    row, plan = RULES[rule], spec.rules[rule]
    subject = f"{{{{ $labels.{_UP if row.about == 'daemon' else row.about} }}}}"

    def filled(text: str) -> str:
        return text.replace("{subject}", subject).replace("{limit}", _limit(rule, spec))

    out: dict[str, Any] = {"alert": alertname(rule), "expr": _expression(rule, spec)}
    if plan.for_s:
        out["for"] = span(plan.for_s)
    if plan.clear_s:
        out["keep_firing_for"] = span(plan.clear_s)
    annotations = {"summary": row.title, "description": filled(_TEXTS[rule]), "remedy": filled(row.remedy)}
    return out | {"labels": {**spec.labels, "severity": str(plan.severity)}, "annotations": annotations}


def _outside(labels: Mapping[str, str]) -> Sequence[dict[str, Any]]:
    """Return what only somebody else can tell: that lbd is not there, or cannot tell anybody."""
    return (
        {
            "alert": "LbdAbsent",
            "expr": "absent(lbd_build_info)",
            "for": "2m",
            "labels": {**labels, "severity": "critical"},
            "annotations": {
                "summary": "lbd is not there",
                "description": "no lbd has been scraped for 2 min",
                "remedy": "systemctl status lbd; journalctl -u lbd. Where it runs, look at the scrape's target.",
            },
        },
        {
            "alert": "LbdAlertsUnsent",
            "expr": 'increase(lbd_alert_notifications_total{outcome="failed"}[15m]) > 2',
            "for": "5m",
            "labels": {**labels, "severity": "warning"},
            "annotations": {
                "summary": "lbd cannot tell anybody of its alerts",
                "description": "{{ $labels.receiver }} has not taken {{ $value | humanize }} notices in 15 min",
                "remedy": "lbd events --subject alerts says why; check the receiver's URL in alerts.",
            },
        },
    )
