"""The messages of a chat-completion request as turns."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Call, Media, Part, Refusal, Result, Text, Thinking, Token, Turn
from lbd.shapes.chat.turns import add, joined, linked
from tests.unit.shapes.conversations import DEEP, junk, letters, spoiled

FILE = {"type": "file", "file": {"file_id": "x"}}
FUNCTION = {"name": "f", "arguments": '{"a": 1}'}


def turned(*messages: Any) -> tuple[list[Text], list[Turn]]:
    system: list[Text] = []
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for i, message in enumerate(messages):
        add(message, f"/messages/{i}", system, turns, names)
    return system, turns


def parts(message: Any) -> tuple[Part, ...]:
    _, (turn,) = turned(message)
    return turn.parts


def refused(*messages: Any) -> tuple[str, str | None]:
    with pytest.raises(LbdError) as raised:
        turned(*messages)
    return raised.value.failure.kind, raised.value.failure.param


def test_instructions_at_the_beginning_are_the_system_s() -> None:
    """In the middle of a conversation only their place says what they mean."""
    system, turns = turned(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b", "cache_control": {}}]},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "c"},
        {"role": "system", "content": None},
    )
    assert system == [Text("a"), Text("b", cache=True)]
    assert turns == [Turn("user", (Text("hi"),)), Turn("user", (Text("c"),))]


def test_a_tool_s_answer_knows_the_tool() -> None:
    """By the id of the call; the older way by the name itself."""
    _, turns = turned(
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": FUNCTION}]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        {"role": "tool", "tool_call_id": "other", "content": [{"type": "text", "text": "y"}]},
        {"role": "assistant", "content": None, "function_call": {"name": "g", "arguments": ""}},
        {"role": "function", "name": "g", "content": None},
    )
    assert turns == [
        Turn("assistant", (Call("c", "f", '{"a": 1}'),)),
        Turn("user", (Result("c", (Text("x"),), name="f"),)),
        Turn("user", (Result("other", (Text("y"),)),)),
        Turn("assistant", (Call("g", "g", "{}"),)),
        Turn("user", (Result("g", (), name="g"),)),
    ]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a"}, Text("a")),
        ({"type": "image_url", "image_url": "https://x/a"}, Media("image", url="https://x/a")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}},
            Media("image", "image/png", data="aGk=", detail="low"),
        ),
        ({"type": "input_audio", "input_audio": {"format": "mp3", "data": "x"}}, Media("audio", "audio/mpeg", "x")),
        ({"type": "input_audio", "input_audio": {"format": "wav", "data": "x"}}, Media("audio", "audio/wav", "x")),
        ({"type": "file", "file": {"file_id": "i"}}, Media("file", id="i")),
        (
            {"type": "file", "file": {"filename": "n", "file_data": "data:application/pdf;base64,aGk="}},
            Media("file", "application/pdf", data="aGk=", name="n"),
        ),
    ],
)
def test_what_a_user_shows(part: Any, expected: Part) -> None:
    """Text, images, sound and documents, in all the ways that clients write them."""
    assert parts({"role": "user", "content": [part]}) == (expected,)


def test_a_document_without_a_type_is_a_pdf() -> None:
    """The only kind that the API took at first."""
    assert linked("file", "data:;base64,aGk=").type == "application/pdf"
    assert linked("image", "data:;base64,aGk=").type == ""


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"reasoning_content": "a"}, [Thinking("a")]),
        ({"reasoning": "a"}, [Thinking("a")]),
        ({"reasoning": 1}, []),
        (
            {"reasoning_content": "x", "reasoning_details": [{"text": "a", "signature": "lbd.anthropic.s"}]},
            [Thinking("a", Token("anthropic", "s"))],
        ),
        (
            {"reasoning_details": [{"text": "a"}, {"text": "b"}, {"signature": "s"}, {"summary": "c"}]},
            [Thinking("ab", Token("", "s")), Thinking("c")],
        ),
        ({"reasoning_details": [{"data": "lbd.openai.d"}]}, [Thinking("", Token("openai", "d"), redacted=True)]),
        ({"reasoning_details": [{"data": 1, "text": []}]}, []),
    ],
)
def test_what_was_thought_comes_back(more: dict[str, Any], expected: list[Part]) -> None:
    """With its token, and all the words that the token signs, also where a client kept them in pieces."""
    assert parts({"role": "assistant", "content": "so", **more}) == (*expected, Text("so"))


def test_refusals_and_signatures_come_back() -> None:
    """Gemini's where its own clients keep them."""
    signed = {"id": "c", "function": FUNCTION, "extra_content": {"google": {"thought_signature": "s"}}}
    assert parts({"role": "assistant", "refusal": "no", "tool_calls": [signed]}) == (
        Refusal("no"),
        Call("c", "f", '{"a": 1}', Token("gemini", "s")),
    )
    assert parts({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}) == (Refusal("no"),)


