"""Portkey's targets: whose they are, their keys, their addresses."""

from __future__ import annotations

from typing import Any

import pytest


def one(**target: Any) -> str:
    import json

    return json.dumps({"override_params": {"model": "m"}, **target})


@pytest.mark.parametrize(
    ("target", "shape", "base_url"),
    [
        ({"virtual_key": "openai-prod-1a2b"}, "openai", "https://api.openai.com/v1"),
        ({"provider": "@vertex-ai-eu", "vertex_project_id": "p", "vertex_region": "europe-west1"}, "vertex",
         "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/europe-west1/publishers/google"),
        ({"provider": "azure-openai", "resource_name": "res", "api_key": "canary"}, "azure", "https://res.openai.azure.com/openai"),
        ({"provider": "ollama", "custom_host": "http://10.0.0.7:11434"}, "ollama", "http://10.0.0.7:11434/v1"),
        ({"provider": "bedrock"}, "bedrock", "https://bedrock-runtime.us-east-1.amazonaws.com"),
        ({"override_params": {"model": "@groq-team/m"}}, "openai", "https://api.groq.com/openai/v1"),
    ],
)  # fmt: skip
def test_a_target_is_a_provider(convert: Any, target: dict[str, Any], shape: str, base_url: str) -> None:
    """By its provider, its virtual key's name, or the word before its model."""
    made = convert("portkey", one(**{"provider": "", **target})).config["providers"][0]
    assert (made["shape"], made["base_url"], made["deployments"][0]["model"]) == (shape, base_url, "m")


def test_a_name_that_tells_nothing_is_asked_for(convert: Any) -> None:
    """And taken from the person who knows."""
    result = convert("portkey", one(virtual_key="team-7"))
    assert not result.usable and "--provider team-7=openai" in str(result.notes[0])
    told = convert("portkey", one(virtual_key="team-7"), providers={"team-7": "anthropic"})
    assert told.config["providers"][0]["shape"] == "anthropic"
    assert told.environment == ("TEAM_7_API_KEY",)


def test_a_deployment_of_azure_keeps_its_name(convert: Any) -> None:
    """As the upstream's."""
    text = one(provider="azure-openai", resource_name="r", deployment_id="our-gpt", api_version="2024-06-01")
    made = convert("portkey", text).config["providers"][0]
    assert made["api_version"] == "2024-06-01"
    assert made["deployments"] == [{"model": "m", "upstream_model": "our-gpt"}]
