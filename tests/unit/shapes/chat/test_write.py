"""A prompt as a chat-completion request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Call, Effort, Format, Media, Prompt, Refusal, Result, Text, Thinking, Token, Tool, Turn
from lbd.shapes.chat.read import read
from lbd.shapes.chat.write import write
from lbd.shapes.messages import read as messages_read
from lbd.shapes.messages import write as messages_write
from tests.unit.shapes.chat.test_read import EVERYTHING
from tests.unit.shapes.conversations import DEEP, is_openai, letters, plainer, prompts, spoiled
from tests.unit.shapes.messages import test_read as messages_test

HI = (Turn("user", (Text("hi"),)),)


def written(prompt: Prompt, model: str = "up", *, stream: bool = False, usage: bool = False) -> dict[str, Any]:
    return is_openai(write(prompt, model, stream=stream, ask_usage=usage))


def said(*turns: Turn) -> Any:
    return written(Prompt("m", turns))["messages"]


@given(prompts(), st.booleans(), st.booleans())
def test_what_is_written_is_a_request_and_asks_the_same(prompt: Prompt, stream: bool, usage: bool) -> None:
    """By the official SDK's own types; and read again it is the same prompt."""
    body = written(prompt, stream=stream, usage=usage)
    assert body.get("stream", False) is stream
    assert ("stream_options" in body) is (stream and usage)
    assert plainer(read(json.dumps(body).encode())) == plainer(replace(prompt, model="up"))


@given(
    prompts(),
    st.integers(1, 4),
    st.none() | st.integers(0, 9),
    st.none() | st.floats(-2, 2),
    st.none() | st.dictionaries(st.from_regex(r"[0-9]{1,3}", fullmatch=True), st.integers(-100, 100), min_size=1),
    st.none() | st.sampled_from(["low", "high"]),
)
def test_what_chat_alone_can_say_is_kept(
    prompt: Prompt,
    n: int,
    seed: int | None,
    penalty: float | None,
    bias: dict[str, float] | None,
    verbosity: str | None,
) -> None:
    """Several choices, a seed, penalties and biases."""
    prompt = replace(
        prompt,
        n=n,
        seed=seed,
        frequency_penalty=penalty,
        presence_penalty=penalty,
        logit_bias=bias,
        verbosity=verbosity,
        logprobs=n > 1,
        top_logprobs=2 if n > 1 else None,
        format=Format(),
    )
    body = written(prompt)
    assert plainer(read(json.dumps(body).encode())) == plainer(replace(prompt, model="up"))


@given(prompts())
def test_a_conversation_that_comes_from_anthropic_loses_nothing_that_both_can_say(prompt: Prompt) -> None:
    """From a request of that shape to a prompt, to a chat request, and to a prompt again."""
    theirs = messages_read.read(messages_write.write(prompt, "m", stream=False, samples=True))
    back = read(write(theirs, "m", stream=False, ask_usage=False))
    assert plainer(back) == plainer(theirs) == plainer(prompt)


def test_a_request_that_comes_as_a_prompt_goes_as_it_came() -> None:
    """All that the shape itself can say, but for caches, and results before words."""
    prompt = read(json.dumps(EVERYTHING).encode())
    (turn,) = prompt.turns
    known = replace(
        prompt,
        model="up",
        tools=(replace(prompt.tools[0], cache=False), replace(prompt.tools[1], parameters=prompt.tools[0].parameters)),
        turns=(Turn("user", (turn.parts[2], turn.parts[0], turn.parts[1])),),
    )
    assert read(write(prompt, "up", stream=False, ask_usage=False)) == known


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("gpt-4.1", "max_tokens"),
        ("llama-3", "max_tokens"),
        ("gpt-oss-120b", "max_tokens"),
        ("o4-mini", "max_completion_tokens"),
        ("openai/o3", "max_completion_tokens"),
        ("gpt-5", "max_completion_tokens"),
        ("gpt-5.1-mini", "max_completion_tokens"),
        ("gpt-50b", "max_tokens"),
        ("foo1", "max_tokens"),
    ],
)
def test_the_bound_has_the_word_that_the_model_takes(model: str, word: str) -> None:
    """OpenAI's reasoning models refuse the old one, other servers do not know the new one."""
    body = written(Prompt("m", HI, max_tokens=5), model)
    assert {k: v for k, v in body.items() if k.startswith("max_")} == {word: 5}


