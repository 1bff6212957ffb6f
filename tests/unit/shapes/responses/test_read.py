"""A Responses API request as a prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Effort, Format, Prompt, Text, Tool, Turn
from lbd.shapes.responses.read import read

SCHEMA = {"type": "object", "properties": {}}
WEATHER = {"type": "function", "name": "weather", "description": "d", "parameters": SCHEMA, "strict": True}
TIME = {"type": "function", "name": "time", "parameters": None, "strict": None}


def prompt(**more: Any) -> Prompt:
    return read(json.dumps({"model": "m", "input": "hi", **more}).encode())


def refused(**more: Any) -> Failure:
    with pytest.raises(LbdError) as caught:
        prompt(**more)
    return caught.value.failure


def test_the_smallest_request() -> None:
    """One message of the user."""
    assert prompt() == Prompt("m", (Turn("user", (Text("hi"),)),))


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ({"instructions": "Be brief"}, "system", (Text("Be brief"),)),
        ({"max_output_tokens": 5}, "max_tokens", 5),
        ({"temperature": 0}, "temperature", 0.0),
        ({"top_p": 0.5}, "top_p", 0.5),
        ({"parallel_tool_calls": False}, "parallel", False),
        ({"user": "u"}, "user", "u"),
        ({"safety_identifier": "s", "user": "u"}, "user", "s"),
        ({"include": ["message.output_text.logprobs"]}, "logprobs", True),
        ({"include": ["message.output_text.logprobs"], "top_logprobs": 3}, "top_logprobs", 3),
        ({"top_logprobs": 3}, "top_logprobs", None),
        ({"include": ["reasoning.encrypted_content"]}, "logprobs", False),
        ({"text": {"verbosity": "low"}}, "verbosity", "low"),
        ({"text": {"format": {"type": "text"}}}, "format", None),
        ({"text": {"format": {"type": "json_object"}}}, "format", Format()),
        (
            {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}}},
            "format",
            Format(SCHEMA, "n", None, True),
        ),
        ({"reasoning": {"effort": "low"}}, "effort", Effort("low")),
        ({"reasoning": {"effort": "none"}}, "effort", Effort(off=True)),
        ({"reasoning": {"summary": "auto"}}, "effort", Effort(shown=True)),
        ({"reasoning": {"effort": "high", "generate_summary": "concise"}}, "effort", Effort("high", shown=True)),
        ({"reasoning": {"effort": None, "summary": None}}, "effort", None),
        ({"reasoning": {"mode": "standard", "context": "auto"}}, "effort", None),
        ({"tools": [WEATHER, TIME]}, "tools", (Tool("weather", "d", SCHEMA, True), Tool("time"))),
        ({"tool_choice": "required"}, "choice", "required"),
        ({"tool_choice": {"type": "function", "name": "time"}}, "tool", "time"),
    ],
)
def test_what_is_asked(more: dict[str, Any], field: str, value: object) -> None:
    """Each in lbd's own words."""
    assert getattr(prompt(**more), field) == value


def test_allowed_tools_are_the_only_ones_told() -> None:
    """So no other can be called."""
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "time"}]}
    found = prompt(tools=[WEATHER, TIME], tool_choice=allowed)
    assert (found.tools, found.choice, found.tool) == ((Tool("time"),), "required", None)


