"""OpenAI's Responses API, client side."""

from __future__ import annotations

import json
import zlib
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseErrorEvent

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import Head
from lbd.shapes.asked import PREFIX_BYTES
from lbd.shapes.clients import responses
from tests.unit.shapes.responses.answers import ANSWERS, STREAMS, events, spoken


def read(**more: Any) -> Head | Failure:
    return responses.read(json.dumps({"model": "m", "input": "hi", **more}).encode())


def head(**more: Any) -> Head:
    found = read(**more)
    assert isinstance(found, Head), found
    return found


def user(*content: Any) -> list[Any]:
    return [{"role": "user", "content": list(content)}]


TOOL = {"type": "function", "name": "f", "parameters": {}}
SCHEMA = {"format": {"type": "json_schema", "name": "n", "schema": {}}}


def test_the_smallest_request_needs_nothing() -> None:
    """But its usage, which every answer tells."""
    assert head() == Head("m", include_usage=True, text_bytes=len('"hi"'))


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ({"stream": True}, "stream", True),
        ({"stream": None}, "stream", False),
        ({"max_output_tokens": 5}, "max_output_tokens", 5),
        ({"max_output_tokens": 0}, "max_output_tokens", None),
        ({"max_output_tokens": "5"}, "max_output_tokens", None),
        ({"service_tier": "flex"}, "service_tier", "flex"),
        ({"service_tier": 1}, "service_tier", None),
        ({"metadata": {"x-lbd-class": "background"}}, "metadata", {"x-lbd-class": "background"}),
        ({"instructions": "abc"}, "text_bytes", 9),
        ({"input": None}, "text_bytes", 4),
        ({"store": False, "background": False, "previous_response_id": None}, "needs", frozenset()),
    ],
)
def test_what_routing_needs_is_read(more: dict[str, Any], field: str, value: object) -> None:
    """And what only the provider can judge is left to it."""
    assert getattr(head(**more), field) == value


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({"tools": [TOOL]}, {"tools"}),
        ({"tools": []}, set()),
        ({"tools": [TOOL, {"type": "web_search"}]}, {"tools", "server_tools"}),
        ({"tools": [{"type": "mcp"}]}, {"tools", "server_tools"}),
        ({"text": SCHEMA}, {"json_schema"}),
        ({"text": {"format": {"type": "json_object"}}}, {"json_object"}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, set()),
        ({"text": {}}, set()),
        ({"reasoning": {"effort": "low"}}, {"reasoning"}),
        ({"reasoning": {"summary": "auto"}}, {"reasoning"}),
        ({"reasoning": {"effort": "none"}}, set()),
        ({"reasoning": {"effort": None, "summary": None}}, set()),
        ({"include": ["message.output_text.logprobs"]}, {"logprobs"}),
        ({"include": ["reasoning.encrypted_content"]}, set()),
        ({"input": user({"type": "input_image", "image_url": "data:,"})}, {"images"}),
        ({"input": user({"type": "input_file", "file_id": "f"}, {"type": "input_text", "text": "x"})}, {"files"}),
        (
            {"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image"}]}]},
            {"images"},
        ),
        ({"input": '{"type":"input_image"}'}, set()),
    ],
)
def test_what_a_deployment_must_carry(more: dict[str, Any], needs: set[str]) -> None:
    """Only structure tells; words in a prompt do not."""
    assert head(**more).needs == needs


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"store": True}, "store"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input"),
    ],
)
def test_what_leans_on_what_was_kept_is_refused_before_any_provider_is_asked(more: dict[str, Any], param: str) -> None:
    """By name, and with a remedy."""
    found = read(**more)
    assert isinstance(found, Failure)
    assert (found.kind, found.param) == (FailureKind.BAD_REQUEST, param)
    error = json.loads(responses.SHAPE.error_body(found))["error"]
    assert (error["code"], error["param"]) == ("unsupported_parameter", param)


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b"", "invalid_json", None),
        (b"[]", "invalid_type", None),
        (b"{}", "model_required", "model"),
        (b'{"model":""}', "model_required", "model"),
        (b'{"model":1}', "invalid_type", "model"),
        (b'{"model":"m","stream":"yes"}', "invalid_type", "stream"),
        (b'{"model":"m","text":5}', "invalid_type", "text"),
    ],
)
def test_what_cannot_be_read_is_refused(raw: bytes, code: str, param: str | None) -> None:
    """With the place of the fault."""
    found = responses.read(raw)
    assert isinstance(found, Failure)
    assert (found.code, found.param) == (code, param)


def test_long_conversations_are_known_by_their_beginning() -> None:
    """Instructions first, which stand before all input."""
    long = "x" * 5000
    found = head(input=long, instructions="a").prefix_hash
    assert found == zlib.crc32(json.dumps(long)[:PREFIX_BYTES].encode(), zlib.crc32(b'"a"'))
    assert found == head(input=long + "y", instructions="a").prefix_hash
    assert found != head(input=long, instructions="b").prefix_hash
    assert head(input="short").prefix_hash == 0


def client(answer: bytes, kind: str) -> openai.OpenAI:
    """Return the official client, which gets this answer."""

    def answered(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, content=answer, headers={"content-type": kind})

    http = httpx2.Client(transport=httpx2.MockTransport(answered))
    return openai.OpenAI(base_url="http://lbd/v1", api_key="x", max_retries=0, http_client=http)


@given(st.text(max_size=20), st.none() | st.text(max_size=5), st.sampled_from(FailureKind))
def test_an_error_event_is_one_of_the_api_and_makes_the_official_client_raise(
    message: str, param: str | None, kind: FailureKind
) -> None:
    """With its message, code and parameter."""
    raw = responses.error_event(Failure(kind, message, param=param))
    [event] = events(raw)
    assert ResponseErrorEvent.model_validate(event, strict=True).message == message
    broken = spoken(ANSWERS["text"]).partition(b"event: response.output_text.done")[0]
    with client(broken + raw, "text/event-stream").responses.create(model="m", input="x", stream=True) as stream:
        seen = []
        with pytest.raises(openai.APIError) as caught:
            seen += list(stream)
    assert caught.value.message == (message or "An error occurred during streaming")
    assert (caught.value.code, caught.value.param) == (event["code"], param)
    assert event["sequence_number"] > len(events(broken))


@pytest.mark.parametrize("name", list(ANSWERS))
def test_the_official_client_gathers_what_is_said(name: str) -> None:
    """With keep-alives in between."""
    noisy = STREAMS[name].replace(b"\n\n", b"\n\n" + responses.SHAPE.keep_alive)
    final = events(STREAMS[name])[-1]["response"]
    with client(noisy, "text/event-stream").responses.stream(model="m", input="x") as stream:
        told = list(stream)
        if final["status"] == "completed":
            output = [item.to_dict() for item in stream.get_final_response().output]
            assert [item["type"] for item in output] == [item["type"] for item in final["output"]]
    assert told[-1].type == f"response.{final['status']}"
