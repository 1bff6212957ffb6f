"""A request of Anthropic's Messages API as a prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Call, Effort, Format, Media, Prompt, Result, Text, Thinking, Token, Tool, Turn
from lbd.shapes.messages.read import read
from tests.unit.shapes.conversations import DEEP, junk, spoiled

CACHE = {"type": "ephemeral"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
PNG = {"type": "base64", "media_type": "image/png", "data": "aGk="}
EVERYTHING: dict[str, Any] = {
    "model": "m",
    "max_tokens": 99,
    "system": [{"type": "text", "text": "be kind", "cache_control": CACHE}],
    "messages": [
        {"role": "system", "content": "and brief"},
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "lbd.gemini.x"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "é"}, "thought_signature": "lbd.gemini.s"},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "is_error": True,
                    "cache_control": CACHE,
                    "content": [{"type": "text", "text": "no"}, {"type": "image", "source": PNG}],
                },
                {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
                {
                    "type": "document",
                    "title": "t",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
                },
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
                {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}},
            ],
        },
        {"role": "user", "content": []},
    ],
    "tools": [
        {"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True, "cache_control": CACHE},
        {"type": "custom", "name": "g", "input_schema": {"type": "object"}},
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "temperature": 0.5,
    "top_p": 1,
    "top_k": 40,
    "stop_sequences": ["a", "b"],
    "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "summarized"},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "u"},
    "stream": True,
    "service_tier": "auto",
    "cache_control": CACHE,
}


def asked(**more: Any) -> Prompt:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **more}
    return read(json.dumps(body).encode())


def test_everything_that_can_be_asked() -> None:
    """Every field has its place; wishes about the service have none."""
    assert read(json.dumps(EVERYTHING).encode()) == Prompt(
        model="m",
        turns=(
            Turn("user", (Text("hi"),)),
            Turn(
                "assistant",
                (
                    Thinking("hm", Token("anthropic", "sig")),
                    Thinking("", Token("gemini", "x"), redacted=True),
                    Text("I look."),
                    Call("t1", "f", '{"a":"é"}', Token("gemini", "s")),
                ),
            ),
            Turn(
                "user",
                (
                    Result("t1", (Text("no"), Media("image", "image/png", data="aGk=")), True, "f", cache=True),
                    Media("image", url="https://x.test/a.png"),
                    Media("file", "application/pdf", data="aGk=", name="t"),
                    Text("words"),
                    Media("file", "application/pdf", url="https://x.test/a.pdf"),
                ),
            ),
        ),
        system=(Text("be kind", cache=True), Text("and brief")),
        tools=(Tool("f", "d", SCHEMA, True, cache=True), Tool("g", parameters={"type": "object"})),
        choice="required",
        tool="f",
        parallel=False,
        max_tokens=99,
        temperature=0.5,
        top_p=1.0,
        top_k=40,
        stop=("a", "b"),
        format=Format(SCHEMA, strict=True),
        effort=Effort("high", 2048, shown=True),
        user="u",
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, Effort(off=True)),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, Effort("low", off=True)),
        ({"thinking": {"type": "adaptive"}}, Effort()),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Effort(shown=False)),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, Effort(budget=1024)),
        ({"output_config": {"effort": "max"}}, Effort("max")),
        ({"output_config": {}}, None),
    ],
)
def test_how_much_is_thought(more: dict[str, Any], expected: Effort | None) -> None:
    """A word, a budget, as the model likes, or not at all."""
    assert asked(**more).effort == expected


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, (None, None)),
        ({"type": "auto"}, ("auto", None)),
        ({"type": "any"}, ("required", None)),
        ({"type": "none"}, ("none", None)),
        ({"type": "tool", "name": "f"}, ("required", "f")),
    ],
)
def test_which_tool_is_called(choice: Any, expected: tuple[Any, Any]) -> None:
    """The words of the shape, and the name of a tool."""
    prompt = asked(tool_choice=choice)
    assert (prompt.choice, prompt.tool) == expected


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"model": 1}, "/model"),
        ({"max_tokens": "9"}, "/max_tokens"),
        ({"max_tokens": 1.5}, "/max_tokens"),
        ({"messages": {}}, "/messages"),
        ({"messages": ["hi"]}, "/messages/0"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "/messages/0/role"),
        ({"messages": [{"role": [], "content": "x"}]}, "/messages/0/role"),
        ({"messages": [{"role": "user", "content": 1}]}, "/messages/0/content"),
        ({"messages": [{"role": "user", "content": [1]}]}, "/messages/0/content/0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "/messages/0/content/0/text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": "x"}]}]},
            "/messages/0/content/0/input",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}],
                    }
                ]
            },
            "/messages/0/content/0/content/0/text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "/messages/0/content/0/source/media_type",
        ),
        ({"system": 1}, "/system"),
        ({"system": [{"type": "text", "text": None}]}, "/system/0/text"),
        ({"tools": [{"name": "f", "input_schema": 1}]}, "/tools/0/input_schema"),
        ({"tool_choice": {"type": "sometimes"}}, "/tool_choice/type"),
        ({"tool_choice": {"type": ["auto"]}}, "/tool_choice/type"),
        ({"tool_choice": {"type": {}}}, "/tool_choice/type"),
        ({"tool_choice": {"type": "tool"}}, "/tool_choice/name"),
        ({"stop_sequences": [1]}, "/stop_sequences/0"),
        ({"temperature": True}, "/temperature"),
        ({"top_k": "x"}, "/top_k"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "/thinking/budget_tokens"),
        ({"output_config": {"effort": 1}}, "/output_config/effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "/output_config/format/schema"),
        ({"metadata": {"user_id": 1}}, "/metadata/user_id"),
    ],
)
def test_a_fault_is_told_with_its_place(more: dict[str, Any], at: str) -> None:
    """As a JSON pointer, and as the client's own fault."""
    with pytest.raises(LbdError) as raised:
        asked(**more)
    assert raised.value.failure.kind is FailureKind.BAD_REQUEST
    assert raised.value.failure.param == at


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"mcp_servers": [{}]}, "/mcp_servers"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "/tools/0/type"),
        ({"messages": [{"role": "user", "content": [{"type": "search_result"}]}]}, "/messages/0/content/0/type"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "tool_reference"}]}
                        ],
                    }
                ]
            },
            "/messages/0/content/0/content/0/type",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
            "/messages/0/content/0/source/type",
        ),
        ({"output_config": {"format": {"type": "grammar"}}}, "/output_config/format/type"),
    ],
)
def test_what_has_no_place_elsewhere_is_refused(more: dict[str, Any], at: str) -> None:
    """Another deployment, of the client's own shape, may take it."""
    with pytest.raises(LbdError) as raised:
        asked(**more)
    assert raised.value.failure.kind is FailureKind.UNSUPPORTED
    assert raised.value.failure.param == at


