"""OpenRouter's requests: models that follow, wishes that stay in the body."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.adapt.source import SourceError


def test_models_are_a_rule_of_the_first_one_s_name(convert: Any) -> None:
    """OpenRouter's own choice has a name that is not lbd's."""
    config = convert("openrouter", "openrouter-request.json").config
    assert [r["model"] for r in config["providers"][0]["deployments"]] == [
        "anthropic/claude-sonnet-4.5", "openai/gpt-4.1", "openrouter/auto",
    ]  # fmt: skip
    rule = config["routing_rules"]["anthropic/claude-sonnet-4.5"]
    assert rule == {
        "primary": "anthropic/claude-sonnet-4.5",
        "fallback": ["openai/gpt-4.1", "openrouter/auto"],
    }


def test_what_is_sorted_by_is_weighed(convert: Any, levels: Any) -> None:
    """And the rest is said to stay with the body."""
    result = convert("openrouter", "openrouter-request.json")
    assert result.config["scorer"] == {"weights": {"latency": 2.0}}
    assert {"provider.order", "provider.max_price", "provider.data_collection"} <= set(levels(result)["changed"])


def test_named_requests_are_rules_of_their_names(convert: Any) -> None:
    """A single model, too; variants of a model are models."""
    config = convert("openrouter", "openrouter-named.yaml").config
    assert config["routing_rules"]["fast"] == {"primary": "meta-llama/llama-3.3-70b-instruct:nitro"}
    assert config["routing_rules"]["careful"]["fallback"] == ["google/gemini-2.5-pro"]


def test_two_lists_that_begin_alike_are_said(convert: Any) -> None:
    """The first holds."""
    result = convert("openrouter", '[{"models": ["a/b", "c/d"]}, {"models": ["a/b", "e/f"]}]')
    assert result.config["routing_rules"]["a/b"]["fallback"] == ["c/d"]
    assert any(n.path == "[1]" and n.level == "lost" for n in result.notes)


def test_wishes_without_a_model_need_names(convert: Any) -> None:
    """Which a person gives."""
    assert not convert("openrouter", '{"provider": {"sort": "price", "what": 1}}').usable
    assert convert("openrouter", '{"provider": {"sort": "price"}}', "a/b").usable


@pytest.mark.parametrize(
    "text",
    [
        '{"chatRequest": {"model": "a/b", "provider": {"dataCollection": "deny"}}}',
        '{"model": "a/b", "extra_body": {"provider": {"data_collection": "deny"}}}',
        '{"model": "a/b", "provider": {"dataCollection": "deny"}}',
    ],
)
def test_bodies_may_be_written_as_the_sdks_do(convert: Any, levels: Any, text: str) -> None:
    """Wrapped, in camel case, with what OpenAI's SDK calls extra_body."""
    result = convert("openrouter", text)
    assert [r["model"] for r in result.config["providers"][0]["deployments"]] == ["a/b"]
    assert "provider.data_collection" in levels(result)["changed"] and "lost" not in levels(result)


def test_fallbacks_of_the_anthropic_endpoint_are_models(convert: Any, levels: Any) -> None:
    """And where requests go on naming them OpenRouter falls back as well."""
    text = '{"model": "a/b", "fallbacks": [{"model": "c/d"}], "max_tokens": 9, "session_id": "s"}'
    result = convert("openrouter", text)
    assert result.config["routing_rules"]["a/b"]["fallback"] == ["c/d"]
    assert {"fallbacks", "session_id", ""} <= set(levels(result)["changed"])


def test_models_that_are_sorted_together_are_said(convert: Any, levels: Any) -> None:
    """lbd asks them in their order."""
    text = '{"models": ["a/b", "c/d"], "provider": {"sort": {"by": "price", "partition": "none"}}}'
    assert "provider.sort.partition" in levels(convert("openrouter", text))["lost"]


@pytest.mark.parametrize("text", ["[]", "7", "{}", '{"model_list": []}', '{"a": {"b": 1}}'])
def test_another_file_is_refused(convert: Any, text: str) -> None:
    """With what is missing."""
    with pytest.raises(SourceError, match="none of OpenRouter's"):
        convert("openrouter", text)
