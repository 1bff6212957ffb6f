"""Alert rules as data: every one is told, with a remedy that names its subject where it needs one."""

from __future__ import annotations

import pytest

from lbd.model.alert import RULES, AlertsSpec, Rule, plans


def test_every_rule_has_its_row() -> None:
    """In the order in which they are shown."""
    assert list(RULES) == list(Rule)


@pytest.mark.parametrize("rule", Rule)
def test_a_rule_says_what_to_do(rule: Rule) -> None:
    """A title, a remedy in sentences, and no place for anything but the subject."""
    row = RULES[rule]
    assert row.title[0].isupper() and not row.title.endswith(".")
    assert row.remedy.endswith(".") and len(row.remedy) > 40
    assert "{" not in row.remedy.replace("{subject}", "")


def test_what_stands_by_itself_needs_no_time_to_prove_it() -> None:
    """A refused reload is one at once; a share of failures must hold."""
    made = plans(60.0, 120.0)
    assert made[Rule.RELOAD_FAILED].for_s == 0 < made[Rule.ERROR_RATE].for_s == 60
    assert {plan.clear_s for plan in made.values()} == {120.0}
    assert AlertsSpec().rules.keys() == set(Rule)