@pytest.mark.parametrize(
    ("thread", "code"),
    [
        ({"type": "create"}, "thread_unsupported_request"),
        ({"type": "continue", "previous_message_id": "msg_1"}, "thread_not_found"),
    ],
)
def test_a_conversation_that_the_server_holds_is_refused_elsewhere(thread: dict[str, str], code: str) -> None:
    """With the word on which the SDK sends all of it; none asks for nothing."""
    with pytest.raises(LbdError) as raised:
        asked(thread=thread)
    failure = raised.value.failure
    assert (failure.kind, failure.param, failure.code) == (FailureKind.UNSUPPORTED, "/thread", code)
    assert asked(thread=None) == asked()


def test_a_thought_that_nobody_signed_has_no_token() -> None:
    """As lbd marks it on its way to the client."""
    content = [{"type": "thinking", "thinking": "hm", "signature": s} for s in ("lbd..", "")]
    (turn,) = asked(messages=[{"role": "assistant", "content": content}]).turns
    assert turn.parts == (Thinking("hm"), Thinking("hm"))


def test_what_is_told_of_a_document_is_text_before_it() -> None:
    """Also of one that a tool gave."""
    source = {"type": "url", "url": "https://x.test/a.pdf"}
    document = {"type": "document", "source": source, "context": "of 2024"}
    given = {"type": "tool_result", "tool_use_id": "t", "content": [document]}
    said = read(json.dumps({"model": "m", "messages": [{"role": "user", "content": [document, given]}]}).encode())
    pdf = Media("file", "application/pdf", url=source["url"])
    about = Text("of 2024")
    assert said.turns[0].parts == (about, pdf, Result("t", (about, pdf)))


def test_results_within_results_are_refused_however_deep() -> None:
    """And do not exhaust the stack."""
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
    for _ in range(300):
        block = {"type": "tool_result", "tool_use_id": "a", "content": [block]}
    with pytest.raises(LbdError):
        asked(messages=[{"role": "user", "content": [block]}])


def test_an_input_that_is_nested_too_deep_is_refused() -> None:
    """JSON is read deeper than it is written."""
    block = {"type": "tool_use", "id": "a", "name": "f", "input": {"a": DEEP}}
    with pytest.raises(LbdError) as raised:
        asked(messages=[{"role": "assistant", "content": [block]}])
    assert raised.value.failure.param == "/messages/0/content/0/input"


@given(st.data())
def test_junk_in_a_request_is_refused_or_left_to_the_provider(data: st.DataObject) -> None:
    """Never another exception."""
    try:
        read(json.dumps(data.draw(spoiled(EVERYTHING))).encode())
    except LbdError as e:
        assert e.failure.kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)


@given(st.binary(max_size=40) | junk.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_refused_or_read(raw: bytes) -> None:
    """Never another exception."""
    try:
        read(raw)
    except LbdError as e:
        assert e.failure.kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)


@pytest.mark.parametrize(
    ("content", "expected"),
    [("x", (Text("x"),)), ("", ()), (None, ()), ([], ()), ([{"type": "text", "text": "x"}], (Text("x"),))],
)
def test_what_a_tool_gave(content: Any, expected: tuple[Any, ...]) -> None:
    """A string, blocks, or nothing."""
    block = {"type": "tool_result", "tool_use_id": "a", "content": content}
    (turn,) = asked(messages=[{"role": "user", "content": [block]}]).turns
    assert turn.parts == (Result("a", expected),)
