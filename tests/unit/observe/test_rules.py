"""Prometheus rules: they lint, each fires on the metrics that it is of, and they use nothing that lbd does not tell."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lbd.model.alert import AlertsSpec, Rule, plans
from lbd.observe.rules import FAULTS, MISSES, alertname, document, span
from tests.unit.observe.test_metrics import told_labels, unknown

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: the rules were not run"
)
SPEC = AlertsSpec(error_rate=0.05, probe_age_s=90.0, labels={"team": "x"})
HERE = 'instance="i"'


def promtool(tmp_path: Path, *words: str) -> str:
    done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    told = ",".join(f'{k}="{v}"' for k, v in {"instance": "i", **labels}.items())
    return {"series": f"{name}{{{told}}}", "values": values}


# what fires at 30 minutes, one sample a minute: rule -> series, labels of the alert
CASES: dict[Rule, tuple[list[dict[str, str]], dict[str, str]]] = {
    Rule.REQUESTS_FAIL: (
        [
            series("lbd_requests_total", "0+54x60", surface="s", outcome="ok"),
            series("lbd_requests_total", "0+6x60", surface="s", outcome="all_deployments_unavailable"),
            series("lbd_requests_total", "0+60x60", surface="well", outcome="ok"),
            series("lbd_requests_total", "0+600x60", surface="well", outcome="client_gone"),
            series("lbd_requests_total", "0+1x60", surface="little", outcome="ok"),
            series("lbd_requests_total", "0+1x60", surface="little", outcome="internal"),
        ],
        {"surface": "s"},
    ),
    Rule.ERROR_RATE: (
        [
            series("lbd_upstream_requests_total", "0+54x60", deployment="a/m", outcome="ok"),
            series("lbd_upstream_requests_total", "0+6x60", deployment="a/m", outcome="reset"),
            series("lbd_upstream_requests_total", "0+60x60", deployment="b/m", outcome="ok"),
            series("lbd_upstream_requests_total", "0+60x60", deployment="b/m", outcome="rate_limited"),
        ],
        {"deployment": "a/m"},
    ),
    Rule.TTFT_OVER_TARGET: (
        [
            series("lbd_upstream_ttft_seconds_bucket", "0+10x60", deployment="a/m", le="1.5"),
            series("lbd_upstream_ttft_seconds_bucket", "0+60x60", deployment="a/m", le="3.0"),
            series("lbd_upstream_ttft_seconds_bucket", "0+60x60", deployment="a/m", le="+Inf"),
            series("lbd_upstream_ttft_seconds_count", "0+60x60", deployment="a/m"),
            series("lbd_deployment_ttft_target_seconds", "1.5x60", deployment="a/m"),
            series("lbd_upstream_ttft_seconds_bucket", "0+60x60", deployment="b/m", le="1.5"),
            series("lbd_upstream_ttft_seconds_bucket", "0+60x60", deployment="b/m", le="+Inf"),
            series("lbd_upstream_ttft_seconds_count", "0+60x60", deployment="b/m"),
            series("lbd_deployment_ttft_target_seconds", "1.5x60", deployment="b/m"),
        ],
        {"deployment": "a/m"},
    ),
    Rule.BURN_FAST: (
        [
            series("lbd_slo_requests_total", "0+10x60", **{"class": "interactive"}),
            series("lbd_slo_kept_total", "0+2x60", **{"class": "interactive"}),
            series("lbd_slo_requests_total", "0+10x60", **{"class": "background"}),
            series("lbd_slo_kept_total", "0+9x60", **{"class": "background"}),
        ],
        {"class": "interactive"},
    ),
    Rule.BURN_SLOW: (
        [
            series("lbd_slo_requests_total", "0+10x60", **{"class": "interactive"}),
            series("lbd_slo_kept_total", "0+6x60", **{"class": "interactive"}),
        ],
        {"class": "interactive"},
    ),
    Rule.TIER_DOWN: (
        [
            series("lbd_tier_meant", "2x60", tier="primary"),
            series("lbd_tier_serving", "0x60", tier="primary"),
            series("lbd_tier_meant", "0x60", tier="drained"),
            series("lbd_tier_serving", "0x60", tier="drained"),
        ],
        {"tier": "primary"},
    ),
    Rule.PROBE_STALE: (
        [
            series("lbd_probe_age_seconds", "91x60", deployment="a/m"),
            series("lbd_probe_age_seconds", "90x60", deployment="b/m"),
        ],
        {"deployment": "a/m"},
    ),
    Rule.QUALITY_DROP: (
        [
            series("lbd_quality_lost", "1x60", deployment="a/m", family="code"),
            series("lbd_quality_lost", "0x60", deployment="a/m", family="all"),
            series("lbd_quality_lost", "0x60", deployment="b/m", family="all"),
        ],
        {"deployment": "a/m"},
    ),
    Rule.BUDGET_USED: (
        [
            series("lbd_budget_spent_usd", "46x60", budget="client/c/day"),
            series("lbd_budget_limit_usd", "50x60", budget="client/c/day"),
        ],
        {"budget": "client/c/day"},
    ),
    Rule.BUDGET_PACE: (
        [
            series("lbd_budget_spent_usd", "10+0.1x60", budget="client/c/day"),
            series("lbd_budget_limit_usd", "50x60", budget="client/c/day"),
            series("lbd_budget_resets_in_seconds", "36000-60x60", budget="client/c/day"),
            series("lbd_budget_spent_usd", "10+0.01x60", budget="client/d/day"),
            series("lbd_budget_limit_usd", "50x60", budget="client/d/day"),
            series("lbd_budget_resets_in_seconds", "36000-60x60", budget="client/d/day"),
        ],
        {"budget": "client/c/day"},
    ),
    Rule.RELOAD_FAILED: ([series("lbd_config_last_reload_success", "0x60")], {}),
    Rule.STORE_DOWN: ([series("lbd_store_up", "0x60")], {}),
    Rule.HOST_FAULT: ([series("lbd_host_faults", "1x60")], {}),
}


def test_every_rule_has_its_case() -> None:
    """A rule that was never seen to fire is none."""
    assert CASES.keys() == set(Rule)


@needs_promtool
@pytest.mark.parametrize(
    "spec",
    [AlertsSpec(), SPEC, AlertsSpec(rules={}), AlertsSpec(rules=plans(0.5, 0.0))],
    ids=["usual", "own", "none", "hasty"],
)
def test_promtool_finds_nothing_wrong(spec: AlertsSpec, tmp_path: Path) -> None:
    """Whatever the numbers are."""
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(document(spec)))
    assert "SUCCESS" in promtool(tmp_path, "check", "rules", "rules.yml")


@needs_promtool
def test_each_rule_fires_on_its_metrics_and_on_no_other(tmp_path: Path) -> None:
    """``promtool test rules``: with its labels, once it has held; and again nothing, once that is over."""
    made = document(SPEC)
    by_name = {rule["alert"]: rule for group in made["groups"] for rule in group["rules"] if "alert" in rule}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(made))
    tests = []
    for rule, (given, labels) in CASES.items():
        name = alertname(rule)
        expected = {"instance": "i", "team": "x", **by_name[name]["labels"], **labels}
        tests.append(
            {
                "interval": "1m",
                "input_series": given,
                "alert_rule_test": [
                    {"eval_time": "0m", "alertname": name, "exp_alerts": []},
                    {"eval_time": "30m", "alertname": name, "exp_alerts": [{"exp_labels": expected}]},
                ],
            }
        )
    # a rule that need not hold fires at once; annotations are compared below
    for test, rule in zip(tests, CASES, strict=True):
        if SPEC.rules[rule].for_s == 0:
            test["alert_rule_test"] = test["alert_rule_test"][1:]  # type: ignore[index]
        for one in test["alert_rule_test"]:  # type: ignore[attr-defined]
            for alert in one["exp_alerts"]:
                alert["exp_annotations"] = _filled(by_name[alertname(rule)]["annotations"], rule)
    (tmp_path / "tests.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests})
    )
    assert "SUCCESS" in promtool(tmp_path, "test", "rules", "tests.yml")


VALUES = {
    Rule.REQUESTS_FAIL: "10%",
    Rule.ERROR_RATE: "10%",
    Rule.TTFT_OVER_TARGET: "2.91s",
    Rule.BURN_FAST: "16",
    Rule.BURN_SLOW: "8",
    Rule.PROBE_STALE: "1m 31s",
    Rule.BUDGET_USED: "92%",
    Rule.BUDGET_PACE: "70",
    Rule.HOST_FAULT: "1",
}


def _filled(annotations: dict[str, str], rule: Rule) -> dict[str, str]:
    """Return annotations as Prometheus fills them in."""
    _, labels = CASES[rule]

    def filled(text: str) -> str:
        text = re.sub(r"{{ \$labels\.(\w+) }}", lambda m: {"instance": "i", **labels}[m[1]], text)
        return re.sub(r"{{ \$value[^}]*}}", VALUES.get(rule, "?"), text)

    return {key: filled(text) for key, text in annotations.items()}


def test_rules_use_metrics_that_lbd_has() -> None:
    """Each name stands on the page, or is recorded before."""
    known = told_labels()
    made = document(SPEC)
    recorded = {rule["record"] for group in made["groups"] for rule in group["rules"] if "record" in rule}
    for group in made["groups"]:
        for rule in group["rules"]:
            used = set(re.findall(r"\b(?:\w+:)?lbd_\w+(?::\w+)?", rule["expr"]))
            assert used and used <= known.keys() | recorded, (rule, used - known.keys() - recorded)
            if not used & recorded:
                assert unknown(rule["expr"], known) == [], rule["expr"]


def test_limits_and_times_are_those_of_the_configuration() -> None:
    """And what is switched off is not there."""
    rules = {**plans(300.0, 0.0)}
    del rules[Rule.BUDGET_PACE]
    made = document(AlertsSpec(error_rate=0.07, rules=rules))
    by_name = {rule["alert"]: rule for group in made["groups"] for rule in group["rules"] if "alert" in rule}
    assert "> 0.07 " in by_name["LbdErrorRate"]["expr"] and by_name["LbdErrorRate"]["for"] == "5m"
    assert "keep_firing_for" not in by_name["LbdErrorRate"] and "for" not in by_name["LbdReloadFailed"]
    assert "LbdBudgetPace" not in by_name and {"LbdAbsent", "LbdAlertsUnsent"} < by_name.keys()
    assert "limit 7 %" in by_name["LbdRequestsFail"]["annotations"]["description"]


def test_outcomes_are_words_that_need_no_escape() -> None:
    """They stand in patterns."""
    assert all(re.fullmatch("[a-z_]+", word) for word in f"{MISSES}|{FAULTS}".split("|"))


@pytest.mark.parametrize(("seconds", "text"), [(60, "1m"), (90, "90s"), (3600, "1h"), (0.5, "500ms"), (21600, "6h")])
def test_times_are_written_as_prometheus_reads_them(seconds: float, text: str) -> None:
    """Without a fraction."""
    assert span(seconds) == text
