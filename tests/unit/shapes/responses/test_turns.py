"""Input items as the turns of a conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Call, Choice, Media, Piece, Refusal, Result, Text, Thinking, Token, Turn
from lbd.shapes.gather import gather
from lbd.shapes.responses.speak import whole
from lbd.shapes.responses.turns import Conversation, content
from tests.unit.shapes.responses.answers import ANSWERS, any_piece


def turns(*items: Any) -> tuple[Turn, ...]:
    said = Conversation(None)
    said.take(list(items))
    return said.turns


def part(**members: Any) -> Any:
    [found] = content([members], "/x")
    return found


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"type": "input_text", "text": "a"}, Text("a")),
        ({"type": "output_text", "text": "a", "annotations": [], "logprobs": []}, Text("a")),
        ({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}, Text("a", cache=True)),
        ({"type": "refusal", "refusal": "no"}, Refusal("no")),
        (
            {"type": "input_image", "image_url": "https://x/a.png", "detail": "low"},
            Media("image", url="https://x/a.png", detail="low"),
        ),
        ({"type": "input_image", "image_url": "data:image/png;base64,AA"}, Media("image", "image/png", data="AA")),
        ({"type": "input_image", "image_url": None, "file_id": "file-1"}, Media("image", id="file-1")),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
            Media("file", "application/pdf", data="AA", name="a.pdf"),
        ),
        ({"type": "input_file", "file_data": "AA"}, Media("file", "application/pdf", data="AA")),
        ({"type": "input_file", "file_url": "https://x/a.pdf"}, Media("file", url="https://x/a.pdf")),
        ({"type": "input_file", "file_id": "file-1"}, Media("file", id="file-1")),
    ],
)
def test_parts(members: dict[str, Any], found: object) -> None:
    """Text, refusals, images and files, wherever they are."""
    assert part(**members) == found


@pytest.mark.parametrize("kind", ["input_audio", "computer_screenshot", None, []])
def test_a_part_of_another_type_is_unsupported(kind: object) -> None:
    """And told with its place."""
    with pytest.raises(LbdError) as caught:
        part(type=kind)
    assert (caught.value.failure.kind, caught.value.failure.param) == (FailureKind.UNSUPPORTED, "/x/0/type")


def test_messages_of_both_forms() -> None:
    """With a type and without, ids ignored, those of one side put together."""
    found = turns(
        {"role": "user", "content": "a"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "b"}], "status": "completed"},
        {"role": "assistant", "content": "c"},
        {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "d"}]},
    )
    assert found == (Turn("user", (Text("a"), Text("b"))), Turn("assistant", (Text("c"), Text("d"))))


def test_instructions_come_first_and_those_in_between_stay_there() -> None:
    """Only there do they mean what they say."""
    said = Conversation("one")
    said.take(
        [
            {"role": "developer", "content": "two"},
            {"role": "system", "content": [{"type": "input_text", "text": "three"}]},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "developer", "content": "four"},
        ]
    )
    assert said.system == [Text("one"), Text("two"), Text("three")]
    assert said.turns[2] == Turn("user", (Text("four"),))


def test_calls_and_what_they_gave() -> None:
    """The results know the names of their tools."""
    found = turns(
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "x"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_image", "file_id": "file-1"}]},
    )
    assert found == (
        Turn("assistant", (Call("c1", "f", '{"a":1}'), Call("c2", "g", "{}"))),
        Turn(
            "user",
            (Result("c1", (Text("x"),), name="f"), Result("c2", (Media("image", id="file-1"),), name="g")),
        ),
    )


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({"summary": [{"type": "summary_text", "text": "a"}]}, [Thinking("a")]),
        ({"summary": [], "content": [{"type": "reasoning_text", "text": "b"}]}, [Thinking("b")]),
        (
            {"summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "E"},
            [Thinking("a\n\nb", Token("openai", "E"))],
        ),
        ({"summary": [], "encrypted_content": "lbd.anthropic.c"}, [Thinking("", Token("anthropic", "c"), True)]),
        ({"summary": [{"text": ""}], "encrypted_content": "lbd.anthropic.c"}, [Thinking("", Token("anthropic", "c"))]),
        ({"summary": []}, []),
        ({"summary": [], "encrypted_content": "lbd.."}, []),
    ],
)
def test_thoughts(members: dict[str, Any], found: list[Thinking]) -> None:
    """With whom their tokens are of; what says nothing is nothing."""
    told = turns({"type": "reasoning", "id": "rs_1", **members})
    assert [p for turn in told for p in turn.parts] == found


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"role": "tool", "content": "x"}, "/input/0/role"),
        ({"role": "user", "content": 5}, "/input/0/content"),
        ({"type": "function_call", "name": "f"}, "/input/0/call_id"),
        ({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}, "/input/0/arguments"),
        ({"type": "function_call", "call_id": "c", "name": "f", "arguments": "[]"}, "/input/0/arguments"),
        ({"type": "function_call_output", "output": "x"}, "/input/0/call_id"),
        ({"type": "reasoning", "summary": "x"}, "/input/0/summary"),
        ({"role": "user", "content": [{"type": "input_image"}]}, "/input/0/content/0/file_id"),
    ],
)
def test_what_is_malformed_is_told_with_its_place(item: dict[str, Any], param: str) -> None:
    """As a JSON pointer."""
    with pytest.raises(LbdError) as caught:
        turns(item)
    assert (caught.value.failure.kind, caught.value.failure.param) == (FailureKind.BAD_REQUEST, param)


def returned(choice: Choice, body: bytes) -> tuple[Turn, ...]:
    return turns(*json.loads(body)["output"])


@pytest.mark.parametrize("pieces", list(ANSWERS.values()), ids=list(ANSWERS))
def test_an_answer_that_comes_back_is_what_was_given(pieces: list[Piece]) -> None:
    """A client sends the output of one response as the input of the next: tokens, ids and arguments come along."""
    answer = gather(pieces)
    parts = answer.choices[0].parts
    assert returned(answer.choices[0], whole(answer)) == ((Turn("assistant", parts),) if parts else ())


@given(st.lists(any_piece, max_size=8))
def test_every_answer_can_come_back(pieces: list[Piece]) -> None:
    """Except one whose call was cut, whose arguments are no JSON."""
    body = whole(gather(pieces))
    try:
        turns(*json.loads(body)["output"])
    except LbdError as e:
        assert str(e.failure.param).endswith("/arguments")
