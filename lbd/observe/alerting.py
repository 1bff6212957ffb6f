"""What is broken: each alert rule applied to what was seen. Pure: everything it goes by is in the ``Sight``.

The Prometheus rules of :mod:`lbd.observe.rules` say the same of the metrics page, from the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from lbd.model.alert import AlertsSpec, Rule
from lbd.model.units import DeploymentId, Ratio, Seconds
from lbd.observe.pulse import OBJECTIVE
from lbd.state.alerts import Reading
from lbd.state.window import FIVE_MINUTES, HALF_HOUR, HOUR

SIX_HOURS: Seconds = 6 * HOUR
# An error budget of 30 days: at 14.4 times its pace an hour takes 2 % of it, at 6 times six hours take 5 %. The short
# window ends the alert soon after the trouble (Google, Site Reliability Workbook, chapter 5).
WINDOWS: dict[Rule, tuple[Seconds, Seconds]] = {
    Rule.BURN_FAST: (HOUR, FIVE_MINUTES),
    Rule.BURN_SLOW: (SIX_HOURS, HALF_HOUR),
}
LEAST_USED: Ratio = 0.1  # of a budget, before its pace says anything
ALL_SURFACES = "requests"  # the subject of requests that name no surface


class Lost(NamedTuple):
    """A family of prompts in which a deployment's answers have become worse."""

    family: str
    value: float | None
    reference: float | None


class RowSight(NamedTuple):
    """One deployment. ``ready``: no operator took it out. ``probe_age_s`` None: it is not meant to be probed."""

    id: DeploymentId
    ready: bool
    error_ratio: Ratio | None
    judged: int
    ttft_p95_s: Seconds | None
    samples: int
    target_s: Seconds
    probe_age_s: Seconds | None
    lost: Sequence[Lost] = ()


class TierSight(NamedTuple):
    """A tier: how many of its deployments are meant to serve, how many do, and why the others do not."""

    name: str
    meant: int
    serving: int
    why: str


class BudgetSight(NamedTuple):
    """A budget of money, in USD. ``pace`` None: it was not watched for long enough."""

    key: str
    words: str
    limit: float
    spent: float
    resets_in_s: Seconds
    pace: float | None  # USD a second


class Sight(NamedTuple):
    """Everything that rules go by. ``fates``: failed and all requests of five minutes by surface."""

    rows: Sequence[RowSight] = ()
    tiers: Sequence[TierSight] = ()
    fates: Mapping[str, tuple[int, int]] = {}
    promises: Mapping[Seconds, Mapping[str, tuple[int, int]]] = {}  # by window: kept and all, by class
    budgets: Sequence[BudgetSight] = ()
    reload_error: str | None = None
    stores_down: Sequence[str] = ()
    own_faults: Sequence[str] = ()  # of this host: its network, its name resolution, its own pauses


def readings(spec: AlertsSpec, sight: Sight) -> Iterator[Reading]:
    """Yield what is found of every subject of every rule."""
    for surface, (bad, n) in sight.fates.items():
        yield _requests(spec, surface, bad, n)
    for row in sight.rows:
        yield _errors(spec, row)
        yield _slow(spec, row)
        if row.probe_age_s is not None:
            yield _stale(spec, row, row.probe_age_s)
        yield _worse(row)
    for rule, factor in ((Rule.BURN_FAST, spec.burn_fast), (Rule.BURN_SLOW, spec.burn_slow)):
        yield from _burns(spec, rule, factor, sight.promises)
    for tier in sight.tiers:
        text = f"0 of {tier.meant} deployments of tier {tier.name} can serve: {tier.why}"
        yield Reading(Rule.TIER_DOWN, tier.name, tier.meant > 0 and not tier.serving, tier.serving, 1, text)
    for budget in sight.budgets:
        yield _used(spec, budget)
        yield _pace(budget)
    refused = sight.reload_error
    yield Reading(Rule.RELOAD_FAILED, "config", refused is not None, None, None, _first_line(refused or ""))
    down = ", ".join(sight.stores_down)
    yield Reading(Rule.STORE_DOWN, "store", bool(down), None, None, f"writes fail: {down}")
    yield Reading(Rule.HOST_FAULT, "lbd", bool(sight.own_faults), None, None, "; ".join(sight.own_faults))


def _requests(spec: AlertsSpec, surface: str, bad: int, n: int) -> Reading:
    ratio = bad / n if n else None
    of = f" of surface {surface}" if surface else ""
    text = f"{_percent(ratio)} of {n} requests{of} failed in 5 min, limit {_percent(spec.error_rate)}"
    broken = ratio is not None and n >= spec.requests_min and ratio > spec.error_rate
    return Reading(Rule.REQUESTS_FAIL, surface or ALL_SURFACES, broken, ratio, spec.error_rate, text)


