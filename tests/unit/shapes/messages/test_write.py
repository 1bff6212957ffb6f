"""A prompt as a request of Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Call, Effort, Format, Media, Prompt, Refusal, Result, Text, Thinking, Token, Tool, Turn
from lbd.shapes.chat import read as chat_read
from lbd.shapes.chat import write as chat_write
from lbd.shapes.messages.read import read
from lbd.shapes.messages.write import most_tokens, write
from tests.unit.shapes.conversations import DEEP, is_anthropic, plainer, prompts, spoiled
from tests.unit.shapes.messages.test_read import EVERYTHING, asked

HI = (Turn("user", (Text("hi"),)),)


def written(prompt: Prompt, *, samples: bool = True, stream: bool = False) -> dict[str, Any]:
    return is_anthropic(write(prompt, "up", stream=stream, samples=samples), samples=samples)


def said(*parts: Any, role: Any = "user") -> Any:
    (message,) = written(Prompt("m", (Turn(role, parts),)))["messages"]
    return message["content"]


@given(prompts(thinking=True), st.booleans(), st.booleans())
def test_what_is_written_is_a_request_and_asks_the_same(prompt: Prompt, stream: bool, samples: bool) -> None:
    """By the official SDK's own types; and read again it is the same prompt."""
    if not samples:
        prompt = replace(prompt, temperature=None, top_p=None)
    raw = write(prompt, "up", stream=stream, samples=samples)
    body = is_anthropic(raw, samples=samples)
    assert body["model"] == "up" and body.get("stream", False) is stream
    assert plainer(read(raw)) == plainer(replace(prompt, model="up"))


@given(prompts())
def test_a_chat_that_comes_to_anthropic_loses_nothing_that_both_can_say(prompt: Prompt) -> None:
    """From a chat request to a prompt, to a request of this shape, and to a prompt again."""
    chat = chat_read.read(chat_write.write(prompt, "m", stream=False, ask_usage=False))
    back = read(write(chat, "m", stream=False, samples=True))
    assert plainer(back) == plainer(chat) == plainer(prompt)


def test_a_request_that_comes_as_a_prompt_goes_as_it_came() -> None:
    """All that the shape itself can say, caches and failed tools too."""
    prompt = read(json.dumps(EVERYTHING).encode())
    known = [Turn(t.role, tuple(p for p in map(_domestic, t.parts) if p is not None)) for t in prompt.turns]
    body = written(prompt)
    assert read(json.dumps(body).encode()) == replace(prompt, model="up", turns=tuple(known))


def _domestic(part: Any) -> Any:
    if isinstance(part, Thinking) and part.token == Token("gemini", "x"):
        return None
    return replace(part, token=None) if isinstance(part, Call) else part


@pytest.mark.parametrize(
    "more",
    [
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}},
        {"thinking": {"type": "adaptive"}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}},
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
    ],
)
def test_how_much_is_thought_goes_as_it_came(more: dict[str, Any]) -> None:
    """A word, a budget, as the model likes, or not at all."""
    body = written(asked(**more))
    assert {k: body[k] for k in ("thinking", "output_config") if k in body} == more


def test_sampling_goes_only_to_models_that_take_it() -> None:
    """Later ones refuse a request that names it; what is everybody's default need not be named."""
    prompt = Prompt("m", HI, temperature=1.7, top_p=0.5, top_k=3)
    body = written(prompt)
    assert (body["temperature"], body["top_p"], body["top_k"]) == (1.0, 0.5, 3)
    for more in ({"temperature": 0.2}, {"top_p": 0.5}, {"top_k": 3}):
        with pytest.raises(LbdError) as raised:
            written(Prompt("m", HI, **more), samples=False)
        assert raised.value.failure.param == f"/{next(iter(more))}"
    usual = Prompt("m", HI, temperature=1.0, top_p=1.0)
    assert not {"temperature", "top_p", "top_k"} & written(usual, samples=False).keys()


