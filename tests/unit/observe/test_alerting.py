"""Each rule at its limit, just under and just above, and with nothing to judge by."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lbd.model.alert import AlertsSpec, Rule
from lbd.observe.alerting import WINDOWS, BudgetSight, Lost, RowSight, Sight, TierSight, readings
from lbd.state.alerts import Reading
from lbd.state.window import FIVE_MINUTES, HOUR

SPEC = AlertsSpec(probe_age_s=100.0)
ROW = RowSight("a/m", True, 0.0, 100, 0.5, 100, 1.5, 10.0)
BUDGET = BudgetSight("client/c/day", "client c, 50 USD by the day", 50.0, 25.0, 3600.0, 0.0)


def found(rule: Rule, sight: Sight, spec: AlertsSpec = SPEC) -> Reading:
    (one,) = [r for r in readings(spec, sight) if r.rule is rule]
    return one


@pytest.mark.parametrize(
    ("ratio", "n", "broken"),
    [(0.02, 100, False), (0.021, 100, True), (1.0, 19, False), (1.0, 20, True), (None, 0, False)],
)
def test_an_error_rate_needs_traffic(ratio: float | None, n: int, broken: bool) -> None:
    """Of attempts at a deployment, and of requests."""
    assert found(Rule.ERROR_RATE, Sight([ROW._replace(error_ratio=ratio, judged=n)])).broken is broken
    bad = 0 if ratio is None else math.ceil(ratio * n - 1e-9)
    reading = found(Rule.REQUESTS_FAIL, Sight(fates={"": (bad, n)}))
    assert reading.broken is broken and reading.subject == "requests"


def test_a_reading_names_the_place_the_number_and_the_limit() -> None:
    """In words for people, and as values for programs."""
    reading = found(Rule.ERROR_RATE, Sight([ROW._replace(error_ratio=0.25)]))
    assert reading == (Rule.ERROR_RATE, "a/m", True, 0.25, 0.02, reading.text)
    assert reading.text == "a/m: 25 % of 100 attempts failed in 5 min, limit 2 %"
    reading = found(Rule.TTFT_OVER_TARGET, Sight([ROW._replace(ttft_p95_s=2.412)]))
    assert reading.text == "a/m: p95 of the first content 2.41 s over 100 answers in 5 min, limit 1.5 s"


@pytest.mark.parametrize(
    ("p95", "n", "broken"), [(1.5, 100, False), (1.51, 100, True), (9.0, 19, False), (None, 0, False)]
)
def test_slow_is_what_is_over_the_target_of_the_tier(p95: float | None, n: int, broken: bool) -> None:
    """Times a factor."""
    row = ROW._replace(ttft_p95_s=p95, samples=n)
    assert found(Rule.TTFT_OVER_TARGET, Sight([row])).broken is broken
    assert not found(Rule.TTFT_OVER_TARGET, Sight([row]), AlertsSpec(ttft_over_target=10.0)).broken


def test_a_stale_probe_is_told_only_where_one_is_meant() -> None:
    """A row in maintenance is not probed."""
    assert found(Rule.PROBE_STALE, Sight([ROW._replace(probe_age_s=100.1)])).broken
    assert not found(Rule.PROBE_STALE, Sight([ROW._replace(probe_age_s=100.0)])).broken
    silent = Sight([ROW._replace(probe_age_s=None)])
    assert Rule.PROBE_STALE not in {r.rule for r in readings(SPEC, silent)}


def test_a_drop_of_quality_names_the_families() -> None:
    """The worst is the value."""
    lost = [Lost("code", 0.61, 0.8), Lost("all", 0.7, 0.9), Lost("chat", None, None)]
    reading = found(Rule.QUALITY_DROP, Sight([ROW._replace(lost=lost)]))
    assert (reading.broken, reading.value, reading.limit) == (True, 0.61, 0.8)
    assert reading.text.endswith("all 0.70, expected 0.90; chat unknown, expected unknown; code 0.61, expected 0.80")
    assert not found(Rule.QUALITY_DROP, Sight([ROW])).broken


@pytest.mark.parametrize(
    ("hour", "minutes", "broken"),
    [((20, 100), (1, 10), True), ((20, 100), (8, 10), False), ((90, 100), (0, 10), False), ((2, 19), (0, 10), False)],
)
def test_an_error_budget_burns_when_both_windows_say_so(
    hour: tuple[int, int], minutes: tuple[int, int], broken: bool
) -> None:
    """The long one that it matters, the short one that it goes on; 14.4 of 20 at most."""
    sight = Sight(promises={HOUR: {"interactive": hour}, FIVE_MINUTES: {"interactive": minutes}})
    reading = found(Rule.BURN_FAST, sight)
    assert reading.broken is broken and reading.limit == 14.4
    if broken:
        assert reading.value == 16.0
        assert reading.text.startswith("80 of 100 interactive requests missed what they were promised in 1 h, 9 of 10")


def test_the_slow_burn_looks_at_longer_windows() -> None:
    """6 h and 30 min."""
    long_s, short_s = WINDOWS[Rule.BURN_SLOW]
    sight = Sight(promises={long_s: {"background": (60, 100)}, short_s: {"background": (6, 10)}})
    assert found(Rule.BURN_SLOW, sight).broken and "in 6 h" in found(Rule.BURN_SLOW, sight).text
    assert not [r for r in readings(SPEC, Sight(promises={long_s: {}})) if r.rule is Rule.BURN_SLOW]
    quiet = Sight(promises={long_s: {"background": (60, 100)}, short_s: {}})
    assert not found(Rule.BURN_SLOW, quiet).broken


def test_a_tier_is_down_when_nobody_of_it_serves_who_is_meant_to() -> None:
    """One that was taken out by hand is no outage."""
    sight = Sight(tiers=[TierSight("primary", 2, 0, "a/m down (connect), b/m locked (auth)")])
    reading = found(Rule.TIER_DOWN, sight)
    assert reading.broken and reading.text.endswith("a/m down (connect), b/m locked (auth)")
    assert not found(Rule.TIER_DOWN, Sight(tiers=[TierSight("primary", 2, 1, "")])).broken
    assert not found(Rule.TIER_DOWN, Sight(tiers=[TierSight("primary", 0, 0, "")])).broken


def test_a_budget_is_told_when_it_is_nearly_used() -> None:
    """From the share on."""
    assert not found(Rule.BUDGET_USED, Sight(budgets=[BUDGET._replace(spent=44.9)])).broken
    reading = found(Rule.BUDGET_USED, Sight(budgets=[BUDGET._replace(spent=45.0)]))
    assert reading.broken and "45.00 USD (90 %) spent" in reading.text and "in 1.0 h" in reading.text
    assert found(Rule.BUDGET_USED, Sight(budgets=[BUDGET._replace(limit=0.0, spent=0.0)])).broken


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"pace": 26 / 3600}, True),
        ({"pace": 24 / 3600}, False),
        ({"pace": None}, False),
        ({"pace": 0.0}, False),
        ({"pace": 100 / 3600, "spent": 4.9}, False),
        ({"pace": 0.001, "spent": 60.0}, True),
    ],
)
def test_a_budget_will_not_last_at_a_pace_that_passes_it(changes: dict[str, Any], broken: bool) -> None:
    """Before its window ends; a tenth must be used before that says anything."""
    assert found(Rule.BUDGET_PACE, Sight(budgets=[BUDGET._replace(**changes)])).broken is broken


def test_an_empty_daemon_has_nothing_broken() -> None:
    """Nothing was seen yet."""
    assert not any(r.broken for r in readings(SPEC, Sight([ROW])))
    assert {r.rule for r in readings(SPEC, Sight())} == {Rule.RELOAD_FAILED, Rule.STORE_DOWN, Rule.HOST_FAULT}
    sight = Sight(reload_error="bad\nmore", stores_down=["state", "ledger"], own_faults=["no route"])
    told = {r.rule: r for r in readings(SPEC, sight)}
    assert all(r.broken for r in told.values())
    assert (told[Rule.RELOAD_FAILED].text, told[Rule.STORE_DOWN].text) == ("bad", "writes fail: state, ledger")
