"""OpenAI's chat completions, client side."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import Head
from lbd.shapes.asked import PREFIX_BYTES
from lbd.shapes.clients import openai
from tests.unit.shapes.streams import spec_events


def head(raw: bytes | None = None, **more: Any) -> Head:
    """Read a request that must be readable."""
    found = openai.read(json.dumps({"model": "m", **more}).encode() if raw is None else raw)
    assert isinstance(found, Head), found
    return found


def refused(raw: bytes) -> Failure:
    found = openai.read(raw)
    assert isinstance(found, Failure), found
    return found


def user(*content: Any) -> list[Any]:
    return [{"role": "user", "content": list(content)}]


TEXT = {"type": "text", "text": "What is this?"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": "file-1"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def test_the_smallest_request_needs_nothing() -> None:
    """Most fields are absent most of the time."""
    assert head() == Head("m")


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ({"stream": True}, "stream", True),
        ({"stream": False}, "stream", False),
        ({"stream": None}, "stream", False),
        ({"stream_options": {"include_usage": True}}, "include_usage", True),
        ({"stream_options": {"include_usage": False}}, "include_usage", False),
        ({"stream_options": {"include_usage": "yes"}}, "include_usage", False),
        ({"stream_options": {}}, "include_usage", False),
        ({"stream_options": None}, "include_usage", False),
        ({"max_tokens": 5}, "max_output_tokens", 5),
        ({"max_completion_tokens": 6, "max_tokens": 5}, "max_output_tokens", 6),
        ({"max_completion_tokens": 5, "max_tokens": 6}, "max_output_tokens", 6),  # older servers know the latter only
        ({"max_completion_tokens": 5, "max_tokens": "6"}, "max_output_tokens", None),
        ({"max_completion_tokens": 5, "max_tokens": 0}, "max_output_tokens", 5),
        ({"n": 3.0}, "n", 3),
        ({"n": 1e300}, "n", 1),
        ({"n": "3"}, "n", 1),
        ({"best_of": 4}, "draws", 4),
        ({"max_completion_tokens": None, "max_tokens": 5}, "max_output_tokens", 5),
        ({"max_tokens": 0}, "max_output_tokens", None),
        ({"max_tokens": -1}, "max_output_tokens", None),
        ({"max_tokens": "5"}, "max_output_tokens", None),
        ({"n": 3}, "n", 3),
        ({"n": None}, "n", 1),
        ({"n": 0}, "n", 1),
        ({"n": "2"}, "n", 1),
        ({"service_tier": "flex"}, "service_tier", "flex"),
        ({"service_tier": 1}, "service_tier", None),
        ({"metadata": {"x-lbd-class": "background"}}, "metadata", {"x-lbd-class": "background"}),
    ],
)
def test_what_routing_needs_is_read(more: dict[str, Any], field: str, value: object) -> None:
    """And what only the provider can judge is left to it: it is not refused here."""
    assert getattr(head(**more), field) == value


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({"tools": [TOOL]}, {"tools"}),
        ({"functions": [{"name": "f"}]}, {"tools"}),
        ({"tools": []}, set()),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, {"json_schema"}),
        ({"response_format": {"type": "json_object"}}, {"json_object"}),
        ({"response_format": {"type": "text"}}, set()),
        ({"response_format": {"type": ["x"]}}, set()),
        ({"response_format": None}, set()),
        ({"logprobs": True}, {"logprobs"}),
        ({"logprobs": False}, set()),
        ({"modalities": ["text", "audio"]}, {"audio"}),
        ({"modalities": ["text"]}, set()),
        ({"modalities": "audio"}, set()),
        ({"messages": user(TEXT, IMAGE)}, {"images"}),
        ({"messages": user(AUDIO)}, {"audio"}),
        ({"messages": user(FILE)}, {"files"}),
        ({"messages": user(IMAGE, AUDIO, FILE, IMAGE), "tools": [TOOL]}, {"images", "audio", "files", "tools"}),
        ({"messages": user(TEXT)}, set()),
        ({"messages": [{"role": "user", "content": "x", "name": "ann"}]}, {"names"}),
        ({"messages": [{"role": "assistant", "content": "x", "name": "b"}, *user(IMAGE)]}, {"images", "names"}),
        ({"messages": ["name", {"name": "x"}]}, set()),
    ],
)
def test_capabilities_are_read(more: dict[str, Any], needs: set[str]) -> None:
    """A deployment that lacks one is not eligible: one too few fails, one too many excludes without reason."""
    assert head(**more).needs == needs


@pytest.mark.parametrize(
    "more",
    [
        {"messages": [{"role": "user", "content": "image_url"}]},
        {"messages": [{"role": "user", "content": '{"type": "image_url", "image_url": {"url": "x"}}'}]},
        {"messages": [{"role": "user", "content": 'say "file" and "input_audio"'}]},
        {"messages": user({"type": "text", "text": '"type":"file"'})},
        {"messages": user({"type": "text", "text": "file"})},
        {"messages": [{"role": "tool", "tool_call_id": "c", "content": "x", "name": "file"}]},
        {"messages": [{"role": "user", "content": "x", "name": None}]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"type": "function", "function": {"name": "file", "arguments": '{"type":"file"}'}}],
                }
            ]
        },
        {"metadata": {"type": "file"}},
    ],
)
def test_the_words_of_a_prompt_are_not_its_parts(more: dict[str, Any]) -> None:
    """Who asks about image_url in an API has sent no image."""
    assert head(**more).needs == set()


def test_a_tools_parameter_named_like_a_part_is_no_part() -> None:
    """A tool that takes a file is common; it needs no deployment that takes files."""
    tool = {
        "type": "function",
        "function": {
            "name": "image_url",
            "parameters": {"type": "object", "properties": {"file": {"type": "string"}, "image_url": {"type": "file"}}},
        },
    }
    assert head(tools=[tool], messages=user(TEXT)).needs == {"tools"}


def test_parts_are_found_however_they_are_written() -> None:
    """White space and the order of keys are the client's own."""
    raw = b'{"model":"m","messages":[{"content":[{"image_url":{"url":"x"},\n "type" :\t"image_url"}]}]}'
    assert head(raw).needs == {"images"}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(texts | st.text('"\\{}:, typefileimage_url', max_size=40), st.booleans())