def test_claude_takes_a_temperature_or_a_top_p() -> None:
    """Which of them was meant is not lbd's to say, unless the other is what it would be anyway."""
    for more, sent in (
        ({"temperature": 0.2, "top_p": 1.0}, {"temperature": 0.2}),
        ({"temperature": 1.0, "top_p": 0.5}, {"top_p": 0.5}),
    ):
        body = json.loads(write(Prompt("m", HI, **more), "claude-sonnet-4-5", stream=False, samples=True))
        assert {k: v for k, v in body.items() if k in ("temperature", "top_p")} == sent
    with pytest.raises(LbdError):
        write(Prompt("m", HI, temperature=0.2, top_p=0.5), "claude-sonnet-4-5", stream=False, samples=True)


@pytest.mark.parametrize(
    ("model", "most"),
    [
        ("claude-3-haiku-20240307", 4096),
        ("claude-3-5-sonnet-latest", 8192),
        ("claude-3-7-sonnet-latest", 64_000),
        ("claude-sonnet-4-20250514", 64_000),
        ("claude-opus-4-1", 32_000),
        ("claude-opus-4-5-20251101", 64_000),
        ("claude-haiku-4-5@20251001", 64_000),
        ("claude-sonnet-5", 64_000),
        ("another", 8192),
    ],
)
def test_a_bound_that_nobody_set_is_the_model_s_own(model: str, most: int) -> None:
    """Not a cut in the middle of an answer."""
    assert most_tokens(model) == most


def test_instructions_alone_are_what_is_asked() -> None:
    """The API refuses a request without messages."""
    body = written(Prompt("m", (), system=(Text("be"),)))
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "be"}]}]
    assert "system" not in body


def test_an_id_that_the_api_would_refuse_is_another() -> None:
    """Letters, digits, - and _; a result still finds its call."""
    (call,) = said(Call("call:1.x", "f", "{}"), role="assistant")
    (result,) = said(Result("call:1.x", (Text("y"),)))
    assert call["id"] == result["tool_use_id"] != "call:1.x"
    assert said(Call("call_1", "f", "{}"), role="assistant")[0]["id"] == "call_1"


def test_a_bound_is_demanded() -> None:
    """Clients of other shapes need none; and what is thought counts too."""
    assert written(Prompt("m", HI))["max_tokens"] == most_tokens("up")
    body = written(Prompt("m", HI, effort=Effort(budget=30000)))
    assert body["max_tokens"] > body["thinking"]["budget_tokens"] == 30000
    assert written(Prompt("m", HI, max_tokens=0))["max_tokens"] == 0  # the client's own, odd as it is
    assert written(Prompt("m", HI, effort=Effort(budget=1)))["thinking"]["budget_tokens"] == 1024


def test_only_its_own_thoughts_go_to_the_maker() -> None:
    """It refuses a foreign signature, and what has none."""
    own, foreign = Token("anthropic", "s"), Token("gemini", "s")
    thoughts = [Thinking("a", own), Thinking("b", foreign), Thinking("c"), Thinking("", foreign, redacted=True)]
    assert said(*thoughts, Text("so"), role="assistant") == [
        {"type": "thinking", "thinking": "a", "signature": "s"},
        {"type": "text", "text": "so"},
    ]
    assert said(Thinking("", own, redacted=True), role="assistant") == [{"type": "redacted_thinking", "data": "s"}]


def test_a_turn_of_nothing_is_left_out() -> None:
    """The API refuses empty messages, and empty texts."""
    turns = (Turn("user", (Text("a"), Text(""))), Turn("assistant", (Thinking("x"), Refusal(""))))
    body = written(Prompt("m", turns, system=(Text(""),)))
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "a"}]}]
    assert "system" not in body


def test_results_come_before_words() -> None:
    """The API wants them right after the calls."""
    result = Result("t", (Text("x"),), failed=True)
    assert [b["type"] for b in said(Text("a"), result, Text("b"))] == ["tool_result", "text", "text"]


def test_documents_and_images() -> None:
    """As they are; plain text as its words; what the API does not know is another's."""
    assert said(Media("file", "text/plain", data="aMOp"))[0]["source"] == {
        "type": "text",
        "media_type": "text/plain",
        "data": "hé",
    }
    assert said(Media("file", "application/pdf", data="aGk=", name="n"))[0]["title"] == "n"
    assert said(Media("image", url="u"))[0]["source"] == {"type": "url", "url": "u"}


