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
    """By the kind that they say they are."""
    made = named(convert("bifrost", "bifrost.json"))
    assert (made["our-own"]["shape"], made["our-own"]["base_url"]) == ("openai", "https://llm.example.net")
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


def test_another_file_is_refused(convert: Any) -> None:
    """With what is missing."""
    with pytest.raises(SourceError, match=r"no config\.json of Bifrost's"):
        convert("bifrost", "{model_list: []}")