@pytest.mark.parametrize("arguments", ["{", "no", "[1]", "1", "null", '"x"', "[" * 2000])
def test_arguments_that_are_no_object_are_a_fault(arguments: str) -> None:
    """Other shapes hold an object in their place."""
    call = {"id": "c", "function": {"name": "f", "arguments": arguments}}
    at = "/messages/0/tool_calls/0/function/arguments"
    assert refused({"role": "assistant", "tool_calls": [call]}) == (FailureKind.BAD_REQUEST, at)


@pytest.mark.parametrize(
    ("arguments", "read"),
    [(None, "{}"), ("", "{}"), (" ", "{}"), ('{"a":NaN}', '{"a":null}'), (r'{"a":"\ud83d"}', '{"a":"\ufffd"}')],
)
def test_arguments_that_are_nearly_json_are_read(arguments: Any, read: str) -> None:
    """None are an empty object."""
    told = {"id": "c", "function": {"name": "f", "arguments": arguments}}
    (call,) = parts({"role": "assistant", "tool_calls": [told]})
    assert isinstance(call, Call) and json.loads(call.arguments) == json.loads(read)


@pytest.mark.parametrize(
    ("message", "kind", "at"),
    [
        ({}, FailureKind.BAD_REQUEST, "/role"),
        ({"role": "robot"}, FailureKind.BAD_REQUEST, "/role"),
        ({"role": ["user"]}, FailureKind.BAD_REQUEST, "/role"),
        ({"role": "user", "content": 1}, FailureKind.BAD_REQUEST, "/content"),
        ({"role": "user", "content": ["a"]}, FailureKind.BAD_REQUEST, "/content/0"),
        ({"role": "user", "content": [{"type": "text"}]}, FailureKind.BAD_REQUEST, "/content/0/text"),
        ({"role": "user", "content": [{"type": "video_url"}]}, FailureKind.UNSUPPORTED, "/content/0/type"),
        ({"role": "user", "content": [{"type": {}}]}, FailureKind.UNSUPPORTED, "/content/0/type"),
        ({"role": "user", "content": [{"type": "image_url"}]}, FailureKind.BAD_REQUEST, "/content/0/image_url"),
        ({"role": "system", "content": [FILE]}, FailureKind.UNSUPPORTED, "/content"),
        ({"role": "tool", "content": "x"}, FailureKind.BAD_REQUEST, "/tool_call_id"),
        ({"role": "function", "content": "x"}, FailureKind.BAD_REQUEST, "/name"),
        ({"role": "assistant", "refusal": 1}, FailureKind.BAD_REQUEST, "/refusal"),
        ({"role": "assistant", "tool_calls": {}}, FailureKind.BAD_REQUEST, "/tool_calls"),
        ({"role": "assistant", "tool_calls": [{"type": "custom"}]}, FailureKind.UNSUPPORTED, "/tool_calls/0/type"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, FailureKind.BAD_REQUEST, "/tool_calls/0/function"),
        ({"role": "assistant", "function_call": "f"}, FailureKind.BAD_REQUEST, "/function_call"),
        ({"role": "assistant", "reasoning_details": [1]}, FailureKind.BAD_REQUEST, "/reasoning_details/0"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place(message: Any, kind: FailureKind, at: str) -> None:
    """As a JSON pointer; what only another shape can take goes elsewhere."""
    assert refused(message) == (kind, f"/messages/0{at}")


turns = st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), st.lists(letters.map(Text)).map(tuple)))


@given(turns)
def test_joined_turns_alternate_and_lose_nothing(said: list[Turn]) -> None:
    """Other shapes want the sides to take turns."""
    out = joined(said)
    assert all(a.role != b.role for a, b in pairwise(out))
    assert [p for t in out for p in t.parts] == [p for t in said for p in t.parts]
    assert joined(list(out)) == out


def test_one_long_side_is_joined_in_time_in_proportion() -> None:
    """Copied with each turn again, a request of some megabytes would hold everybody up for minutes."""
    (one,) = joined([Turn("user", (Text(str(n)),)) for n in range(100_000)])
    assert one.parts[::50_000] == (Text("0"), Text("50000"))


SIGNED = {"google": {"thought_signature": "s"}}
MESSAGE = {
    "role": "assistant",
    "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aa"}}],
    "tool_calls": [{"id": "c", "type": "function", "function": FUNCTION, "extra_content": SIGNED}],
    "reasoning_details": [{"text": "a", "signature": "s"}],
    "function_call": FUNCTION,
}  # fmt: skip


@given(spoiled(MESSAGE), junk | st.just(DEEP))
def test_junk_is_refused_or_left_out(message: Any, content: Any) -> None:
    """Never another exception."""
    for one in (
        message,
        {"role": "user", "content": content},
        {"role": "tool", "tool_call_id": "x", "content": content},
    ):
        if isinstance(one, dict):
            try:
                turned(one)
            except LbdError as e:
                assert e.failure.kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)


def test_sound_that_the_model_said_is_not_left_out() -> None:
    """Only its provider can hear it again."""
    kind, at = refused({"role": "assistant", "content": None, "audio": {"id": "audio_1"}})
    assert (kind, at) == (FailureKind.UNSUPPORTED, "/messages/0/audio")