@pytest.mark.parametrize(
    "more",
    [
        {"metadata": {"a": "b"}},
        {"store": False},
        {"store": None},
        {"background": False},
        {"service_tier": "flex"},
        {"prompt_cache_key": "k", "prompt_cache_retention": "24h", "prompt_cache_options": {"ttl": "30m"}},
        {"truncation": "disabled"},
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"max_tool_calls": 3},
        {"previous_response_id": None, "conversation": None, "prompt": None},
    ],
)
def test_wishes_about_the_service_change_no_prompt(more: dict[str, Any]) -> None:
    """Who cannot grant them serves the request all the same."""
    assert prompt(**more) == prompt()


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"store": True}, "store"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "/input/0"),
        ({"input": [{"id": "msg_1"}]}, "/input/0"),
    ],
)
def test_what_leans_on_what_was_kept_is_refused_with_a_remedy(more: dict[str, Any], param: str) -> None:
    """No other provider can do better, so none is tried."""
    failure = refused(**more)
    assert (failure.kind, failure.param, failure.code) == (FailureKind.BAD_REQUEST, param, "unsupported_parameter")
    assert failure.message.startswith(f"{param}: lbd ")


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"truncation": "auto"}, "/truncation"),
        ({"prompt": {"id": "pmpt_1"}}, "/prompt"),
        ({"context_management": [{"type": "compaction"}]}, "/context_management"),
        ({"tools": [{"type": "web_search"}]}, "/tools/0/type"),
        ({"tools": [WEATHER, {"type": "custom", "name": "x"}]}, "/tools/1/type"),
        ({"tool_choice": {"type": "file_search"}}, "/tool_choice/type"),
        ({"tool_choice": {"type": "allowed_tools", "tools": [{"type": "mcp"}]}}, "/tool_choice/tools/0/type"),
        ({"include": ["x"]}, "/include/0"),
        ({"text": {"format": {"type": "grammar"}}}, "/text/format/type"),
        ({"text": {"x": 1}}, "/text/x"),
        ({"reasoning": {"mode": "pro"}}, "/reasoning/mode"),
        ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "/input/0/type"),
    ],
)
def test_what_another_provider_may_do_is_unsupported(more: dict[str, Any], param: str) -> None:
    """And told with its place."""
    failure = refused(**more)
    assert (failure.kind, failure.param) == (FailureKind.UNSUPPORTED, param)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"input": None}, "/input"),
        ({"input": 5}, "/input"),
        ({"input": ["hi"]}, "/input/0"),
        ({"instructions": ["hi"]}, "/instructions"),
        ({"max_output_tokens": "5"}, "/max_output_tokens"),
        ({"temperature": "hot"}, "/temperature"),
        ({"tools": {}}, "/tools"),
        ({"tools": [{"type": "function"}]}, "/tools/0/name"),
        ({"tool_choice": "maybe"}, "/tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "tools": []}}, "/tool_choice/mode"),
        ({"text": []}, "/text"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "/text/format/schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "/text/format/name"),
        ({"reasoning": "low"}, "/reasoning"),
        ({"model": None}, "/model"),
    ],
)
def test_what_is_malformed_is_the_clients_fault(more: dict[str, Any], param: str) -> None:
    """And told with its place."""
    failure = refused(**more)
    assert (failure.kind, failure.param) == (FailureKind.BAD_REQUEST, param)


_NAMES = st.sampled_from(
    [
        "model",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "text",
        "format",
        "reasoning",
        "effort",
        "include",
        "type",
        "role",
        "content",
        "name",
        "schema",
        "image_url",
        "file_data",
        "file_id",
        "call_id",
        "output",
        "arguments",
        "summary",
        "encrypted_content",
        "mode",
        "truncation",
        "store",
        "user",
    ]
)
_WORDS = st.sampled_from(
    [
        "m",
        "message",
        "user",
        "assistant",
        "system",
        "input_text",
        "output_text",
        "refusal",
        "input_image",
        "input_file",
        "function_call",
        "function",
        "function_call_output",
        "reasoning",
        "item_reference",
        "json_schema",
        "allowed_tools",
        "lbd.",
        "lbd..",
        "data:,",
        "{}",
        "auto",
    ]
)
_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | _WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=12,
)


@given(
    st.dictionaries(_NAMES, _JUNK, max_size=6).map(lambda r: json.dumps({"model": "m", "input": [], **r}).encode())
    | st.lists(st.dictionaries(_NAMES, _JUNK, max_size=5), max_size=3).map(
        lambda found: json.dumps({"model": "m", "input": found}).encode()
    )
    | st.binary(max_size=60)
)
def test_junk_is_read_or_refused_and_raises_nothing_else(raw: bytes) -> None:
    """Whatever a client sends."""
    try:
        assert isinstance(read(raw), Prompt)
    except LbdError as e:
        assert e.failure.kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)


def test_hostile_nesting_is_refused() -> None:
    """Brackets to the end are no request."""
    for raw in (b"[" * 100_000, b'{"model":"m","input":' + b"[" * 100_000):
        with pytest.raises(LbdError):
            read(raw)
