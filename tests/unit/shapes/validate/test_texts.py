"""What answers say in each client's format."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.validate.texts import READERS, Said, own_schema, said


def chat(**message: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


def output(*items: dict[str, Any]) -> dict[str, Any]:
    return {"output": list(items)}


@pytest.mark.parametrize(
    ("shape", "answer", "meant"),
    [
        ("openai.chat", chat(content="hi"), [Said("hi")]),
        ("openai.chat", chat(content=None, refusal="no"), [Said("no", refused=True)]),
        ("openai.chat", chat(content=None, tool_calls=[{"id": "x"}]), [Said("", calls=True)]),
        (
            "openai.chat",
            chat(content=[{"type": "thinking", "text": "x"}, {"type": "text", "text": "hi"}]),
            [Said("hi")],
        ),
        (
            "openai.chat",
            {"choices": [{"message": {"content": "a"}, "finish_reason": "content_filter"}]},
            [Said("a", True)],
        ),
        (
            "openai.chat",
            {"choices": [*chat(content="a")["choices"], *chat(content="b")["choices"]]},
            [Said("a"), Said("b")],
        ),
        ("openai.chat", {"choices": [{"message": None}, 5]}, []),
        ("openai.completions", {"choices": [{"text": "a"}, {"text": "b"}]}, [Said("a"), Said("b")]),
        (
            "anthropic.messages",
            {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            [Said("ab")],
        ),
        ("anthropic.messages", {"content": [], "stop_reason": "refusal"}, [Said("", True)]),
        (
            "anthropic.messages",
            {"content": [{"type": "thinking", "thinking": "x"}, {"type": "tool_use"}]},
            [Said("", calls=True)],
        ),
        ("anthropic.messages", {"content": "x"}, []),
        (
            "openai.responses",
            output({"type": "reasoning"}, {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}),
            [Said("hi")],
        ),
        (
            "openai.responses",
            output({"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}),
            [Said("no", True)],
        ),
        ("openai.responses", output({"type": "function_call"}), [Said("", calls=True)]),
        ("openai.responses", {"output": None}, []),
        ("openai.embeddings", {"data": []}, []),
        ("openai.chat", [], []),
    ],
)
def test_each_format_is_read(shape: str, answer: Any, meant: list[Said]) -> None:
    """Words, the provider's own word of a refusal, and calls, which are no last word."""
    assert list(said(shape, orjson.dumps(answer))) == meant


def test_half_a_character_hides_nothing_and_junk_says_nothing() -> None:
    """Answers are a provider's, and come as they like."""
    assert said("openai.chat", b'{"choices":[{"message":{"content":"a\\ud83d"}}]}')[0].text.startswith("a")
    assert said("openai.chat", b"<html>") == () and said("openai.chat", b"[" * 100_000) == ()


@given(
    st.sampled_from(sorted(READERS)),
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["message", "text", "refusal", "tool_use"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "message", "content", "output", "type", "text", "refusal", "finish_reason"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
)
def test_whatever_comes_it_is_read_or_not(shape: str, answer: Any) -> None:
    """Never an exception: the client is to have its answer."""
    assert all(isinstance(one.text, str) for one in said(shape, orjson.dumps(answer)))


SCHEMA = {"type": "object"}


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        ("openai.chat", {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}}),
        ("openai.responses", {"text": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
        ("anthropic.messages", {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}),
        ("anthropic.messages", {"output_config": None, "output_format": {"schema": SCHEMA}}),
    ],
)
def test_a_request_s_own_schema_is_found(shape: str, body: dict[str, Any]) -> None:
    """Where each API has it."""
    assert own_schema(shape, orjson.dumps({"model": "m", **body})) == orjson.dumps(SCHEMA)


@pytest.mark.parametrize(
    "body", [{}, {"response_format": None}, {"response_format": {"type": "text"}}, {"response_format": 5}]
)
def test_without_one_there_is_none(body: dict[str, Any]) -> None:
    """Nor where something else stands in its place."""
    assert own_schema("openai.chat", orjson.dumps(body)) is None
    assert own_schema("openai.completions", orjson.dumps(body)) is None