@pytest.mark.parametrize(
    ("effort", "word"),
    [
        (None, None),
        (Effort(), None),
        (Effort(off=True), None),
        (Effort("low", off=True), "low"),
        (Effort("high"), "high"),
        (Effort("high", 10), "high"),
        (Effort(budget=2048), "low"),
        (Effort(budget=16384), "medium"),
        (Effort(budget=16385), "high"),
        (Effort(shown=True), None),
    ],
)
def test_an_effort_is_a_word(effort: Effort | None, word: str | None) -> None:
    """A budget is told by the word whose usual budget it reaches."""
    assert written(Prompt("m", HI, effort=effort)).get("reasoning_effort") == word


@pytest.mark.parametrize(
    ("model", "word"), [("gpt-5.1", "none"), ("openai/gpt-6", "none"), ("gpt-5", None), ("o3", None)]
)
def test_not_to_think_is_told_to_whom_it_can_be_told(model: str, word: str | None) -> None:
    """Earlier ones refuse the word; and what is beyond all words is the last of them."""
    assert written(Prompt("m", HI, effort=Effort(off=True)), model).get("reasoning_effort") == word
    assert written(Prompt("m", HI, effort=Effort("max")), model)["reasoning_effort"] == "xhigh"


@pytest.mark.parametrize("model", ["deepseek-reasoner", "kimi-k2-thinking", "zai/GLM-4.7"])
def test_thoughts_go_back_beside_calls_to_who_wants_them(model: str) -> None:
    """They refuse a conversation with calls that lacks them; others refuse the member."""
    parts = (Thinking("why"), Call("c", "f", "{}"))
    (message,) = written(Prompt("m", (Turn("assistant", parts),)), model)["messages"]
    assert message["reasoning_content"] == "why"
    (message,) = written(Prompt("m", (Turn("assistant", parts[:1]),)), model)["messages"]
    assert "reasoning_content" not in message
    (message,) = written(Prompt("m", (Turn("assistant", parts),)), "gpt-5")["messages"]
    assert "reasoning_content" not in message


def test_a_long_name_of_a_tool_goes_elsewhere() -> None:
    """Anthropic takes 128 letters, chat half of it; another name would be another tool."""
    with pytest.raises(LbdError) as raised:
        written(Prompt("m", HI, tools=(Tool("x" * 65),)))
    assert raised.value.failure.kind is FailureKind.UNSUPPORTED
    assert written(Prompt("m", HI, tools=(Tool("x" * 64),)))["tools"]


def test_who_asks_is_hashed_where_the_name_is_too_long_or_an_address() -> None:
    """The provider's limit is 64 characters, and it need not know the address."""
    assert written(Prompt("m", HI, user="team-a"))["user"] == "team-a"
    long = written(Prompt("m", HI, user="u" * 65))["user"]
    assert len(long) == 32 and long == written(Prompt("m", HI, user="u" * 65))["user"]


