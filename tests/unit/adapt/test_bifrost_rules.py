"""Bifrost's routing rules: what they are about, and who is asked."""

from __future__ import annotations

from typing import Any


def test_rules_are_taken_in_their_order(convert: Any) -> None:
    """A key's own first, then by priority; every name means auto, and what fits no rule stays at its model."""
    config = convert("bifrost", "bifrost-governance.json").config
    rules = config["routing_rules"]
    assert list(rules)[:3] == ["later", "premium", "budget"]
    assert rules["premium"] == {
        "primary": "gpt-4.1",
        "fallback": ["claude-haiku-4-5"],
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


PROVIDERS = """
providers:
  openai: {keys: [{name: o, value: env.O, models: [gpt-4o, gpt-4-turbo]}]}
  azure:
    keys:
      - {name: us, value: env.U, models: [gpt-4o], azure_key_config: {endpoint: "https://us.openai.azure.com"}}
      - {name: eu, value: env.E, models: [gpt-4o], azure_key_config: {endpoint: "https://eu.openai.azure.com"}}
  groq: {keys: [{name: g, value: env.G, models: [llama]}]}
governance:
  virtual_keys: [{id: vk-1, name: Team A, value: env.V, allow_all_providers: true}]
  routing_rules:
"""


def rules(convert: Any, *lines: str) -> tuple[dict[str, Any], Any]:
    """Return the rules that lines become, and all of the result."""
    result = convert("bifrost", PROVIDERS + "\n".join(f"    - {line}" for line in lines))
    return result.config["routing_rules"], result


def at(result: Any, model: str) -> dict[str, float]:
    """Return the providers of a model with their weights."""
    return {
        p["name"]: r.get("weight", 1)
        for p in result.config["providers"]
        for r in p["deployments"]
        if r["model"] == model
    }


def test_a_target_at_one_provider_stays_there(convert: Any) -> None:
    """The model alone would go to every provider that offers it: data that must stay in a region would not."""
    made, result = rules(
        convert,
        '{name: EU, cel_expression: \'headers["x-region"] == "eu"\','
        " targets: [{provider: azure, model: gpt-4o, weight: 1}]}",
        "{name: Key, cel_expression: 'true', targets: [{provider: azure, model: gpt-4o, key_id: eu, weight: 1}]}",
    )
    assert made["eu"] == {"primary": "gpt-4o@azure", "when": {"header": {"x-region": "eu"}}}
    assert set(at(result, "gpt-4o@azure")) == {"azure-us", "azure-eu"}
    assert set(at(result, made["key"]["primary"])) == {"azure-eu"}


def test_shares_are_weights(convert: Any) -> None:
    """Between providers and between models, as they stand there."""
    targets = "[{provider: openai, model: gpt-4o, weight: 0.75}, {provider: groq, model: llama, weight: 0.25}]"
    made, result = rules(convert, f"{{name: Split, cel_expression: 'true', targets: {targets}}}")
    assert made["split"] == {"primary": "gpt-4o+llama@openai+groq", "when": {"input_tokens_min": 1}}
    assert at(result, "gpt-4o+llama@openai+groq") == {"openai": 1, "groq": 0.3333}


def test_a_rule_that_keeps_the_model_is_one_for_each(convert: Any) -> None:
    """Of those that its provider has and its condition is about; so do its fallbacks, however they are written."""
    made, _ = rules(
        convert,
        "{name: Home, cel_expression: 'model.startsWith(\"gpt-\")', targets: [{provider: openai, weight: 1}],"
        " fallbacks: [azure/, {provider: groq, model: llama}]}",
    )
    assert made["home-gpt-4o"] == {
        "primary": "gpt-4o@openai",
        "fallback": ["gpt-4o@azure", "llama"],
        "when": {"model": ["gpt-4o", "*/gpt-4o"]},
    }
    assert made["home-gpt-4-turbo"]["fallback"] == ["llama"]


def test_a_key_s_rule_is_its_client_s(convert: Any) -> None:
    """By its id there, by the client's name here; alternatives are several rules."""
    made, _ = rules(
        convert,
        '{name: Own, scope: virtual_key, scope_id: vk-1, cel_expression: \'headers["x-a"] in ["1", "2"]\','
        " targets: [{provider: groq, model: llama, weight: 1}]}",
    )
    assert [made[n]["when"] for n in ("own", "own-2")] == [
        {"header": {"x-a": "1"}, "client": ["team-a"]}, {"header": {"x-a": "2"}, "client": ["team-a"]},
    ]  # fmt: skip


def test_what_a_rule_cannot_keep_is_said(convert: Any, levels: Any) -> None:
    """Chains, teams, models that nobody offers, measures of complexity; the older form has one target."""
    made, result = rules(
        convert,
        "{name: Chain, chain_rule: true, cel_expression: 'model == \"gpt-4\"', targets: [{model: gpt-4-turbo}]}",
        "{name: Team, scope: team, scope_id: t, cel_expression: 'true', provider: groq, model: llama}",
        "{name: Gone, cel_expression: 'true', targets: [{provider: groq, model: llama}], fallbacks: [groq/none]}",
        "{name: None, cel_expression: 'true', targets: [{provider: mistral, model: m, weight: 1}]}",
        "{name: Hard, cel_expression: 'complexity_tier == \"COMPLEX\"', targets: [{provider: groq, model: llama}]}",
    )
    lost = {p.removeprefix("governance.routing_rules") for p in levels(result)["lost"]}
    assert {"[0].chain_rule", "[1].cel_expression", "[2].fallbacks", "[3].targets"} <= lost
    assert made["team"] == {"primary": "llama"} and made["hard"]["when"] == {"difficulty_min": 0.6}
    assert "none" not in made and "governance.routing_rules[4].cel_expression" in levels(result)["changed"]
