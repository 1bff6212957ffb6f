"""Every client's SDK through lbd to a strict provider of every shape: the same meaning, unary and streamed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.e2e.conftest import Daemon
from tests.fakes.strict_provider import CALLS, HELLO, StrictProvider

SHAPES = ("openai", "anthropic", "gemini", "bedrock")
every_shape = pytest.mark.parametrize("shape", SHAPES)
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["unary", "stream"])
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "The weather in a city.", "parameters": SCHEMA}
RESULTS = ("12 degrees", "20 degrees, sünny")


@pytest.fixture(autouse=True)
def nothing_refused(strict_provider: StrictProvider) -> Iterator[None]:
    """The provider checks every request by the SDKs' own types; whatever it refused is told in full."""
    strict_provider.refused.clear()
    yield
    assert not strict_provider.refused, strict_provider.refused


@pytest.fixture(scope="module")
def chat(strict_daemon: Daemon) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{strict_daemon.url}/v1", api_key="x", max_retries=0)


@pytest.fixture(scope="module")
def messages(strict_daemon: Daemon) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=strict_daemon.url, api_key="x", max_retries=0)


# --- OpenAI's chat completions ---------------------------------------------------------------------------


def chatted(client: openai.OpenAI, *, stream: bool, **asked: Any) -> Any:
    """Return the whole completion, of a stream as the SDK itself gathers it."""
    if not stream:
        return client.chat.completions.create(**asked)
    with client.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
        for _ in events:
            pass
        return events.get_final_completion()


@every_shape
@both_ways
def test_chat_says_the_same(chat: openai.OpenAI, shape: str, stream: bool) -> None:
    """Text, reason, usage and the model that served; umlauts and emoji whole."""
    asked = {"model": f"m-{shape}", "messages": [{"role": "user", "content": "Häi"}]}
    told = chatted(chat, stream=stream, **asked)
    [choice] = told.choices
    assert (choice.message.content, choice.finish_reason) == (HELLO, "stop")
    assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (20, 9)
    assert told.usage.prompt_tokens_details.cached_tokens == 8
    assert told.model and told.id and told.created > 1_600_000_000


@every_shape
@both_ways
def test_chat_uses_tools_and_goes_on(chat: openai.OpenAI, shape: str, stream: bool) -> None:
    """Two calls with whole arguments; their results come back to the provider, and the answer to the client."""
    history: list[Any] = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "Weather in Bern and Rome?"},
    ]
    tools: Any = [{"type": "function", "function": TOOL}]
    told = chatted(chat, stream=stream, model=f"m-{shape}", messages=history, tools=tools, max_completion_tokens=500)
    [choice] = told.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me see."
    calls = choice.message.tool_calls
    assert [json.loads(c.function.arguments) for c in calls] == list(CALLS)
    assert {c.function.name for c in calls} == {"get_weather"}
    assert len({c.id for c in calls}) == 2
    history.append(choice.message.model_dump(exclude_none=True, exclude={"parsed": True}))
    history += [{"role": "tool", "tool_call_id": c.id, "content": r} for c, r in zip(calls, RESULTS, strict=True)]
    told = chatted(chat, stream=stream, model=f"m-{shape}", messages=history, tools=tools)
    assert told.choices[0].finish_reason == "stop"
    assert all(r in told.choices[0].message.content for r in RESULTS)


@every_shape
def test_a_conversation_with_tools_moves_to_every_other_shape(chat: openai.OpenAI, shape: str) -> None:
    """A fall-back in the middle of it: what only its maker can read is dropped there, nothing else."""
    history: list[Any] = [{"role": "user", "content": "Weather in Bern and Rome?"}]
    tools: Any = [{"type": "function", "function": TOOL}]
    told = chatted(chat, stream=False, model=f"m-{shape}", messages=history, tools=tools, reasoning_effort="high")
    message = told.choices[0].message
    history.append(message.model_dump(exclude_none=True))
    history += [
        {"role": "tool", "tool_call_id": c.id, "content": r} for c, r in zip(message.tool_calls, RESULTS, strict=True)
    ]
    for other in SHAPES:
        told = chatted(chat, stream=False, model=f"m-{other}", messages=history, tools=tools)
        assert all(r in told.choices[0].message.content for r in RESULTS), other