def test_results_are_messages_of_their_own_before_the_words() -> None:
    """Text alone; what a tool shows goes to the user's words, and what failed is told in them."""
    image = Media("image", "image/png", data="aGk=", detail="low")
    shown = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk=", "detail": "low"}}
    results = (Result("a", (Text("x"), image, Text("y"))), Text("and"), Result("b", (Text("no"),), failed=True))
    assert said(Turn("user", results)) == [
        {"role": "tool", "tool_call_id": "a", "content": "x\ny"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: no"},
        {"role": "user", "content": [shown, {"type": "text", "text": "and"}]},
    ]


def test_an_assistant_s_turn() -> None:
    """Words, refusals and calls in their fields; what was thought is its maker's alone."""
    signed = Call("c", "f", "{}", Token("gemini", "s"))
    parts = (Thinking("x", Token("anthropic", "s")), Text("a"), Text("b"), Refusal("no"), signed)
    assert said(Turn("assistant", parts)) == [
        {
            "role": "assistant",
            "content": "ab",
            "refusal": "no",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        }
    ]
    assert said(Turn("assistant", (Thinking("x"),))) == [{"role": "assistant", "content": ""}]
    assert said(Turn("assistant", (signed,)))[0]["content"] is None


def test_sound_and_documents() -> None:
    """As the shape has them; a document always has a name."""
    parts = (Media("audio", "audio/mpeg", data="x"), Media("audio", "audio/wav", data="y"))
    ((first, second),) = (m["content"] for m in said(Turn("user", parts)))
    assert [p["input_audio"]["format"] for p in (first, second)] == ["mp3", "wav"]
    ((file,),) = (m["content"] for m in said(Turn("user", (Media("file", "application/pdf", data="aGk="),))))
    assert file["file"] == {"filename": "document.pdf", "file_data": "data:application/pdf;base64,aGk="}


@pytest.mark.parametrize(
    "part",
    [
        Media("image", id="x"),
        Media("file", id="x"),
        Media("file", url="https://x"),
        Media("file", "text/plain", data="x"),
        Refusal("no"),
        Call("a", "f", "{}"),
    ],
)
def test_what_a_user_cannot_show_here_goes_elsewhere(part: Any) -> None:
    """Another deployment may take it."""
    with pytest.raises(LbdError) as raised:
        said(Turn("user", (part,)))
    assert raised.value.failure.kind is FailureKind.UNSUPPORTED


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ({}, None),
        ({"choice": "required"}, "required"),
        ({"choice": "required", "tool": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_which_tool_is_called(prompt: dict[str, Any], expected: Any) -> None:
    """In the words of the shape."""
    body = written(Prompt("m", HI, tools=(Tool("f", strict=True),), parallel=False, **prompt))
    assert body.get("tool_choice") == expected and body["parallel_tool_calls"] is False
    assert body["tools"][0]["function"] == {
        "name": "f",
        "parameters": {"type": "object", "properties": {}},
        "strict": True,
    }


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (Format(), {"type": "json_object"}),
        (Format({"a": 1}), {"name": "answer", "schema": {"a": 1}, "strict": False}),
        (Format({"a": 1}, strict=True), {"name": "answer", "schema": {"a": 1}, "strict": True}),
        (
            Format({"a": 1}, "n", "d", strict=False),
            {"name": "n", "schema": {"a": 1}, "description": "d", "strict": False},
        ),
    ],
)
def test_the_format_of_the_answer(form: Format, expected: dict[str, Any]) -> None:
    """Any JSON, or a schema with a name."""
    told = written(Prompt("m", HI, format=form))["response_format"]
    assert told == (expected if form.schema is None else {"type": "json_schema", "json_schema": expected})


@given(st.lists(letters, max_size=3))
def test_instructions_are_one_message(texts: list[str]) -> None:
    """The first of all; every server knows it."""
    messages = written(Prompt("m", HI, system=tuple(map(Text, texts))))["messages"]
    assert messages[:-1] == ([{"role": "system", "content": "\n\n".join(texts)}] if texts else [])


def test_what_is_nested_too_deep_is_refused() -> None:
    """Not an exception of the JSON library."""
    with pytest.raises(LbdError) as raised:
        written(Prompt("m", HI, format=Format({"a": DEEP})))
    assert raised.value.failure.kind is FailureKind.BAD_REQUEST


@given(st.data())
def test_whatever_is_read_is_written_or_refused(data: st.DataObject) -> None:
    """Never another exception, of what shape ever the client is."""
    for read_, everything in ((read, EVERYTHING), (messages_read.read, messages_test.EVERYTHING)):
        raw = json.dumps(data.draw(spoiled(everything))).encode()
        try:
            write(read_(raw), "m", stream=True, ask_usage=True)
        except LbdError as e:
            assert e.failure.kind in (FailureKind.BAD_REQUEST, FailureKind.UNSUPPORTED)
