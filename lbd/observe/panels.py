"""What the Grafana dashboard shows: rows of pictures with their queries. How Grafana has it: see its neighbour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lbd.model.alert import AlertsSpec
from lbd.model.units import Ratio
from lbd.observe.pulse import OBJECTIVE
from lbd.observe.rules import FAULTS, MISSES

HERE = '{instance=~"$instance"}'  # of the instances that are chosen


class Query(NamedTuple):
    """One expression with what its lines are called."""

    expr: str
    legend: str
    exemplar: bool = False


class Panel(NamedTuple):
    """One picture."""

    title: str
    unit: str
    queries: Sequence[Query]
    says: str = ""
    kind: str = "timeseries"
    limit: float | None = None  # drawn as a line
    stack: bool = False
    top: float | None = None


def _rate(metric: str, by: str, more: str = "") -> str:
    return f'sum by ({by}) (rate({metric}{{instance=~"$instance"{more}}}[$__rate_interval]))'


def _quantile(q: Ratio, metric: str, by: str = "") -> str:
    le = f"{by}, le" if by else "le"
    return f"histogram_quantile({q:g}, {_rate(f'{metric}_bucket', le)})"


def _failed(by: str, metric: str, bad: str) -> str:
    """Return the share of what failed; 0 and not nothing where nothing did."""
    every = _rate(metric, by, f',outcome=~"ok|{bad}"')
    failed = _rate(metric, by, f',outcome=~"{bad}"')
    return f"({failed} or 0 * {every}) / {every}"


def rows(spec: AlertsSpec) -> Iterator[tuple[str, list[Panel]]]:
    """Yield the dashboard's rows."""
    yield (
        "Now",
        [
            Panel("Requests", "reqps", [Query(f"sum({_rate('lbd_requests_total', 'instance')})", "")], kind="stat"),
            Panel("Under way", "short", [Query(f"sum(lbd_inflight{HERE})", "")], kind="stat"),
            Panel("Waiting", "short", [Query(f"sum(lbd_queue_depth{HERE})", "")], kind="stat"),
            Panel("Alerts firing", "short", [_firing("")], "Of lbd's own alerts", "stat", limit=1),
            Panel("Own time p50", "s", [Query(_quantile(0.5, "lbd_overhead_seconds"), "")], kind="stat"),
            Panel(
                "Cost an hour",
                "currencyUSD",
                [Query(f"3600 * sum({_rate('lbd_cost_usd_total', 'instance')})", "")],
                kind="stat",
            ),
        ],
    )
    yield (
        "Requests",
        [
            Panel(
                "Requests by outcome",
                "reqps",
                [Query(_rate("lbd_requests_total", "outcome"), "{{outcome}}")],
                stack=True,
            ),
            Panel(
                "Requests that failed",
                "percentunit",
                [Query(_failed("surface", "lbd_requests_total", MISSES), "{{surface}}")],
                "By surface, without what the client itself is to blame for",
                limit=spec.error_rate,
            ),
            Panel("Time to the first content", "s", _quantiles("lbd_ttft_seconds", "class"), "Of streams, by class"),
            Panel("Whole requests", "s", _quantiles("lbd_request_seconds", "class")),
            Panel(
                "Pace of the error budget",
                "short",
                [Query(_burn(w), f"{{{{class}}}}, {w}") for w in ("5m", "1h", "6h")],
                "1: as much is missed as the objective allows",
                limit=spec.burn_slow,
            ),
            Panel("Own time", "s", _quantiles("lbd_overhead_seconds", ""), "What lbd itself adds"),
        ],
    )
    yield ("Deployments", list(_deployments(spec)))
    yield ("Money and quality", list(_money(spec)))
    yield (
        "The daemon",
        [
            Panel("Alerts", "short", [_firing("rule")], "Those that fire, by rule", stack=True),
            Panel("Lag of the event loop", "s", [Query(f"lbd_eventloop_lag_seconds{HERE}", "{{instance}}")]),
            Panel(
                "State kept, last reload good",
                "bool_on_off",
                [
                    Query(f"lbd_store_up{HERE}", "store {{instance}}"),
                    Query(f"lbd_config_last_reload_success{HERE}", "reload {{instance}}"),
                ],
                top=1,
            ),
            Panel(
                "Batch lines",
                "short",
                [
                    Query(f"lbd_batch_lines_waiting{HERE}", "waiting"),
                    Query(_rate("lbd_batch_lines_total", "outcome"), "{{outcome}} a second"),
                ],
            ),
        ],
    )


