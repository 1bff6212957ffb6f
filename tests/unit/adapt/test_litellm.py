"""LiteLLM's model_list: prefixes, addresses, keys, wildcards."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.adapt.source import SourceError


def provider(result: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(p for p in result.config["providers"] if p["name"] == name)
    return found


def test_entries_of_one_name_are_one_model(convert: Any) -> None:
    """Two resources of Azure serve gpt-4, each with its own key; an anchor's parts are its own."""
    result = convert("litellm", "litellm-proxy.yaml")
    both = [p for p in result.config["providers"] if p["shape"] == "azure"]
    assert [p["base_url"] for p in both] == [
        "https://openai-example.openai.azure.com/openai",
        "https://openai-other.openai.azure.com/openai",
    ]
    assert both[0]["api_key"] == {"env": "AZURE_API_KEY"} != both[1]["api_key"]
    assert both[0]["deployments"] == [
        {"model": "gpt-4", "upstream_model": "our-gpt-4"},
        {"model": "text-embedding-ada-002", "upstream_model": "our-embedding", "serves": ["embeddings"]},
    ]


@pytest.mark.parametrize(
    ("name", "shape", "base_url"),
    [
        ("anthropic", "anthropic", "https://api.anthropic.com/v1"),
        ("bedrock-eu-central-1", "bedrock", "https://bedrock-runtime.eu-central-1.amazonaws.com"),
        (
            "vertex-anthropic-europe-west1",
            "vertex-anthropic",
            "https://europe-west1-aiplatform.googleapis.com/v1/projects/our-project/locations/europe-west1/publishers/anthropic",
        ),
        ("gemini", "gemini", "https://generativelanguage.googleapis.com/v1beta"),
        ("ollama-local", "ollama", "http://localhost:11434/v1"),
        ("vllm-set-house-url", "vllm", "https://set-house-url.invalid/v1"),
        ("openai-llm", "openai", "https://llm.example.net/v1"),
    ],
)
def test_a_prefix_says_who_serves(convert: Any, name: str, shape: str, base_url: str) -> None:
    """Shape and address, written as ours are."""
    found = provider(convert("litellm", "litellm-proxy.yaml"), name)
    assert (found["shape"], found["base_url"]) == (shape, base_url)


def test_an_address_in_the_environment_is_followed_where_it_is_set(convert: Any) -> None:
    """An address is no secret; a key is never followed."""
    result = convert(
        "litellm", "litellm-proxy.yaml", environ={"HOUSE_URL": "http://10.0.0.7:8000/v1", "HOUSE_KEY": "k"}
    )
    found = next(p for p in result.config["providers"] if p["shape"] == "vllm")
    assert found["base_url"] == "http://10.0.0.7:8000/v1" and found["api_key"] == {"env": "HOUSE_KEY"}


