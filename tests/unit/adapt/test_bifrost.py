"""Bifrost's providers: a key is an account, its models are deployments."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.adapt.source import SourceError


def named(result: Any) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in result.config["providers"]}


def test_keys_are_accounts_that_share_a_model(convert: Any) -> None:
    """With their weights, and their share of the concurrency."""
    made = named(convert("bifrost", "bifrost.json"))
    assert made["openai-a"]["deployments"][0] == {"model": "gpt-4.1", "weight": 0.7}
    assert made["openai-second"]["deployments"] == [{"model": "gpt-4.1", "weight": 0.3}]
    assert made["openai-a"]["max_concurrency"] == 50
    assert made["openai-a"]["proxy"] == "http://proxy.example.net:3128"
    assert made["openai-a"]["headers"] == {"X-Environment": "production"}


def test_clouds_have_their_addresses_and_names(convert: Any) -> None:
    """Deployments of Azure, profiles of Bedrock, publishers of Vertex AI."""
    made = named(convert("bifrost", "bifrost.json", environ={"AZURE_ENDPOINT": "https://res.openai.azure.com/"}))
    assert made["azure"]["base_url"] == "https://res.openai.azure.com/openai"
    assert made["azure"]["deployments"] == [
        {"model": "gpt-4.1", "upstream_model": "our-gpt"},
        {"model": "whisper", "serves": ["transcriptions"]},
    ]
    assert made["bedrock"]["aws_access_key_id"] == {"env": "AWS_ACCESS_KEY_ID"}
    assert made["bedrock"]["deployments"][0]["upstream_model"].startswith("us.anthropic.")
    assert made["vertex"]["base_url"].startswith(
        "https://aiplatform.googleapis.com/v1/projects/our-project/locations/global"
    )


def test_publishers_on_vertex_ai_stand_in_the_address(convert: Any, levels: Any) -> None:
    """And the name keeps what clients ask for; other publishers are not served."""
    text = """
    providers:
      vertex:
        keys:
          - models: [google/gemini-2.5-pro, claude-sonnet-4-6, moonshotai/k2]
            vertex_key_config: {project_id: p, region: us-east1}
    """
    result = convert("bifrost", text)
    made = named(result)
    assert made["vertex"]["deployments"] == [{"model": "google/gemini-2.5-pro", "upstream_model": "gemini-2.5-pro"}]
    assert made["vertex-2"]["shape"] == "vertex-anthropic" and made["vertex-2"]["base_url"].endswith("/anthropic")
    assert "providers.vertex.keys[0]" in levels(result)["lost"]


def test_providers_of_one_s_own_and_without_keys(convert: Any) -> None:
    """By the kind that they say they are, at the address with the /v1 that Bifrost adds by itself."""
    made = named(convert("bifrost", "bifrost.json"))
    assert (made["our-own"]["shape"], made["our-own"]["base_url"]) == ("openai", "https://llm.example.net/v1")
    assert "api_key" not in made["ollama"] and made["ollama"]["base_url"] == "http://localhost:11434/v1"


def test_the_names_that_requests_have_mean_the_models(convert: Any) -> None:
    """provider/model, as Bifrost's clients write."""
    aliases = convert("bifrost", "bifrost.json").config["models"]
    assert aliases["openai/gpt-4.1"] == aliases["azure/gpt-4.1"] == "gpt-4.1"


def test_a_key_for_every_model_needs_names(convert: Any, levels: Any) -> None:
    """Which a person gives with the provider's word before them."""
    assert "providers.groq.keys[0].models" in levels(convert("bifrost", "bifrost.json"))["todo"]
    made = named(convert("bifrost", "bifrost.json", "groq/llama-3.3-70b-versatile"))
    assert made["groq"]["deployments"] == [{"model": "llama-3.3-70b-versatile"}]


def test_the_rest_is_said(convert: Any, levels: Any) -> None:
    """What lbd has not, and what it does by itself."""
    result = convert("bifrost", "bifrost.json")
    told = levels(result)
    assert {
        "providers.elevenlabs",
        "mcp",
        "plugins",
        "client.allowed_origins",
        "providers.openai.network_config.max_retries",
    } <= set(told["lost"])
    assert result.config["limits"] == {"max_body_bytes": 104857600} and result.config["allowed_hosts"] == [
        "app.example.net"
    ]


