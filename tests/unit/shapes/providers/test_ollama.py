"""Ollama."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.shapes.providers.ollama import SHAPE, adapt


def test_it_answers_for_its_life_while_models_load() -> None:
    """The version page needs none."""
    assert SHAPE.probes.liveness == "/api/version"
    assert SHAPE.self_hosted


@pytest.mark.parametrize("client", ["openai.chat", "openai.completions"])
def test_what_it_would_not_hear_keeps_a_request_away(client: str) -> None:
    """It takes such members, and answers as if they were not there; of a chat and of a text."""
    carried = SHAPE.speaks[client].carries
    assert not {"n", "logit_bias", "top_k", "server_tools", "files", "parallel_tools"} & carried
    assert {"tools", "seed"} <= carried


def test_a_bound_has_its_older_name_and_no_tool_is_chosen_by_offering_none() -> None:
    """What is left to the model need not be said."""
    tools: dict[str, Any] = {"tools": [{}]}
    assert adapt({"max_completion_tokens": 5}) == {"max_tokens": 5}
    assert adapt({**tools, "tool_choice": "auto", "parallel_tool_calls": True}) == tools
    assert adapt({**tools, "tool_choice": "none"}) == {}
    assert adapt({"tool_choice": "required"}) == {}


@pytest.mark.parametrize(
    ("wish", "at"),
    [
        ({"tool_choice": "required"}, "/tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, "/tool_choice"),
        ({"parallel_tool_calls": False}, "/parallel_tool_calls"),
    ],
)
def test_how_tools_are_called_cannot_be_said(wish: dict[str, Any], at: str) -> None:
    """Another deployment may be asked."""
    with pytest.raises(LbdError) as raised:
        adapt({**wish, "tools": [{}]})
    assert (raised.value.failure.kind, raised.value.failure.param) == (FailureKind.UNSUPPORTED, at)
