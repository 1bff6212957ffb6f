"""Bifrost's virtual keys: clients with what they may have and who may serve them."""

from __future__ import annotations

from typing import Any

import pytest


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


TWO_REGIONS = """
providers:
  azure:
    keys:
      - {id: k-us, name: us, value: env.U, models: [gpt-4o, o1], azure_key_config: {endpoint: "https://us.openai.azure.com"}}
      - {id: k-eu, name: eu, value: env.E, models: [gpt-4o], azure_key_config: {endpoint: "https://eu.openai.azure.com"}}
  openai: {keys: [{name: o, value: env.O, models: [gpt-4o, gpt-4o-mini]}]}
governance: {virtual_keys: [{name: v, value: env.V, %s}]}
"""


def client(convert: Any, said: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the client and the configuration that a virtual key becomes."""
    config = convert("bifrost", TWO_REGIONS % said).config
    return config["clients"][0], config


def test_a_client_is_kept_at_its_providers_and_keys(convert: Any) -> None:
    """By a surface on which every name means these deployments alone, with the shares of the providers."""
    mine, config = client(
        convert,
        "provider_configs: [{provider: azure, key_ids: [k-eu], weight: 0.2}, {provider: openai, key_ids: ['*'],"
        " allowed_models: [gpt-4o], weight: 0.8}]",
    )
    surface = config["surfaces"][0]
    assert mine["surface"] == surface["name"] == "v" and "pin" not in mine["may"] and "surface" not in mine["may"]
    pool = surface["models"]["gpt-4o"]
    rows = {p["name"]: r.get("weight", 1) for p in config["providers"] for r in p["deployments"] if r["model"] == pool}
    assert rows == {"azure-eu": 0.25, "openai": 1}
    assert surface["models"]["azure/gpt-4o"] != pool and set(surface["models"].values()) <= set(mine["models"])
    assert not {"o1", "gpt-4o-mini"} & set(mine["models"])


def test_what_no_other_offers_needs_no_surface(convert: Any) -> None:
    """A list of the names is enough, and none where everything is allowed."""
    mine, config = client(convert, "provider_configs: [{provider: openai, allowed_models: ['regex:.*-mini']}]")
    assert mine["models"] == ["gpt-4o-mini", "openai/gpt-4o-mini"] and "surfaces" not in config
    mine, _ = client(
        convert, "allow_all_providers: true, provider_configs: [{provider: openai, allowed_models: ['*']}]"
    )
    assert set(mine) == {"name", "key"}


def test_a_provider_that_offers_nothing_leaves_nothing(convert: Any) -> None:
    """Not everything: an empty list would be every name."""
    mine, _ = client(convert, "provider_configs: [{provider: groq, allowed_models: ['*']}]")
    assert mine["models"] == ["nothing-of-this"]
    mine, _ = client(convert, "provider_configs: [{provider: groq, allowed_models: [llama]}]")
    assert mine["models"] == ["groq/llama"]


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("team_id: t", "team_id"),
        ("mcp_configs: [{}]", "mcp_configs"),
        ("rate_limit_id: none", "rate_limit_id"),
        ("provider_configs: [{provider: openai, budgets: [{}]}]", "provider_configs[0].budgets"),
        ("provider_configs: [{provider: openai, allowed_models: [gpt-9]}]", "provider_configs"),
    ],
)
def test_what_else_a_key_has_is_said(convert: Any, levels: Any, said: str, path: str) -> None:
    """With what to do."""
    result = convert("bifrost", TWO_REGIONS % said)
    assert f"governance.virtual_keys[0].{path}" in levels(result)["lost"]


def test_without_providers_it_depends_on_the_version(convert: Any, levels: Any) -> None:
    """All of them before 1.5; the key itself may be in the store."""
    told = levels(convert("bifrost", TWO_REGIONS % "is_active: true"))
    assert "governance.virtual_keys[0]" in told["changed"]
    result = convert("bifrost", TWO_REGIONS.replace("value: env.V, %s", "allow_all_providers: true"))
    assert "governance.virtual_keys[0]" in levels(result)["todo"]


def test_beside_rules_a_client_is_not_kept(convert: Any, levels: Any) -> None:
    """The rules choose, so it is said."""
    text = TWO_REGIONS % "provider_configs: [{provider: azure}]"
    rule = "routing_rules: [{name: r, cel_expression: 'true', targets: [{provider: openai, model: gpt-4o}]}]}"
    result = convert("bifrost", text.rstrip().removesuffix("}") + ", " + rule)
    assert "governance.virtual_keys[0].provider_configs" in levels(result)["lost"] and "surfaces" not in result.config
