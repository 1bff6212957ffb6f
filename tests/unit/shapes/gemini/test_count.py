"""Counting tokens at Google's, for Anthropic's clients."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import FailureKind, LbdError
from lbd.model.provider import DeploymentSpec, PromptSpec
from lbd.model.request import Body
from lbd.shapes import bridge
from lbd.shapes.clients import count_tokens
from lbd.shapes.gemini.count import facts
from lbd.shapes.providers import gemini, vertex

ROW = DeploymentSpec("g/m", "g", "m", "gemini-2.5-pro", "primary")
ASKED = {
    "model": "m",
    "system": "Be kind.",
    "messages": [{"role": "user", "content": "hi"}],
    "tools": [{"name": "w", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any"},
}


def sent(shape: Any, row: DeploymentSpec = ROW, **more: Any) -> dict[str, Any]:
    raw = json.dumps(ASKED | more).encode()
    head = count_tokens.read(raw)
    wire = bridge.wires(shape, row.upstream_model, prompted=row.prompt is not None)["anthropic.count_tokens"]
    assert wire.path == "/models/{model}:countTokens" and not wire.native
    made: dict[str, Any] = json.loads(wire.encode(Body("anthropic.count_tokens", raw, head), row, False, False))  # type: ignore[arg-type]
    return made


def test_gemini_counts_a_whole_request() -> None:
    """With its instructions and tools, which are part of the prompt."""
    made = sent(gemini.SHAPE)
    whole = made.pop("generateContentRequest")
    assert not made and whole["model"] == "models/gemini-2.5-pro"
    assert whole["contents"] == [{"role": "user", "parts": [{"text": "hi"}]}]
    assert whole["systemInstruction"] == {"parts": [{"text": "Be kind."}]}
    assert whole["tools"][0]["functionDeclarations"][0]["name"] == "w"


def test_vertex_counts_the_members_that_it_knows() -> None:
    """A choice among tools is none of them."""
    made = sent(vertex.SHAPE)
    assert set(made) == {"contents", "systemInstruction", "tools"}
    types.CountTokensConfig.model_validate({k: v for k, v in made.items() if k in ("systemInstruction", "tools")})


def test_what_a_deployment_adds_is_counted_once() -> None:
    """It stands in every prompt that is sent there."""
    row = replace(ROW, prompt=PromptSpec(prefix="<", suffix=">"))
    assert sent(vertex.SHAPE, row)["contents"] == [{"role": "user", "parts": [{"text": "<hi>"}]}]


def test_what_cannot_be_said_is_refused_by_name() -> None:
    """As it would be if it were asked."""
    with pytest.raises(LbdError) as raised:
        sent(gemini.SHAPE, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert raised.value.failure.kind is FailureKind.UNSUPPORTED


def test_a_count_is_told_as_anthropic_does_and_costs_nothing() -> None:
    """It has no usage."""
    found = facts(b'{"totalTokens": 14, "promptTokensDetails": []}')
    assert found.answer == b'{"input_tokens":14}' and found.usage is None and found.failure is None


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"totalTokens":"x"}', b'{"error":{"code":503,"message":"no"}}'])
def test_anything_else_is_a_failure(body: bytes) -> None:
    """In spite of its 200."""
    assert facts(body).failure is not None


@given(st.binary(max_size=40))
def test_junk_raises_nothing(body: bytes) -> None:
    """Whatever answers."""
    facts(body)