# --- Anthropic's messages --------------------------------------------------------------------------------


def messaged(client: anthropic.Anthropic, *, stream: bool, **asked: Any) -> Any:
    """Return the whole message, of a stream as the SDK itself gathers it."""
    if not stream:
        return client.messages.create(**asked)
    with client.messages.stream(**asked) as events:
        for _ in events:
            pass
        return events.get_final_message()


@every_shape
@both_ways
def test_messages_say_the_same(messages: anthropic.Anthropic, shape: str, stream: bool) -> None:
    """Blocks, reason, usage with cached tokens apart."""
    asked = {"model": f"m-{shape}", "max_tokens": 100, "messages": [{"role": "user", "content": "Häi"}]}
    told = messaged(messages, stream=stream, **asked)
    assert [(b.type, b.text) for b in told.content] == [("text", HELLO)]
    assert told.stop_reason == "end_turn"
    assert (told.usage.input_tokens, told.usage.cache_read_input_tokens, told.usage.output_tokens) == (12, 8, 9)
    assert told.id and told.model and told.role == "assistant"


@every_shape
@both_ways
def test_messages_use_tools_and_go_on(messages: anthropic.Anthropic, shape: str, stream: bool) -> None:
    """As an agent does: system blocks, tools, results as blocks, the whole of the answer sent back."""
    history: list[Any] = [{"role": "user", "content": [{"type": "text", "text": "Weather in Bern and Rome?"}]}]
    tools: Any = [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": SCHEMA}]
    system: Any = [{"type": "text", "text": "You are brief.", "cache_control": {"type": "ephemeral"}}]
    asked: dict[str, Any] = {"model": f"m-{shape}", "max_tokens": 4000, "tools": tools, "system": system}
    told = messaged(messages, stream=stream, messages=history, **asked)
    assert told.stop_reason == "tool_use"
    uses = [b for b in told.content if b.type == "tool_use"]
    assert [b.input for b in uses] == list(CALLS)
    assert [b.text for b in told.content if b.type == "text"] == ["Let me see."]
    history.append({"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in told.content]})
    results = [{"type": "tool_result", "tool_use_id": b.id, "content": r} for b, r in zip(uses, RESULTS, strict=True)]
    history.append({"role": "user", "content": results})
    told = messaged(messages, stream=stream, messages=history, **asked)
    assert told.stop_reason == "end_turn"
    assert all(r in told.content[-1].text for r in RESULTS)


def test_thinking_keeps_its_signature(messages: anthropic.Anthropic) -> None:
    """To the provider that minted it as it came; a signature is what lets it go on."""
    asked: dict[str, Any] = {
        "model": "m-anthropic",
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": TOOL["name"], "input_schema": SCHEMA}],
    }
    history: list[Any] = [{"role": "user", "content": "Weather?"}]
    told = messages.messages.create(messages=history, **asked)
    assert told.content[0].type == "thinking"
    history.append({"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in told.content]})
    uses = [b for b in told.content if b.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": b.id, "content": "x"} for b in uses]
    history.append({"role": "user", "content": results})
    assert messages.messages.create(messages=history, **asked).stop_reason == "end_turn"
    for other in ("m-openai", "m-gemini", "m-bedrock"):
        told = messages.messages.create(messages=history, **{**asked, "model": other, "thinking": {"type": "disabled"}})
        assert told.stop_reason == "end_turn", other


@pytest.mark.parametrize("shape", [s for s in SHAPES if s != "anthropic"])
def test_tokens_are_counted_for_every_model(messages: anthropic.Anthropic, shape: str) -> None:
    """Where the provider has no such endpoint, by lbd's own estimate."""
    counted = messages.messages.count_tokens(model=f"m-{shape}", messages=[{"role": "user", "content": "word " * 400}])
    assert 100 < counted.input_tokens < 2000
    assert shape != "gemini" or counted.input_tokens == 400  # its own count


def test_both_kinds_of_clients_list_the_models(chat: openai.OpenAI, messages: anthropic.Anthropic) -> None:
    """In the form that each of them reads."""
    expected = {"auto", *(f"m-{shape}" for shape in SHAPES)}
    assert expected <= {m.id for m in chat.models.list()}
    assert expected <= {m.id for m in messages.models.list()}
    assert messages.models.retrieve("m-gemini").id == chat.models.retrieve("m-gemini").id == "m-gemini"


def test_azure_s_client_finds_its_paths(strict_daemon: Daemon) -> None:
    """The deployment in the path, the key in api-key."""
    client = openai.AzureOpenAI(azure_endpoint=strict_daemon.url, api_key="x", api_version="2024-10-21", max_retries=0)
    told = client.chat.completions.create(model="m-openai", messages=[{"role": "user", "content": "Häi"}])
    assert told.choices[0].message.content == HELLO
    assert client.responses.create(model="m-openai", input="Häi").output_text == HELLO
    assert client.models.retrieve("m-openai").id == "m-openai"


# --- OpenAI's responses ----------------------------------------------------------------------------------


def responded(client: openai.OpenAI, *, stream: bool, **asked: Any) -> Any:
    """Return the whole response, of a stream as the SDK itself gathers it; its events are numbered without a gap."""
    if not stream:
        return client.responses.create(**asked)
    with client.responses.stream(**asked) as events:
        numbers = [e.sequence_number for e in events]
        assert numbers == list(range(len(numbers)))
        return events.get_final_response()


@every_shape
@both_ways
def test_responses_say_the_same(chat: openai.OpenAI, shape: str, stream: bool) -> None:
    """Text, status and usage."""
    told = responded(chat, stream=stream, model=f"m-{shape}", input="Häi", instructions="Be brief.")
    assert (told.output_text, told.status) == (HELLO, "completed")
    assert (told.usage.input_tokens, told.usage.output_tokens) == (20, 9)
    assert told.usage.input_tokens_details.cached_tokens == 8
    assert told.instructions == "Be brief."


@every_shape
@both_ways
def test_responses_use_tools_and_go_on(chat: openai.OpenAI, shape: str, stream: bool) -> None:
    """The items of an answer, sent back with what the tools gave: no state is kept anywhere else."""
    items: list[Any] = [{"role": "user", "content": "Weather in Bern and Rome?"}]
    tools: Any = [{"type": "function", "strict": False, **TOOL}]
    asked: dict[str, Any] = {"model": f"m-{shape}", "tools": tools, "store": False}
    told = responded(chat, stream=stream, input=items, **asked)
    calls = [i for i in told.output if i.type == "function_call"]
    assert [json.loads(c.arguments) for c in calls] == list(CALLS)
    assert told.output_text == "Let me see."
    items += [i.model_dump(exclude_none=True, exclude={"parsed_arguments": True}) for i in told.output]
    items += [
        {"type": "function_call_output", "call_id": c.call_id, "output": r} for c, r in zip(calls, RESULTS, strict=True)
    ]
    told = responded(chat, stream=stream, input=items, **asked)
    assert told.status == "completed"
    assert all(r in told.output_text for r in RESULTS)


@pytest.mark.parametrize(
    "asked",
    [
        {"previous_response_id": "resp_1"},
        {"stream": True, "background": True},
        {"conversation": "c"},
        {"store": True},
    ],
)
def test_what_needs_state_is_refused_by_name(chat: openai.OpenAI, asked: dict[str, Any]) -> None:
    """lbd keeps none, and an application that counts on it would break later."""
    with pytest.raises(openai.BadRequestError) as caught:
        chat.responses.create(model="m-openai", input="x", **asked)
    assert next(iter(asked)) in str(caught.value)


# --- what cannot be carried ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["anthropic", "bedrock", "gemini"])
def test_who_speaks_is_told_to_those_alone_who_can_hear_it(chat: openai.OpenAI, shape: str) -> None:
    """The names of participants have no place in other shapes; a tool's own name is told by its call."""
    told: Any = [{"role": "user", "name": "ann", "content": "x"}]
    with pytest.raises(openai.BadRequestError, match="names"):
        chat.chat.completions.create(model=f"m-{shape}", messages=told)
    assert chat.chat.completions.create(model="m-openai", messages=told).choices[0].message.content


@pytest.mark.parametrize(
    ("shape", "asked"),
    [
        ("anthropic", {"n": 2}),
        ("anthropic", {"logprobs": True}),
        ("bedrock", {"seed": 7}),
        ("bedrock", {"logit_bias": {"1": 1}}),
        ("gemini", {"logit_bias": {"1": 1}}),
    ],
)
def test_what_a_shape_cannot_carry_is_refused_by_name(chat: openai.OpenAI, shape: str, asked: dict[str, Any]) -> None:
    """Never dropped silently: the reason is in the error."""
    with pytest.raises(openai.BadRequestError) as caught:
        chat.chat.completions.create(model=f"m-{shape}", messages=[{"role": "user", "content": "x"}], **asked)
    assert "capability" in str(caught.value) and (next(iter(asked)) in str(caught.value))


def test_errors_are_of_each_client_s_classes(
    chat: openai.OpenAI, messages: anthropic.Anthropic, tmp_path: Path
) -> None:
    """An unknown model is not found, in both envelopes."""
    with pytest.raises(openai.NotFoundError):
        chat.chat.completions.create(model="nope", messages=[{"role": "user", "content": "x"}])
    with pytest.raises(anthropic.NotFoundError):
        messages.messages.create(model="nope", max_tokens=5, messages=[{"role": "user", "content": "x"}])


# --- files -----------------------------------------------------------------------------------------------

SOUND = bytes(range(256)) * 300 + b"\r\n--no-boundary\r\n"


def test_sound_is_written_down(chat: openai.OpenAI) -> None:
    """The form passes as it came but for the model's name: bytes, file name, format; JSON or words come back."""
    expected = f"[häi.wav: {len(SOUND)} bytes, {sum(SOUND)}]"
    told = chat.audio.transcriptions.create(model="m-files", file=("häi.wav", SOUND))
    assert told.text == expected
    words: Any = chat.audio.transcriptions.create(model="m-files", file=("häi.wav", SOUND), response_format="text")
    assert words == f"{expected}\n"
    with pytest.deprecated_call():  # by the SDK, not by servers
        assert chat.audio.translations.create(model="m-files", file=("häi.wav", SOUND)).text == expected


def test_an_image_is_changed(chat: openai.OpenAI) -> None:
    """Images come as files, and go back as they came."""
    told = chat.images.edit(model="m-files", image=("a.png", SOUND), prompt="brighter")
    assert told.data is not None and base64.b64decode(told.data[0].b64_json or "") == SOUND


def test_azure_s_path_names_the_model_of_a_form(strict_daemon: Daemon) -> None:
    """Its clients' forms hold none."""
    with openai.AzureOpenAI(azure_endpoint=strict_daemon.url, api_key="x", api_version="2024-10-21") as client:
        told = client.audio.transcriptions.create(model="m-files", file=("a.wav", SOUND))
        assert told.text.startswith("[a.wav")


def test_files_go_only_to_who_takes_them(chat: openai.OpenAI) -> None:
    """A chat model is no listener; and the error is of the client's class."""
    with pytest.raises(openai.BadRequestError) as caught:
        chat.audio.transcriptions.create(model="m-openai", file=("a.wav", SOUND))
    assert "transcriptions" in str(caught.value)
    with pytest.raises(openai.BadRequestError):
        chat.audio.transcriptions.create(model="", file=("a.wav", SOUND))
