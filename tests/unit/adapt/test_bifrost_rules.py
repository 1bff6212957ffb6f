"""Bifrost's governance: clients with what they may have, rules with what they are about."""

from __future__ import annotations

from typing import Any


def test_virtual_keys_are_clients(convert: Any, levels: Any) -> None:
    """With budgets of our periods, limits a minute, and the models that they may ask for."""
    result = convert("bifrost", "bifrost-governance.json")
    first, second = result.config["clients"]
    assert first == {
        "name": "team-a",
        "key": {"env": "LBD_KEY_TEAM_A"},
        "models": ["gpt-4.1", "openai/gpt-4.1"],
        "budget": {"usd_per_month": 50.0},
        "limit": {"requests_per_min": 100, "tokens_per_min": 1000},
    }
    assert second == {"name": "team-b", "key": {"env": "VK_B"}}  # a week is no period of ours
    lost = levels(result)["lost"]
    assert {"governance.virtual_keys[1]", "governance.virtual_keys[2]", "governance.auth_config"} <= set(lost)


def test_rules_are_taken_in_their_order(convert: Any) -> None:
    """By priority; every name means auto, and what fits no rule stays at its model."""
    config = convert("bifrost", "bifrost-governance.json").config
    rules = config["routing_rules"]
    assert list(rules)[:3] == ["premium", "later", "budget"]
    assert rules["premium"] == {
        "primary": "gpt-4.1",
        "fallback": ["claude-haiku-4-5", "gpt-4.1-mini"],
        "when": {"model": ["gpt-4*", "*/gpt-4*"], "header": {"x-tier": "premium"}},
    }
    assert rules["later"]["when"] == {"client": ["team-b"]}
    assert "when" not in rules["budget"]
    assert rules["gpt-4.1-mini"] == {
        "primary": "gpt-4.1-mini",
        "when": {"model": ["gpt-4.1-mini", "openai/gpt-4.1-mini"]},
    }
    assert config["models"] == {"*": "auto"}


def test_conditions_that_cannot_be_said_are(convert: Any, levels: Any) -> None:
    """The rule can still be asked for by its name."""
    assert "governance.routing_rules[2].cel_expression" in levels(convert("bifrost", "bifrost-governance.json"))["lost"]


def test_without_rules_names_stay_names(convert: Any) -> None:
    """Nothing is sent to auto that did not ask for it."""
    assert "*" not in convert("bifrost", "bifrost.json").config["models"]