def test_the_older_form_has_a_meta_config(convert: Any) -> None:
    """Of the provider, not of the key."""
    text = """
    providers:
      azure:
        keys: [{value: env.K, models: [gpt-4o]}]
        meta_config: {endpoint: "https://r.openai.azure.com", deployments: {gpt-4o: aug}, api_version: 2024-08-01}
      bedrock:
        keys: [{value: env.B, models: [m]}]
        meta_config: {secret_access_key: env.S, region: us-east-1}
    """
    made = named(convert("bifrost", text))
    assert made["azure"]["deployments"] == [{"model": "gpt-4o", "upstream_model": "aug"}]
    assert made["bedrock"]["aws_secret_access_key"] == {"env": "S"}


def test_the_chart_s_values_hold_the_same(convert: Any, levels: Any) -> None:
    """Under ``bifrost``, in camel case; notes name the places that they have there."""
    text = """
    image: {tag: v1}
    bifrost:
      logLevel: info
      client: {maxRequestBodySizeMb: 1, requiredHeaders: [x-tenant]}
      providers: {openai: {keys: [{name: a, value: env.A, models: [gpt-4o]}]}}
      governance:
        rateLimits: [{id: r, request_max_limit: 60, request_reset_duration: 1h}]
        virtualKeys:
          - {id: v, name: V, value: env.V, rate_limit_id: r, team_id: t, provider_configs: [{provider: openai}]}
    """
    result = convert("bifrost", text)
    assert result.config["clients"] == [{"name": "v", "key": {"env": "V"}, "limit": {"requests_per_min": 1}}]
    assert result.config["limits"] == {"max_body_bytes": 1048576}
    lost = levels(result)["lost"]
    assert {"bifrost.log_level", "bifrost.client.required_headers"} <= set(lost)
    note = next(n for n in result.notes if n.path == "bifrost.governance.virtual_keys[0].team_id")
    assert note.place.line == 10


def test_empty_lists_mean_what_the_version_says(convert: Any, levels: Any) -> None:
    """Everything before 1.5, which ``version: 1`` asks for; nothing since: taken for everything, and said."""
    text = "{%s providers: {openai: {keys: [{name: a, value: env.A, models: []}]}}}"
    assert "providers.openai.keys[0].models" in levels(convert("bifrost", text % "", "openai/m"))["changed"]
    assert "changed" not in levels(convert("bifrost", text % "version: 1,", "openai/m"))


def test_requests_without_a_key_are_no_longer_served(convert: Any, levels: Any) -> None:
    """As soon as there are clients; where keys were asked for there is nothing to say."""
    text = """
    client: {enforce_auth_on_inference: %s}
    providers: {openai: {keys: [{value: env.A, models: [m]}]}}
    governance: {virtual_keys: [{name: v, value: env.V, allow_all_providers: true}]}
    """
    assert "client" in levels(convert("bifrost", text % "false"))["changed"]
    assert "changed" not in levels(convert("bifrost", text % "true"))


def test_two_keys_that_are_one_account_stay_one(convert: Any) -> None:
    """Its deployments count once, under either name."""
    text = """
    providers:
      bedrock:
        keys:
          - {name: a, models: [m], bedrock_key_config: {region: us-east-1}}
          - {name: b, models: [n], bedrock_key_config: {region: us-east-1}}
    governance:
      virtual_keys: [{name: v, value: env.V, provider_configs: [{provider: bedrock, key_ids: [b]}]}]
    """
    config = convert("bifrost", text).config
    assert [r["model"] for r in config["providers"][0]["deployments"]] == ["m", "n"]
    assert "models" not in config["clients"][0] and "surfaces" not in config


def test_another_file_is_refused(convert: Any) -> None:
    """With what is missing."""
    with pytest.raises(SourceError, match=r"no config\.json of Bifrost's"):
        convert("bifrost", "{model_list: []}")
