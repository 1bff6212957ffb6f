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
    """Milliseconds of each try there, of a stream up to its first piece: a stream that has begun is not cut."""
    assert convert("portkey", "portkey-conditional.json").config["deadlines"] == {"interactive_first_content_s": 16.0}
    text = '{"provider": "openai", "request_timeout": %d, "override_params": {"model": "m"}}'
    assert convert("portkey", text % 2000).config["deadlines"] == {"interactive_first_content_s": 2.0}
    assert convert("portkey", text % 900_000).config["deadlines"]["interactive_total_s"] == 900.0


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


def test_one_condition_may_choose_what_another_does(convert: Any) -> None:
    """Each keeps its rule; a name that is taken gets a number."""
    text = """
    {strategy: {mode: conditional, default: a, conditions: [
      {query: {metadata.x: "1"}, then: a}, {query: {metadata.x: "2"}, then: a}]},
     targets: [{name: a, provider: openai, override_params: {model: m}}]}
    """
    rules = convert("portkey", text).config["routing_rules"]
    assert [rules[n]["when"] for n in ("a", "a-2", "a-default")] == [
        {"header": {"x-meta-x": "1"}}, {"header": {"x-meta-x": "2"}}, {"input_tokens_min": 1},
    ]  # fmt: skip


def test_accounts_are_known_by_their_slugs(convert: Any, levels: Any) -> None:
    """Wherever they stand; one account has one key, and it is at Portkey."""
    text = """
    {strategy: {mode: fallback}, targets: [
      {name: first, override_params: {model: "@openai/gpt-4o"}}, {name: second, provider: "@openai"}]}
    """
    result = convert("portkey", text, "gpt-4.1")
    assert [(p["name"], p["api_key"]) for p in result.config["providers"]] == [("openai", {"env": "OPENAI_API_KEY"})]
    assert {"targets[0]", "targets[1]"} <= set(levels(result)["todo"])


def test_what_a_target_says_beside_is_told(convert: Any, levels: Any) -> None:
    """At any depth, each key at its place; what nobody knows, too."""
    text = """
    {strategy: {mode: fallback, cb_config: {failure_threshold: 3}, sticky_session: {ttl: 1}}, targets: [
      {passthrough: true},
      {strategy: {mode: loadbalance}, default_params: {n: 1}, targets: [
        {provider: openai, drop_params: [x], what: 1, openai_project: p, override_params: {model: m}}]}]}
    """
    result = convert("portkey", text)
    told = levels(result)
    assert {
        "strategy.cb_config", "targets[0].passthrough", "targets[1].default_params",
        "targets[1].targets[0].drop_params", "targets[1].targets[0].what",
    } <= set(told["lost"])  # fmt: skip
    assert "strategy.sticky_session" in told["changed"]
    assert result.config["providers"][0]["headers"] == {"OpenAI-Project": "p"}


def test_a_config_may_be_inside_of_a_text(convert: Any) -> None:
    """As the API of the app tells it."""
    text = '{"id": "x", "config": "{\\"provider\\": \\"openai\\", \\"override_params\\": {\\"model\\": \\"m\\"}}"}'
    assert convert("portkey", text).config["providers"][0]["deployments"] == [{"model": "m"}]


def test_integrations_offer_what_is_active(convert: Any, levels: Any) -> None:
    """One without models needs names, with its own before them."""
    text = """
    integrations:
      - {provider: openai, slug: o, credentials: {apiKey: k}, usage_limits: [{}], models: [{slug: a, status: active},
         {slug: b, status: disabled}]}
      - {provider: groq, slug: g, credentials: {apiKey: k2}}
    """
    result = convert("portkey", text)
    assert [r["model"] for p in result.config["providers"] for r in p["deployments"]] == ["a"]
    assert "integrations[1]" in levels(result)["todo"] and "integrations[0].usage_limits" in levels(result)["lost"]
    assert convert("portkey", text, "g/llama").config["providers"][1]["deployments"] == [{"model": "llama"}]


def test_another_file_is_refused(convert: Any) -> None:
    """With what is missing."""
    with pytest.raises(SourceError, match="no config of Portkey's"):
        convert("portkey", "{model_list: []}")
    with pytest.raises(SourceError, match="nothing to convert in retry alone"):
        convert("portkey", "{retry: {attempts: 3}}")