def test_prices_and_contexts_come_along(convert: Any) -> None:
    """Per token there, per million here."""
    rows = provider(convert("litellm", "litellm-proxy.yaml"), "openai")["deployments"]
    assert rows[0]["price"] == {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
    assert rows[0]["context_tokens"] == 16385
    assert convert("litellm", "litellm-proxy.yaml").config["providers"][2]["headers"] == {
        "OpenAI-Organization": "org-example"
    }


def test_a_model_for_completions_serves_them(convert: Any) -> None:
    """The prefix says it."""
    result = convert("litellm", "litellm-proxy.yaml")
    rows = [r for p in result.config["providers"] for r in p["deployments"] if r["model"] == "instruct"]
    assert rows[0]["serves"] == ["completions"]


def test_what_cannot_be_served_is_left_out_and_said(convert: Any, levels: Any) -> None:
    """A provider without a shape, a mode without an endpoint; with the place in the source."""
    result = convert("litellm", "litellm-proxy.yaml")
    models = {r["model"] for p in result.config["providers"] for r in p["deployments"]}
    assert not {"sagemaker-model", "rerank", "*"} & models
    assert {"model_list[12].litellm_params.model", "model_list[13].model_info.mode"} <= set(levels(result)["lost"])
    note = next(n for n in result.notes if n.path == "model_list[12].litellm_params.model")
    assert note.place.line == 45 and "etc/shapes.md" in note.remedy


def test_wildcards_stand_for_models_that_a_person_names(convert: Any, levels: Any) -> None:
    """A pattern offers nothing by itself; with names each fits where it belongs."""
    assert "model_list[14].model_name" in levels(convert("litellm", "litellm-proxy.yaml"))["todo"]
    result = convert("litellm", "litellm-proxy.yaml", "gpt-4.1-mini", "anthropic/claude-opus-4-5")
    rows = {r["model"]: r.get("upstream_model") for p in result.config["providers"] for r in p["deployments"]}
    assert rows["gpt-4.1-mini"] is None and rows["anthropic/claude-opus-4-5"] == "claude-opus-4-5"


def test_order_is_tiers_and_weights_are_weights(convert: Any) -> None:
    """A fourth order adds a level below the usual three; two upstreams of one model are two rows."""
    result = convert("litellm", "litellm-groups.yaml")
    rows = [r for p in result.config["providers"] for r in p["deployments"] if r["model"] == "chat"]
    assert [(r.get("weight"), r["tier"]) for r in rows] == [(0.9, "primary"), (0.1, "primary"), (None, "level-4")]
    assert rows[1]["name"] == "chat-gpt-4.1-mini" and rows[2]["max_concurrency"] == 8
    assert [t["name"] for t in result.config["tiers"]] == ["primary", "secondary", "tertiary", "level-4"]


def test_a_bare_name_tells_whose_it_is(convert: Any) -> None:
    """As LiteLLM reads it."""
    one = "{model_name: a, litellm_params: {model: claude-x}}"
    result = convert("litellm", f"model_list: [{one}, {{model_name: b, litellm_params: {{model: what}}}}]")
    assert [p["shape"] for p in result.config["providers"]] == ["anthropic"]
    assert not convert("litellm", "model_list: [{model_name: b, litellm_params: {model: what}}]").usable


def one(params: str, more: str = "") -> str:
    return f"model_list: [{{model_name: m, litellm_params: {{{params}}}{more}}}]"


def test_a_price_of_the_input_alone_is_said(convert: Any, levels: Any) -> None:
    """The output would count as free; of embeddings there is none."""
    half = "input_cost_per_token: 0.000001"
    result = convert("litellm", one(f"model: openai/m, {half}"))
    assert "model_list[0].litellm_params" in levels(result)["todo"]
    assert "todo" not in levels(convert("litellm", one(f"model: openai/text-embedding-3, {half}")))


def test_claude_on_azure_speaks_as_anthropic_does(convert: Any) -> None:
    """At its own path, whichever of the ways to write the address it is."""
    for base in ("https://r.services.ai.azure.com", "https://r.services.ai.azure.com/anthropic/v1/messages"):
        made = convert("litellm", one(f"model: azure_ai/claude-opus-4-5, api_base: '{base}'")).config["providers"][0]
        assert (made["shape"], made["base_url"]) == ("anthropic", "https://r.services.ai.azure.com/anthropic/v1")
        assert made["api_key"] == {"env": "AZURE_API_KEY"}


def test_an_address_of_one_s_own_gets_no_key_unasked(convert: Any, levels: Any) -> None:
    """LiteLLM would send the one of the environment; that lbd does not is said."""
    result = convert("litellm", one("model: openai/m, api_base: 'https://llm.example.net/v1'"))
    assert "api_key" not in result.config["providers"][0]
    assert "model_list[0].litellm_params.api_base" in levels(result)["changed"]


@pytest.mark.parametrize(
    ("params", "level", "path"),
    [
        ("model: cohere/rerank-english-v3.0", "lost", "litellm_params"),
        ("model: auto_router/complexity_router", "lost", "litellm_params.model"),
        ("model: azure/, api_base: 'https://r.openai.azure.com'", "todo", "litellm_params.model"),
    ],
)
def test_what_is_no_deployment_is_said(convert: Any, levels: Any, params: str, level: str, path: str) -> None:
    """Rerankers, LiteLLM's own choice, a deployment without a name."""
    assert f"model_list[0].{path}" in levels(convert("litellm", one(params)))[level]


def test_another_file_is_refused(convert: Any) -> None:
    """With the place and what is missing."""
    with pytest.raises(SourceError, match=r"source:1:1: none of LiteLLM's"):
        convert("litellm", "{providers: {}}")


def test_an_entry_that_is_none_is_said(convert: Any, levels: Any) -> None:
    """And the others go on."""
    result = convert("litellm", "model_list: [7, {model_name: a, litellm_params: {model: azure/x}}]")
    assert levels(result)["lost"][:2] == ["model_list[0]", "model_list[1].litellm_params.model"]