def _deployments(spec: AlertsSpec) -> Iterator[Panel]:
    yield Panel(
        "State",
        "short",
        [Query(f"max by (deployment, state) (lbd_deployment_state{HERE}) == 1", "{{deployment}} {{state}}")],
        "Each deployment in the state it is in",
        "state-timeline",
    )
    yield Panel(
        "Where requests go",
        "reqps",
        [Query(_rate("lbd_upstream_requests_total", "deployment"), "{{deployment}}")],
        stack=True,
    )
    yield Panel(
        "Attempts that failed",
        "percentunit",
        [Query(_failed("deployment", "lbd_upstream_requests_total", FAULTS), "{{deployment}}")],
        limit=spec.error_rate,
    )
    first = _quantile(0.95, "lbd_upstream_ttft_seconds", "deployment")
    yield Panel(
        "Time to the first content, p95",
        "s",
        [
            Query(first, "{{deployment}}", exemplar=True),
            Query(f"max by (deployment) (lbd_deployment_ttft_target_seconds{HERE})", "target of {{deployment}}"),
        ],
    )
    yield Panel(
        "Moves to another deployment",
        "reqps",
        [Query(_rate("lbd_fallbacks_total", "from, to, reason"), "{{from}} to {{to}}: {{reason}}")],
    )
    yield Panel(
        "Under way",
        "short",
        [
            Query(f"sum by (deployment) (lbd_deployment_inflight{HERE})", "{{deployment}}"),
            Query(f"sum by (deployment) (lbd_deployment_limit{HERE})", "limit of {{deployment}}"),
        ],
    )
    yield Panel(
        "Age of the last probe",
        "s",
        [Query(f"max by (deployment) (lbd_probe_age_seconds{HERE})", "{{deployment}}")],
        limit=spec.probe_age_s,
    )
    yield Panel(
        "Breakers opened",
        "short",
        [Query(f"sum by (deployment) (increase(lbd_breaker_opened_total{HERE}[$__rate_interval]))", "{{deployment}}")],
    )


def _money(spec: AlertsSpec) -> Iterator[Panel]:
    yield Panel(
        "Cost an hour",
        "currencyUSD",
        [Query(f"3600 * {_rate('lbd_cost_usd_total', 'deployment')}", "{{deployment}}")],
        stack=True,
    )
    yield Panel(
        "Tokens",
        "short",
        [Query(_rate("lbd_tokens_total", "deployment, direction"), "{{deployment}} {{direction}}")],
        "A second",
        stack=True,
    )
    yield Panel(
        "Budgets used",
        "percentunit",
        [Query(f"lbd_budget_spent_usd{HERE} / lbd_budget_limit_usd{HERE}", "{{budget}}")],
        limit=spec.budget_used,
    )
    yield Panel(
        "Quality",
        "short",
        [Query(f"lbd_quality_score{HERE}", "{{deployment}} {{family}}")],
        "How good answers are held to be, by scores",
        top=1,
    )


def _firing(by: str) -> Query:
    of = f" by ({by})" if by else ""
    return Query(f'sum{of} (lbd_alerts{{instance=~"$instance",state="firing"}})', "{{rule}}" if by else "")


def _quantiles(metric: str, by: str) -> list[Query]:
    name = f"{{{{{by}}}}} " if by else ""
    return [Query(_quantile(q, metric, by), f"{name}p{q * 100:g}", exemplar=True) for q in (0.5, 0.95, 0.99)]


def _burn(window: str) -> str:
    kept, of = (f"sum by (class) (rate(lbd_slo_{n}_total{HERE}[{window}]))" for n in ("kept", "requests"))
    return f"(1 - {kept} / {of}) / {1 - OBJECTIVE:g}"
