"""Anthropic's Messages API, client side."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import Head
from lbd.shapes import sse
from lbd.shapes.asked import PREFIX_BYTES
from lbd.shapes.clients import anthropic
from tests.unit.shapes.conversations import junk, spoiled
from tests.unit.shapes.messages.test_read import EVERYTHING
from tests.unit.shapes.streams import spec_events


def head(**more: Any) -> Head:
    """Read a request that must be readable."""
    found = anthropic.read(json.dumps({"model": "m", **more}).encode())
    assert isinstance(found, Head), found
    return found


def user(*content: Any) -> list[Any]:
    return [{"role": "user", "content": list(content)}]


TOOL = {"name": "f", "input_schema": {"type": "object"}}
IMAGE = {"type": "image", "source": {"type": "url", "url": "u"}}
FILE = {"type": "document", "source": {"type": "url", "url": "u"}}


def test_the_smallest_request_needs_nothing() -> None:
    """But its usage, which is a part of every answer of this shape."""
    assert head() == Head("m", include_usage=True)


@pytest.mark.parametrize(
    ("more", "field", "value"),
    [
        ({"stream": True}, "stream", True),
        ({"stream": None}, "stream", False),
        ({"max_tokens": 5}, "max_output_tokens", 5),
        ({"max_tokens": 0}, "max_output_tokens", None),
        ({"max_tokens": "5"}, "max_output_tokens", None),
        ({"metadata": {"user_id": "u"}}, "metadata", {"user_id": "u"}),
    ],
)
def test_what_routing_needs_of_it(more: dict[str, Any], field: str, value: Any) -> None:
    """What only the provider can judge is left to it."""
    assert getattr(head(**more), field) == value


@pytest.mark.parametrize(
    ("more", "needs"),
    [
        ({"tools": [TOOL]}, {"tools"}),
        ({"tools": [{**TOOL, "type": "custom"}]}, {"tools"}),
        ({"tools": [{**TOOL, "type": None}]}, {"tools"}),
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, {"tools", "server_tools"}),
        ({"tools": []}, set()),
        ({"tools": 1}, set()),
        ({"messages": user(IMAGE)}, {"images"}),
        ({"messages": user({"type": "tool_result", "content": [IMAGE]}, FILE)}, {"images", "files"}),
        ({"messages": user({"type": "text", "text": '"type": "image"'})}, set()),
        ({"messages": user({**FILE, "citations": {"enabled": True}})}, {"files", "citations"}),
        ({"messages": user({"type": "tool_use", "id": "t", "name": "f", "input": IMAGE})}, set()),
        ({"output_config": {"format": {"type": "json_schema"}}}, {"json_schema"}),
        ({"output_format": {"type": "json_schema"}}, {"json_schema"}),
        ({"output_config": {"effort": "low"}}, {"reasoning"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning"}),
        ({"thinking": {"type": "adaptive"}}, {"reasoning"}),
        ({"thinking": {"type": "disabled"}}, set()),
        ({"thinking": "yes"}, set()),
        ({"temperature": 1.0, "top_p": 1}, set()),
        ({"temperature": 0}, {"sampling"}),
        ({"top_p": 0.9}, {"sampling"}),
        ({"top_k": 40}, {"top_k"}),
    ],
)
def test_what_a_deployment_must_carry(more: dict[str, Any], needs: set[str]) -> None:
    """By what the request asks; everybody's defaults ask for nothing."""
    assert head(**more).needs == needs


def test_the_beginning_of_a_conversation_is_known_again() -> None:
    """Instructions first, as a prompt cache sees them."""
    long, other = "x" * PREFIX_BYTES, "y" * PREFIX_BYTES
    one = head(system=long, messages=user("a"))
    assert one.prefix_hash == head(system=long, messages=user("a"), max_tokens=3).prefix_hash
    assert one.prefix_hash != head(system=other, messages=user("a")).prefix_hash
    assert one.text_bytes == len(json.dumps(long)) + len(json.dumps(user("a")))
    assert head(system="short").prefix_hash == 0
    raw = json.dumps(user(long)).encode()
    assert head(messages=user(long)).prefix_hash == zlib.crc32(raw[:PREFIX_BYTES])


@pytest.mark.parametrize(
    ("raw", "param", "code"),
    [
        (b"", None, "invalid_json"),
        (b"[]", None, "invalid_type"),
        (b"[" * 5000, None, None),
        (b"{}", "model", "model_required"),
        (b'{"model":""}', "model", "model_required"),
        (b'{"model":1}', "model", "invalid_type"),
        (b'{"model":"m","stream":"yes"}', "stream", "invalid_type"),
        (b'{"model":"m","output_config":1}', "output_config", "invalid_type"),
        (b'{"model":"m","metadata":[]}', "metadata", "invalid_type"),
    ],
)
def test_what_is_no_request_is_refused(raw: bytes, param: str | None, code: str | None) -> None:
    """With its place."""
    found = anthropic.read(raw)
    assert isinstance(found, Failure) and found.kind is FailureKind.BAD_REQUEST
    assert found.param == param and (code is None or found.code == code)


@given(st.binary(max_size=40) | junk.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Never an exception."""
    assert isinstance(anthropic.read(raw), Head | Failure)


@given(spoiled(EVERYTHING))
def test_junk_is_read_or_refused(body: Any) -> None:
    """Never an exception."""
    found = anthropic.read(json.dumps(body).encode())
    assert isinstance(found, Failure) or found.max_output_tokens is None or found.max_output_tokens > 0


def test_what_lbd_says_in_a_stream_is_of_the_shape() -> None:
    """Pings, which every client ignores, and an error, which ends it."""
    ((kind, data),) = spec_events(anthropic.SHAPE.keep_alive)
    assert kind == "ping" and json.loads(data) == {"type": "ping"}
    ((kind, data),) = spec_events(anthropic.SHAPE.error_event(Failure(FailureKind.BUSY, "full")))
    assert kind == "error" and json.loads(data)["error"] == {"type": "overloaded_error", "message": "full"}
    assert sse.frames(anthropic.SHAPE.keep_alive)[0].event == b"ping"


def test_versions_and_betas_are_the_client_s_own() -> None:
    """They go on to a provider of this shape as they came."""
    assert {"anthropic-beta", "anthropic-version"} <= set(anthropic.SHAPE.forwards)
    assert anthropic.SHAPE.status(Failure(FailureKind.OVERLOADED, "m")) == 529
