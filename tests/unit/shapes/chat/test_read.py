"""A chat-completion request as a prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Effort, Format, Prompt, Result, Text, Tool, Turn
from lbd.shapes.chat.read import decode, read
from tests.unit.shapes.conversations import junk, spoiled

SCHEMA = {"type": "object", "properties": {}}
FAULTY = {"type": "json_schema", "json_schema": {"schema": 1}}
NAMED = {"name": "n", "schema": SCHEMA, "description": "d", "strict": False}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}
EVERYTHING: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be kind"},
        {"role": "user", "content": "hi"},
        {"role": "user", "content": [{"type": "text", "text": "you"}]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
    ],
    "tools": [{**TOOL, "cache_control": {}}],
    "functions": [{"name": "g"}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "max_completion_tokens": 5,
    "max_tokens": 6,
    "temperature": 0,
    "top_p": 0.5,
    "top_k": 3,
    "stop": "x",
    "n": 2,
    "seed": 4,
    "logprobs": True,
    "top_logprobs": 1,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.2,
    "logit_bias": {"50256": -100},
    "response_format": {"type": "json_schema", "json_schema": NAMED},
    "reasoning_effort": "high",
    "verbosity": "low",
    "user": "u",
    "modalities": ["text"],
    "stream": True,
    "stream_options": {"include_usage": True},
    "store": True,
    "metadata": {"a": "b"},
}


def asked(**more: Any) -> Prompt:
    return read(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}).encode())


def test_everything_that_can_be_asked() -> None:
    """Every field has its place; wishes about the service have none."""
    assert read(json.dumps(EVERYTHING).encode()) == Prompt(
        model="m",
        turns=(Turn("user", (Text("hi"), Text("you"), Result("c", (Text("x"),)))),),
        system=(Text("be kind"),),
        tools=(Tool("f", "d", SCHEMA, True, cache=True), Tool("g")),
        choice="required",
        tool="f",
        parallel=False,
        max_tokens=5,
        temperature=0.0,
        top_p=0.5,
        top_k=3,
        stop=("x",),
        n=2,
        seed=4,
        logprobs=True,
        top_logprobs=1,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        logit_bias={"50256": -100.0},
        format=Format(SCHEMA, "n", "d", False),
        effort=Effort("high"),
        verbosity="low",
        user="u",
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {}),
        ({"max_tokens": 3.0}, {"max_tokens": 3}),
        ({"safety_identifier": "s", "user": "u"}, {"user": "s"}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"tool_choice": "none"}, {"choice": "none"}),
        ({"function_call": "auto"}, {"choice": "auto"}),
        ({"function_call": {"name": "f"}}, {"choice": "required", "tool": "f"}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"format": Format()}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}}, {"format": Format({}, "n")}),
        ({"reasoning_effort": "none"}, {"effort": Effort(off=True)}),
        (
            {"reasoning": {"effort": "low", "max_tokens": 9, "exclude": True}},
            {"effort": Effort("low", 9, shown=False)},
        ),
        ({"reasoning": {"enabled": False}}, {"effort": Effort(off=True)}),
        ({"modalities": None, "audio": None, "unknown": None}, {}),
    ],
)
def test_how_clients_ask(more: dict[str, Any], expected: dict[str, Any]) -> None:
    """Old words and new ones."""
    assert asked(**more) == Prompt("m", (Turn("user", (Text("hi"),)),), **expected)


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"model": None}, "/model"),
        ({"messages": "hi"}, "/messages"),
        ({"messages": [1]}, "/messages/0"),
        ({"max_tokens": "5"}, "/max_tokens"),
        ({"max_completion_tokens": 0.5}, "/max_completion_tokens"),
        ({"temperature": "hot"}, "/temperature"),
        ({"stop": [1]}, "/stop/0"),
        ({"n": True}, "/n"),
        ({"logprobs": 1}, "/logprobs"),
        ({"logit_bias": []}, "/logit_bias"),
        ({"logit_bias": {"a/b": "x"}}, "/logit_bias/a~1b"),
        ({"tools": {}}, "/tools"),
        ({"tools": [{"type": "function"}]}, "/tools/0/function"),
        ({"tools": [{"type": "function", "function": {"name": 1}}]}, "/tools/0/function/name"),
        ({"tool_choice": "sometimes"}, "/tool_choice"),
        ({"tool_choice": 1}, "/tool_choice"),
        ({"tool_choice": {"type": "function"}}, "/tool_choice/function"),
        ({"function_call": {}}, "/function_call/name"),
        ({"response_format": "json"}, "/response_format"),
        ({"response_format": {"type": "json_schema"}}, "/response_format/json_schema"),
        ({"response_format": FAULTY}, "/response_format/json_schema/schema"),
        ({"reasoning_effort": 1}, "/reasoning_effort"),
        ({"reasoning": {"max_tokens": "x"}}, "/reasoning/max_tokens"),
        ({"user": 1}, "/user"),
        ({"verbosity": []}, "/verbosity"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(more: dict[str, Any], at: str) -> None:
    """As a JSON pointer, and as the client's own fault."""
    with pytest.raises(LbdError) as raised:
        asked(**more)
    assert (raised.value.failure.kind, raised.value.failure.param) == (FailureKind.BAD_REQUEST, at)


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"audio": {"voice": "x"}}, "/audio"),
        ({"web_search_options": {}}, "/web_search_options"),
        ({"modalities": ["text", "audio"]}, "/modalities"),
        ({"tools": [{"type": "custom"}]}, "/tools/0/type"),
        ({"tool_choice": {"type": "custom"}}, "/tool_choice/type"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "mcp"}]}}},
            "/tool_choice/allowed_tools/tools/0/type",
        ),
        ({"response_format": {"type": "grammar"}}, "/response_format/type"),
        ({"response_format": {"type": []}}, "/response_format/type"),
    ],
)
def test_what_has_no_place_elsewhere_is_refused(more: dict[str, Any], at: str) -> None:
    """Another deployment, of the client's own shape, may take it."""
    with pytest.raises(LbdError) as raised:
        asked(**more)
    assert (raised.value.failure.kind, raised.value.failure.param) == (FailureKind.UNSUPPORTED, at)


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b'{"a": NaN, "b": 1e999, "c": "\\ud83d"}', {"a": None, "b": None, "c": "\ufffd"}),
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    ],
)
def test_json_with_oddities_is_read(raw: bytes, body: dict[str, Any]) -> None:
    """As the rest of lbd does."""
    assert decode(raw) == body


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b'"x"', b"[" * 3000, b'{"a":' * 1500 + b"1" + b"}" * 1500])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    """However deep it is nested."""
    with pytest.raises(LbdError) as raised:
        decode(raw)
    assert raised.value.failure.kind is FailureKind.BAD_REQUEST


bodies = spoiled(EVERYTHING) | junk


@given(bodies.map(lambda v: json.dumps(v).encode()) | st.binary(max_size=40))
def test_junk_is_refused_or_read(raw: bytes) -> None:
    """Never another exception."""
    try:
        read(raw)
    except LbdError as e:
        assert e.failure.kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_tools_that_may_not_be_called_are_not_offered(mode: str) -> None:
    """Other shapes know no list of those that may."""
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g", "h")]
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": name}} for name in ("g", "h")]}
    asked = {"model": "m", "messages": [], "tools": tools}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    found = read(json.dumps({**asked, "tool_choice": choice}).encode())
    assert ([t.name for t in found.tools], found.choice, found.tool) == (["g", "h"], mode, None)