def test_no_text_is_ever_taken_for_a_part(text: str, ascii_only: bool) -> None:
    """Whatever a prompt says, it is inside a JSON string."""
    for content in (text, f'"type":"file"{text}', f'{text}"type": "image_url"'):
        request = {"model": "m", "messages": [{"role": "user", "content": content}]}
        assert head(json.dumps(request, ensure_ascii=ascii_only).encode()).needs == set()


def test_the_conversation_is_measured_not_the_rest() -> None:
    """Its bytes are the base of the token estimate."""
    messages = '[{"role":"user","content":"größer"}]'
    assert head(f'{{"model":"m","messages": {messages} ,"user":"{"x" * 99}"}}'.encode()).text_bytes == len(
        messages.encode()
    )
    assert head().text_bytes == 0


def test_a_long_conversation_has_a_prefix() -> None:
    """Turns are added at its end, so its start finds the server that has it in its cache."""
    start = '[{"role":"system","content":"' + "s" * PREFIX_BYTES
    one = f'{{"model":"m","messages":{start}"}}]}}'.encode()
    two = f'{{"temperature":1,"messages":{start}"}},{{"role":"user","content":"more"}}],"model":"other"}}'.encode()
    assert head(one).prefix_hash == head(two).prefix_hash == zlib.crc32(start.encode()[:PREFIX_BYTES])
    other = one.replace(b'"ss', b'"ts')
    assert head(one).prefix_hash != 0
    assert head(other).prefix_hash != head(one).prefix_hash


@pytest.mark.parametrize(("size", "has"), [(PREFIX_BYTES - 1, False), (PREFIX_BYTES, True)])
def test_a_short_conversation_has_none(size: int, has: bool) -> None:
    """Reading it again costs less than an unbalanced load."""
    raw = b'{"model":"m","messages":"' + b"x" * (size - 2) + b'"}'
    assert head(raw).text_bytes == size
    assert bool(head(raw).prefix_hash) is has


@pytest.mark.parametrize(
    ("raw", "param", "code"),
    [
        (b'{"messages":[]}', "model", "model_required"),
        (b'{"model":""}', "model", "model_required"),
        (b'{"model":null}', "model", "invalid_type"),
        (b'{"model":5}', "model", "invalid_type"),
        (b'{"model":"m","stream":"yes"}', "stream", "invalid_type"),
        (b'{"model":"m","stream_options":[]}', "stream_options", "invalid_type"),
        (b'{"model":"m","response_format":"json"}', "response_format", "invalid_type"),
        (b'{"model":"m","metadata":[]}', "metadata", "invalid_type"),
        (b"[]", None, "invalid_type"),
        (b'"m"', None, "invalid_type"),
        (b"", None, "invalid_json"),
        (b"{", None, "invalid_json"),
        (b'{"model":"m"', None, "invalid_json"),
        (b'{"model":"m"} x', None, "invalid_json"),
        (b'{"model":"\xff"}', None, "invalid_json"),
        (b'{"model":"\\ud800"}', None, "invalid_json"),
        (b'{"model":"m","x":' + b"[" * 100_000, None, "invalid_json"),
    ],
)
def test_a_refusal_names_the_field_and_the_reason(raw: bytes, param: str | None, code: str) -> None:
    """A developer reads it in the SDK's exception and must see what to change."""
    failure = refused(raw)
    assert failure.kind is FailureKind.BAD_REQUEST
    assert (failure.param, failure.code) == (param, code)
    assert failure.message
    if param is not None:
        assert param in failure.message


def test_a_wrong_types_message_names_both_types() -> None:
    """As the decoder found them."""
    assert refused(b'{"model":5}').message == "/model: Expected `str`, got `int`"


requests = st.dictionaries(
    st.sampled_from(
        [
            "model",
            "messages",
            "stream",
            "stream_options",
            "max_tokens",
            "n",
            "tools",
            "response_format",
            "metadata",
            "modalities",
            "service_tier",
            "type",
            "file",
        ]
    ),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from(["m", "file", "audio", "json_schema"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["type", "include_usage", "file", "x"]), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=6,
)


@given(
    st.one_of(
        st.binary(max_size=60),
        st.text('{}[]:,"\\ 1model', max_size=60).map(str.encode),
        requests.map(lambda r: json.dumps(r).encode()),
    )
)
def test_junk_is_refused_or_read_and_raises_nothing(raw: bytes) -> None:
    """The body is the network's: whatever it is, the client gets an answer."""
    found = openai.read(raw)
    if isinstance(found, Failure):
        assert found.kind is FailureKind.BAD_REQUEST
    else:
        assert found.model
        assert found.n >= 1
        assert found.max_output_tokens is None or found.max_output_tokens > 0
        assert found.text_bytes <= len(raw)


def test_the_error_event_is_one_event_without_an_end_mark() -> None:
    """A client must see that the answer is not whole."""
    failure = Failure(FailureKind.BROKEN_STREAM, 'the stream\nbroke: "x"')
    [(kind, data)] = spec_events(openai.error_event(failure))
    assert kind == ""
    assert json.loads(data)["error"]["code"] == "broken_stream"
