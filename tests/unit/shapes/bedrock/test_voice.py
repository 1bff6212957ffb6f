"""A model of Bedrock behind clients of other shapes: asked in Converse, heard, answered in the client's own shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes.bedrock.voice import DIALECT
from lbd.shapes.bridge import wires
from lbd.shapes.clients import CLIENTS
from lbd.shapes.gather import gather
from lbd.shapes.providers.bedrock import SHAPE
from lbd.shapes.wire import Wire
from tests.unit.shapes.amazon import BEGIN, CLAUDE, METADATA, USAGE, delta, ended, faults, start, stop
from tests.unit.shapes.streams import cuts

K = FailureKind
ROW = DeploymentSpec("p/m", "p", "m", CLAUDE, "primary")
STREAM = b"".join(
    [
        BEGIN,
        delta(0, reasoningContent={"text": "hm"}),
        delta(0, reasoningContent={"signature": "SIG"}),
        stop(0),
        delta(1, text="Hello"),
        delta(1, text=" wörld"),
        stop(1),
        start(2, toolUse={"toolUseId": "t1", "name": "get"}),
        delta(2, toolUse={"input": '{"a":1}'}),
        stop(2),
        ended("tool_use"),
        METADATA,
    ]
)
UNARY = json.dumps(
    {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "SIG"}}},
                    {"text": "Hello wörld"},
                    {"toolUse": {"toolUseId": "t1", "name": "get", "input": {"a": 1}}},
                ],
            }
        },
        "stopReason": "tool_use",
        "usage": USAGE,
        "metrics": {"latencyMs": 1},
    }
).encode()
ASKED = {
    "openai.chat": {
        "model": "m",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "get", "parameters": {"type": "object"}}}],
        "max_tokens": 50,
    },
    "anthropic.messages": {
        "model": "m",
        "system": "be brief",
        "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "get", "input_schema": {"type": "object"}}],
        "max_tokens": 50,
    },
}
every_client = pytest.mark.parametrize("client", list(ASKED))


def wire(client: str) -> Wire:
    return wires(SHAPE, CLAUDE)[client]


@every_client
def test_a_request_of_any_client_is_one_of_converse(client: str) -> None:
    """The same question is the same request, whoever asks; streamed or not."""
    raw = json.dumps(ASKED[client]).encode()
    head: Any = CLIENTS.load()[client].read(raw)
    sent = [wire(client).encode(Body(client, raw, head), ROW, stream, True) for stream in (False, True)]
    assert sent[0] == sent[1]
    body = json.loads(sent[0])
    assert not faults(body, CLAUDE)
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "system": [{"text": "be brief"}],
        "inferenceConfig": {"maxTokens": 50},
        "toolConfig": {"tools": [{"toolSpec": {"name": "get", "inputSchema": {"json": {"type": "object"}}}}]},
    }


def test_stream_and_answer_have_paths_of_their_own() -> None:
    """The model is named in them."""
    assert (DIALECT.path, DIALECT.stream_path) == ("/model/{model}/converse", "/model/{model}/converse-stream")


def test_an_openai_client_is_answered_in_chunks() -> None:
    """The text it can read, the call, the end mark, and usage where it was asked for."""
    watching = wire("openai.chat").watch
    assert watching is not None
    watch = watching(1, False, wants_usage=True, wall=1_700_000_000.0)
    out = watch.feed(STREAM)
    assert watch.done and watch.whole and watch.failure is None
    chunks = [json.loads(line[6:]) for line in out.decode().split("\n\n") if line.startswith("data: {")]
    assert out.endswith(b"data: [DONE]\n\n")
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == "Hello wörld"
    assert {c["model"] for c in chunks} == {CLAUDE} and all(c["id"] for c in chunks)
    assert chunks[-1]["usage"]["prompt_tokens"] == 36
    assert chunks[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 12
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "tool_calls"


def test_an_anthropic_client_gets_claudes_signature_as_it_is() -> None:
    """It is valid at Anthropic too, so it needs no tag."""
    facts = wire("anthropic.messages").facts(UNARY, 0.0)
    assert facts.answer is not None
    answer = json.loads(facts.answer)
    assert answer["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "SIG"}
    assert answer["usage"]["input_tokens"] == 20
    assert (answer["usage"]["cache_read_input_tokens"], answer["usage"]["cache_creation_input_tokens"]) == (12, 4)


@every_client
@given(cuts(STREAM))
def test_the_clients_stream_does_not_depend_on_the_cuts(client: str, parts: list[bytes]) -> None:
    """Nothing of the binary stream ever reaches it."""
    watching = wire(client).watch
    assert watching is not None
    whole, cut = watching(1, False, wants_usage=True), watching(1, False, wants_usage=True)
    assert b"".join(map(cut.feed, parts)).replace(b"\n\n", b"\n") == whole.feed(STREAM).replace(b"\n\n", b"\n")
    assert cut.done and cut.usage == whole.usage


@every_client
@given(st.binary(min_size=16, max_size=80), st.data())
def test_junk_after_the_beginning_is_a_failure(client: str, junk: bytes, data: st.DataObject) -> None:
    """And what the client has got is the beginning of an answer."""
    watching = wire(client).watch
    assert watching is not None
    watch = watching(1, False)
    out = b"".join(map(watch.feed, data.draw(cuts(BEGIN + delta(0, text="hi") + junk))))
    assert watch.failure is not None and watch.failure.kind is K.BAD_BODY
    assert b"hi" in out and b"eventstream" not in out


def test_unary_and_stream_are_one_answer() -> None:
    """For the dialect's own functions too."""
    listener = DIALECT.listen(CLAUDE, 1)
    assert gather(listener.feed(STREAM)) == gather(DIALECT.read(UNARY, CLAUDE))
