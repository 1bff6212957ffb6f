"""Keys of Bifrost's providers: where they are, what they are for, and what they are asked with."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.adapt.bifrost_key import said


def made(convert: Any, provider: str, key: str, more: str = "") -> list[dict[str, Any]]:
    """Return the providers that one key becomes."""
    result: list[dict[str, Any]] = convert("bifrost", f"providers: {{{provider}: {{keys: [{key}]{more}}}}}").config[
        "providers"
    ]
    return result


@pytest.mark.parametrize(
    ("provider", "base", "ours"),
    [
        ("openai", "http://localhost:8000", "http://localhost:8000/v1"),
        ("openai", "http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("groq", "https://api.groq.com/openai", "https://api.groq.com/openai/v1"),
        ("openrouter", "https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
        ("anthropic", "https://a.example.net", "https://a.example.net/v1"),
        ("perplexity", "https://api.perplexity.ai", "https://api.perplexity.ai"),
        ("gemini", "https://g.example.net/v1beta", "https://g.example.net/v1beta"),
        ("bedrock", "http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_an_address_ends_as_ours_do(convert: Any, provider: str, base: str, ours: str) -> None:
    """Bifrost adds /v1 to most by itself, and what is written there has none."""
    more = f", network_config: {{base_url: '{base}'}}"
    assert made(convert, provider, "{value: env.K, models: [m]}", more)[0]["base_url"] == ours


def test_servers_of_one_s_own_have_their_address_in_the_key(convert: Any) -> None:
    """And one of vLLM's the name that the server knows its model by."""
    key = "{value: '', models: [llama], vllm_key_config: {url: 'http://vllm.internal:8000', model_name: meta/Llama}}"
    found = made(convert, "vllm", key)[0]
    assert found["base_url"] == "http://vllm.internal:8000/v1" and "api_key" not in found
    assert found["deployments"] == [{"model": "llama", "upstream_model": "meta/Llama"}]
    assert (
        made(convert, "ollama", "{models: [m], ollama_key_config: {url: 'http://o:11434'}}")[0]["base_url"]
        == "http://o:11434/v1"
    )


def test_a_key_that_is_switched_off_is_left_out(convert: Any, levels: Any) -> None:
    """It would be used otherwise."""
    text = "providers: {openai: {keys: [{value: env.A, models: [m], enabled: false}, {value: env.B, models: [m]}]}}"
    result = convert("bifrost", text)
    assert [p["api_key"] for p in result.config["providers"]] == [{"env": "B"}]
    assert "providers.openai.keys[0]" in levels(result)["lost"]


def test_what_the_host_is_allowed_needs_a_key_here(convert: Any, levels: Any) -> None:
    """Roles and identities: lbd asks with keys."""
    bedrock = "{name: a, models: [m], bedrock_key_config: {region: us-east-1, role_arn: env.R}}"
    azure = "{name: a, value: '', models: [gpt-4o], azure_key_config: {endpoint: 'https://r.openai.azure.com'}}"
    for provider, key in (("bedrock", bedrock), ("azure", azure)):
        told = levels(convert("bifrost", f"providers: {{{provider}: {{keys: [{key}]}}}}"))
        assert any(p.startswith(f"providers.{provider}.keys[0]") for p in told["todo"]), provider


def test_claude_on_azure_speaks_as_anthropic_does(convert: Any) -> None:
    """At another path of the same resource; whatever else is there speaks as OpenAI does."""
    key = (
        "{value: env.K, models: [gpt-4o, claude-opus-4-5], azure_key_config: {endpoint: 'https://r.openai.azure.com'}}"
    )
    first, second = made(convert, "azure", key)
    assert first["base_url"] == "https://r.openai.azure.com/openai"
    assert (second["shape"], second["base_url"]) == ("anthropic", "https://r.openai.azure.com/anthropic/v1")


def test_what_else_a_key_says_is_told(convert: Any, levels: Any) -> None:
    """With what to do where there is something."""
    text = """
    providers:
      bedrock:
        keys:
          - {models: [m], use_for_batch_api: true, bedrock_key_config: {access_key: env.A, secret_key: env.S, arn: a}}
        store_raw_request_response: true
        network_config: {stream_idle_timeout_in_seconds: 60}
    """
    assert {
        "providers.bedrock.keys[0].use_for_batch_api",
        "providers.bedrock.keys[0].bedrock_key_config.arn",
        "providers.bedrock.store_raw_request_response",
        "providers.bedrock.network_config.stream_idle_timeout_in_seconds",
    } <= set(levels(convert("bifrost", text))["lost"])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("env.A", "env.A"),
        ({"value": "", "env_var": "env.A", "from_env": True}, "env.A"),
        ({"value": "v", "ref": "A", "type": "env"}, "env.A"),
        ({"value": "v", "from_env": False}, "v"),
        (None, None),
    ],
)
def test_values_are_written_out_in_exports(value: object, plain: object) -> None:
    """With where each comes from."""
    assert said(value) == plain
