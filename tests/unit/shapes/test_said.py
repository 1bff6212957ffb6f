"""What a user said, turn by turn, whatever shape the client speaks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes import said
from lbd.shapes.clients import CLIENTS


def body(**more: Any) -> bytes:
    return json.dumps({"model": "auto", **more}).encode()


CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Häi"},
    {"role": "assistant", "content": "Yes?"},
    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "42"},
    {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]},
]


def test_the_users_turns_are_read_and_nobody_elses() -> None:
    """Neither instructions nor answers nor what tools gave."""
    assert said.messages(body(messages=CHAT)) == ("Häi", "a", "b\nc")
    items = [{**m, "type": "message"} if m["role"] == "user" else m for m in CHAT[:3]]
    assert said.items(body(input=[*items, {"type": "function_call_output", "output": "x"}])) == ("Häi",)
    assert said.items(body(input="Häi", instructions="no")) == ("Häi",)
    assert said.items(body(input=[{"role": "user", "content": [{"type": "input_text", "text": "x"}]}])) == ("x",)
    assert said.prompt(body(prompt="Once")) == ("Once",)
    assert said.prompt(body(prompt=["a", "long one"])) == ("long one",)
    assert said.prompt(body(prompt=[[1, 2]])) == ()


def test_of_a_long_conversation_the_last_turns_are_read() -> None:
    """In their order."""
    told = [{"role": "user", "content": str(i)} for i in range(40)]
    assert said.messages(body(messages=told)) == tuple(str(i) for i in range(28, 40))


@pytest.mark.parametrize(
    "junk", [b"", b"[", b"[]", b"{}", b'{"messages":1}', b'{"input":1}', b'{"messages":[1]}', b"\xff"]
)
def test_what_cannot_be_read_says_nothing(junk: bytes) -> None:
    """Its provider may refuse it."""
    assert said.messages(junk) == said.items(junk) == said.prompt(junk) == ()


@given(st.sampled_from([said.messages, said.items, said.prompt]), st.binary(max_size=80))
def test_junk_raises_nothing(read: Any, junk: bytes) -> None:
    """Whatever comes."""
    for form in (b"%b", b'{"messages":[{"role":"user","content":%b}]}', b'{"input":%b}', b'{"prompt":%b}'):
        assert isinstance(read(form % junk), tuple)


def test_every_client_that_converses_tells() -> None:
    """What has no conversation has nothing to judge."""
    assert {name for name, shape in CLIENTS.load().items() if shape.said is not None} == {
        "openai.chat", "openai.completions", "openai.responses", "anthropic.messages",
    }  # fmt: skip