def _errors(spec: AlertsSpec, row: RowSight) -> Reading:
    ratio, n = row.error_ratio, row.judged
    text = f"{row.id}: {_percent(ratio)} of {n} attempts failed in 5 min, limit {_percent(spec.error_rate)}"
    broken = ratio is not None and n >= spec.requests_min and ratio > spec.error_rate
    return Reading(Rule.ERROR_RATE, row.id, broken, ratio, spec.error_rate, text)


def _slow(spec: AlertsSpec, row: RowSight) -> Reading:
    limit, p95 = spec.ttft_over_target * row.target_s, row.ttft_p95_s
    told = "none" if p95 is None else f"{p95:.3g} s"
    text = f"{row.id}: p95 of the first content {told} over {row.samples} answers in 5 min, limit {limit:g} s"
    broken = p95 is not None and row.samples >= spec.requests_min and p95 > limit
    return Reading(Rule.TTFT_OVER_TARGET, row.id, broken, p95, limit, text)


def _stale(spec: AlertsSpec, row: RowSight, age: Seconds) -> Reading:
    text = f"{row.id}: the last probe's result is {age:.0f} s old, limit {spec.probe_age_s:g} s"
    return Reading(Rule.PROBE_STALE, row.id, age > spec.probe_age_s, round(age, 3), spec.probe_age_s, text)


def _worse(row: RowSight) -> Reading:
    if not row.lost:
        return Reading(Rule.QUALITY_DROP, row.id, False, None, None, "")
    worst = min(row.lost, key=lambda lost: 1.0 if lost.value is None else lost.value)
    told = "; ".join(
        f"{lost.family} {_score(lost.value)}, expected {_score(lost.reference)}"
        for lost in sorted(row.lost, key=lambda lost: lost.family)
    )
    return Reading(Rule.QUALITY_DROP, row.id, True, worst.value, worst.reference, f"{row.id}: scores fell: {told}")


def _burns(
    spec: AlertsSpec, rule: Rule, factor: float, promises: Mapping[Seconds, Mapping[str, tuple[int, int]]]
) -> Iterator[Reading]:
    long_s, short_s = WINDOWS[rule]
    long, short = promises.get(long_s, {}), promises.get(short_s, {})
    for urgency in sorted(long):
        kept, n = long[urgency]
        kept_lately, n_lately = short.get(urgency, (0, 0))
        burn, lately = _burn(kept, n), _burn(kept_lately, n_lately)
        broken = burn is not None and lately is not None and n >= spec.requests_min and min(burn, lately) > factor
        text = (
            f"{n - kept} of {n} {urgency} requests missed what they were promised in {long_s / HOUR:g} h,"
            f" {n_lately - kept_lately} of {n_lately} in {short_s / 60:g} min:"
            f" {burn or 0:.1f} times what the objective of {_percent(OBJECTIVE)} allows, limit {factor:g}"
        )
        yield Reading(rule, urgency, broken, None if burn is None else round(burn, 3), factor, text)


def _burn(kept: int, n: int) -> float | None:
    """Return how many times as fast as it may the error budget is used."""
    return (n - kept) / n / (1 - OBJECTIVE) if n else None


def _used(spec: AlertsSpec, budget: BudgetSight) -> Reading:
    used = budget.spent / budget.limit if budget.limit else 1.0
    text = (
        f"{budget.words}: {budget.spent:.2f} USD ({_percent(used)}) spent, limit {_percent(spec.budget_used)};"
        f" begins anew in {_span(budget.resets_in_s)}"
    )
    return Reading(Rule.BUDGET_USED, budget.key, used >= spec.budget_used, round(used, 4), spec.budget_used, text)


def _pace(budget: BudgetSight) -> Reading:
    pace = budget.pace
    if pace is None or pace <= 0:
        return Reading(Rule.BUDGET_PACE, budget.key, False, None, budget.limit, "")
    end = budget.spent + pace * budget.resets_in_s
    left_s = max(0.0, budget.limit - budget.spent) / pace
    text = (
        f"{budget.words}: at {pace * HOUR:.2f} USD an hour, the pace of the last hour, it is used up in"
        f" {_span(left_s)}, {_span(max(0.0, budget.resets_in_s - left_s))} before it begins anew"
    )
    broken = budget.spent >= LEAST_USED * budget.limit and end > budget.limit
    return Reading(Rule.BUDGET_PACE, budget.key, broken, round(end, 4), budget.limit, text)


def _percent(ratio: float | None) -> str:
    return "none" if ratio is None else f"{ratio * 100:.3g} %"


def _score(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _span(seconds: Seconds) -> str:
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:300]
