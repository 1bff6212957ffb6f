"""Portkey's strategies: what is balanced, what follows, what is conditional."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.adapt.source import SourceError


def test_targets_without_a_model_serve_what_clients_ask_for(convert: Any) -> None:
    """One rule for each model that a person names, in the order of the targets."""
    config = convert("portkey", "portkey-fallback.json", "gpt-4.1", "gpt-4.1-mini").config
    assert config["routing_rules"]["gpt-4.1"] == {
        "primary": "gpt-4.1",
        "fallback": ["gpt-4.1@azure-prod", "claude-haiku-4-5"],
    }
    assert set(config["routing_rules"]) == {"gpt-4.1", "gpt-4.1-mini"} and "models" not in config


def test_without_names_it_is_said_that_they_are_needed(convert: Any, levels: Any) -> None:
    """Nothing is guessed."""
    result = convert("portkey", "portkey-fallback.json")
    assert not result.usable and "targets[0]" in levels(result)["todo"]


def test_balanced_targets_are_one_model_with_weights(convert: Any) -> None:
    """Whatever models they override with."""
    config = convert("portkey", "portkey-conditional.json").config
    rows = [r for p in config["providers"] for r in p["deployments"] if "+" in r["model"]]
    assert [(r["upstream_model"], r.get("weight", 1)) for r in rows] == [("gpt-4.1-mini", 1), ("our-model", 0.4286)]


def test_conditions_are_rules_for_every_name(convert: Any, levels: Any) -> None:
    """In order, the default last; what cannot be said is left out and noted."""
    result = convert("portkey", "portkey-conditional.json")
    rules = result.config["routing_rules"]
    assert list(rules) == ["finetuned", "cheap", "cheap-2", "cheap-default"]
    assert rules["finetuned"]["when"] == {"header": {"x-meta-user_plan": "paid"}}
    assert rules["finetuned"]["fallback"] == ["anthropic.claude-v3"]
    assert (rules["cheap"]["when"], rules["cheap-2"]["when"]) == ({"model": ["gpt-4*"]}, {"model": ["o1", "o3"]})
    assert rules["cheap-default"]["when"] == {"input_tokens_min": 1}
    assert result.config["models"] == {"*": "auto"}
    assert "strategy.conditions[2].query" in levels(result)["lost"]


def test_bounds_of_the_whole_are_deadlines(convert: Any) -> None:
    """Milliseconds there."""
    deadlines = convert("portkey", "portkey-conditional.json").config["deadlines"]
    assert deadlines == {"interactive_total_s": 8.0, "interactive_first_content_s": 8.0}


def test_a_single_provider_needs_no_strategy(convert: Any) -> None:
    """In the SDKs' way of writing, too; whatever is asked for, its model serves."""
    text = '{"provider": "openai", "apiKey": "sk-canary-0123456789", "overrideParams": {"model": "gpt-4.1"}}'
    config = convert("portkey", text).config
    assert config["providers"][0]["deployments"] == [{"model": "gpt-4.1"}]
    assert config["routing_rules"] == {"portkey": {"primary": "gpt-4.1"}} and config["models"] == {"*": "portkey"}


def test_a_fallback_inside_a_balance_is_flattened(convert: Any) -> None:
    """The first of each are balanced, the others follow; it is said."""
    text = """
    {strategy: {mode: loadbalance}, targets: [
      {weight: 3, strategy: {mode: fallback}, targets: [
        {provider: openai, override_params: {model: a}}, {provider: groq, override_params: {model: b}}]},
      {weight: 1, provider: mistral-ai, override_params: {model: a}}]}
    """
    result = convert("portkey", text)
    assert result.config["routing_rules"]["portkey"] == {"primary": "a", "fallback": ["b"]}
    rows = {p["name"]: p["deployments"][0].get("weight", 1) for p in result.config["providers"]}
    assert rows == {"openai": 1, "mistral": 0.3333, "groq": 1}
    assert any("inside a balanced one" in n.reason for n in result.notes)


def test_the_gateway_s_own_file_offers_its_integrations(convert: Any, levels: Any) -> None:
    """With their models; the plugins have no counterpart."""
    result = convert("portkey", "portkey-gateway.json")
    assert result.config["providers"][0]["deployments"] == [{"model": "claude-haiku-4-5"}]
    assert {"plugins_enabled", "integrations[0].rate_limits"} <= set(levels(result)["lost"])


def test_another_file_is_refused(convert: Any) -> None:
    """With what is missing."""
    with pytest.raises(SourceError, match="no config of Portkey's"):
        convert("portkey", "{model_list: []}")
