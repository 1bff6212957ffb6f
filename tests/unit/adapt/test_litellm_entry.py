"""What an entry of LiteLLM's model_list says that has no counterpart."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("entry", "level", "path"),
    [
        ("tpm: 1", "changed", "tpm"),
        ("what: 1", "lost", "what"),
        ("model_info: {access_groups: [beta]}", "lost", "model_info.access_groups"),
        ("model_info: {supports_vision: false}", "lost", "model_info.supports_vision"),
        ("model_info: {health_check_timeout: 1}", "lost", "model_info.health_check_timeout"),
    ],
)
def test_what_is_left_is_said_at_its_place(convert: Any, levels: Any, entry: str, level: str, path: str) -> None:
    """Beside the parameters, too, where older configurations have some."""
    text = f"model_list: [{{model_name: m, litellm_params: {{model: openai/m}}, {entry}}}]"
    assert f"model_list[0].{path}" in levels(convert("litellm", text))[level]


def test_what_is_taken_over_or_needs_nothing_is_not(convert: Any) -> None:
    """Names, contexts, costs, what a model can do."""
    info = "{id: x, max_input_tokens: 8, supports_vision: true, input_cost_per_token: 0.1, output_cost_per_token: 0.1}"
    text = f"model_list: [{{model_name: m, litellm_params: {{model: openai/m, rpm: 1}}, model_info: {info}}}]"
    assert [n.path for n in convert("litellm", text).notes] == ["model_list[0].litellm_params.rpm"]
