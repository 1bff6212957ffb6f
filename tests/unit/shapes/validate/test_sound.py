"""Whether an answer is sound in itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.messages import Tool
from lbd.shapes.validate.sound import flaw

ASKED = b'{"model": "m", "messages": []}'
WEATHER = Tool(
    "weather", None, {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}, None
)
CHAT, MESSAGES, RESPONSES, OLD = "openai.chat", "anthropic.messages", "openai.responses", "openai.completions"


def chat(text: str | None = None, finish: str = "stop", arguments: object = None, name: str = "weather") -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if arguments is not None:
        message["tool_calls"] = [{"id": "1", "type": "function", "function": {"name": name, "arguments": arguments}}]
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish}]}).encode()


def messages(*blocks: dict[str, Any], stop: str = "end_turn") -> bytes:
    return json.dumps({"type": "message", "content": list(blocks), "stop_reason": stop}).encode()


def responses(*items: dict[str, Any], status: str = "completed") -> bytes:
    return json.dumps({"object": "response", "status": status, "output": list(items)}).encode()


SAID = {"type": "message", "content": [{"type": "output_text", "text": "Berlin"}]}


@pytest.mark.parametrize(
    ("shape", "answer"),
    [
        (CHAT, chat("Berlin")),
        (CHAT, chat(None, "tool_calls", '{"city": "Berlin"}')),
        (MESSAGES, messages({"type": "text", "text": "Berlin"})),
        (MESSAGES, messages({"type": "tool_use", "name": "weather", "input": {"city": "B"}}, stop="tool_use")),
        (RESPONSES, responses(SAID)),
        (RESPONSES, responses({"type": "function_call", "name": "weather", "arguments": '{"city": "B"}'})),
        (OLD, json.dumps({"choices": [{"text": "Berlin", "finish_reason": "stop"}]}).encode()),
    ],
)
def test_a_sound_answer_has_no_flaw(shape: str, answer: bytes) -> None:
    """In every shape, words and calls."""
    assert flaw(shape, ASKED, answer, (WEATHER,), bounded=False) is None


@pytest.mark.parametrize(
    ("shape", "answer", "why"),
    [
        (CHAT, b"<html>", "no JSON"),
        (CHAT, b"[]", "no answer"),
        (CHAT, b'{"choices": []}', "no answer"),
        (CHAT, chat(""), "it is empty"),
        (CHAT, chat("Ber", "length"), "cut off"),
        (CHAT, chat("I'm sorry, but I can't help with that."), "refuses"),
        (CHAT, chat("x", "content_filter"), "refuses"),
        (CHAT, chat(None, "tool_calls", '{"city": '), "the arguments of 'weather' are no JSON"),
        (CHAT, chat(None, "tool_calls", "[1]"), "are no object"),
        (CHAT, chat(None, "tool_calls", "{}", "whether"), "'whether', which is no tool"),
        (CHAT, chat(None, "tool_calls", '{"city": 5}'), "break its schema"),
        (MESSAGES, messages({"type": "text", "text": "Ber"}, stop="max_tokens"), "cut off"),
        (MESSAGES, messages({"type": "tool_use", "name": "weather", "input": {}}), "break its schema"),
        (RESPONSES, responses(SAID, status="incomplete"), "cut off"),
        (RESPONSES, responses({"type": "function_call", "name": "weather", "arguments": "x"}), "no JSON"),
        (OLD, json.dumps({"choices": [{"text": "B", "finish_reason": "length"}]}).encode(), "cut off"),
    ],
)
def test_a_flaw_is_told(shape: str, answer: bytes, why: str) -> None:
    """In few words, without the answer's."""
    found = flaw(shape, ASKED, answer, (WEATHER,), bounded=False)
    assert found is not None and why in found


def test_who_limits_the_length_gets_what_was_asked_for() -> None:
    """An answer that its client cut is not the model's fault."""
    assert flaw(CHAT, ASKED, chat("Ber", "length"), (), bounded=True) is None


def test_an_answer_keeps_to_the_schema_that_its_request_names() -> None:
    """As JSON, whole."""
    schema = {"type": "object", "required": ["city"]}
    asked = json.dumps({"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}).encode()
    assert flaw(CHAT, asked, chat('{"city": "Berlin"}'), (), bounded=False) is None
    for text in ('{"town": "Berlin"}', "Berlin"):
        found = flaw(CHAT, asked, chat(text), (), bounded=False)
        assert found is not None and "it breaks its schema" in found


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["choices", "message", "tool_calls", "function", "content", "output", "type", "arguments"]), x)),
    st.sampled_from([CHAT, MESSAGES, RESPONSES, OLD]))  # fmt: skip
def test_junk_is_a_flaw_and_no_exception(junk: object, shape: str) -> None:
    """Whatever stands where."""
    found = flaw(shape, ASKED, json.dumps(junk).encode(), (WEATHER,), bounded=False)
    assert found is None or isinstance(found, str)