@pytest.mark.parametrize(
    "part",
    [
        Media("audio", "audio/wav", data="x"),
        Media("image", id="file_1"),
        Media("image", "image/svg+xml", data="x"),
        Media("image", data="x"),
        Media("file", "application/zip", data="x"),
    ],
)
def test_media_that_the_api_does_not_take_go_elsewhere(part: Media) -> None:
    """Another deployment may."""
    with pytest.raises(LbdError) as raised:
        said(part)
    assert raised.value.failure.kind is FailureKind.UNSUPPORTED


@pytest.mark.parametrize("more", [{"n": 2}, {"logprobs": True}, {"format": Format()}, {"seed": 1}, {"stop": (" ",)}])
def test_what_the_api_cannot_give_is_asked_elsewhere(more: dict[str, Any]) -> None:
    """Half of an answer is none."""
    with pytest.raises(LbdError) as raised:
        written(Prompt("m", HI, **more))
    assert raised.value.failure.kind is FailureKind.UNSUPPORTED


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ({}, None),
        ({"choice": "auto"}, {"type": "auto"}),
        ({"choice": "none", "parallel": False}, {"type": "none"}),
        ({"choice": "required", "parallel": True}, {"type": "any", "disable_parallel_tool_use": False}),
        ({"choice": "required", "tool": "f"}, {"type": "tool", "name": "f"}),
        ({"parallel": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel": True}, None),
    ],
)
def test_which_tool_is_called(prompt: dict[str, Any], expected: Any) -> None:
    """In the words of the shape; without tools there is no choice."""
    assert written(Prompt("m", HI, tools=(Tool("f"),), **prompt)).get("tool_choice") == expected
    assert "tool_choice" not in written(Prompt("m", HI, **prompt))


def test_a_tool_without_parameters_has_a_schema() -> None:
    """The API demands one."""
    (tool,) = written(Prompt("m", HI, tools=(Tool("f"),)))["tools"]
    assert tool == {"name": "f", "input_schema": {"type": "object", "properties": {}}}


@pytest.mark.parametrize("arguments", ["{", "no", "[1]", "1", "null"])
def test_arguments_that_are_no_object_are_the_client_s_fault(arguments: str) -> None:
    """They stand in its own conversation."""
    with pytest.raises(LbdError) as raised:
        said(Call("t", "f", arguments), role="assistant")
    assert raised.value.failure.kind is FailureKind.BAD_REQUEST


def test_a_call_of_nothing_has_an_empty_input() -> None:
    """Nothing at all is no JSON."""
    assert said(Call("t", "f", " "), role="assistant")[0]["input"] == {}


@pytest.mark.parametrize("bad", [b"hi", b"/w=="])
def test_a_document_that_is_no_text_is_refused(bad: bytes) -> None:
    """Not an exception of the decoder."""
    with pytest.raises(LbdError) as raised:
        said(Media("file", "text/plain", data="é" if bad == b"hi" else bad.decode()))
    assert raised.value.failure.kind is FailureKind.BAD_REQUEST


def test_a_schema_that_is_nested_too_deep_is_refused() -> None:
    """Not an exception of the JSON library."""
    with pytest.raises(LbdError) as raised:
        written(Prompt("m", HI, tools=(Tool("f", parameters={"a": DEEP}),)))
    assert raised.value.failure.kind is FailureKind.BAD_REQUEST


@given(st.data())
def test_whatever_is_read_is_written_or_refused(data: st.DataObject) -> None:
    """Never another exception."""
    try:
        write(read(json.dumps(data.draw(spoiled(EVERYTHING))).encode()), "m", stream=True, samples=True)
    except LbdError as e:
        assert e.failure.kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)


LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}}


def test_a_schema_that_claude_has_to_keep_to_is_closed() -> None:
    """Of a format and of a strict tool; no other tool's, and no other model's, which are asked as the client said."""
    tools = (Tool("f", None, LOOSE, strict=True), Tool("g", None, LOOSE))
    prompt = Prompt("m", HI, tools=tools, format=Format(LOOSE))
    claude = json.loads(write(prompt, "claude-sonnet-4-5", stream=False, samples=True))
    assert claude["output_config"]["format"]["schema"] == {**LOOSE, "additionalProperties": False}
    assert [t["input_schema"] for t in claude["tools"]] == [{**LOOSE, "additionalProperties": False}, LOOSE]
    other = written(prompt)
    assert other["output_config"]["format"]["schema"] == other["tools"][0]["input_schema"] == LOOSE
