"""Whatever clients send and providers answer: a typed answer in the client's own shape, never a fault of lbd's own.

Requests are rich ones in which something was replaced by something else, at any depth; they go through the whole
pipeline to providers of every family, which answer with junk as often as not.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from tests.fakes.harness import SimInbound
from tests.fakes.relay import Relay, row
from tests.fakes.stage import answer, end, head, say, stream, whole
from tests.fakes.virtual import VirtualEnv, run

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
PIXEL = "data:image/png;base64,iVBORw0KGgo="
RICH: dict[str, dict[str, Any]] = {
    "openai.chat": {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "lbd.anthropic.s"}],
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city":"x"}'}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "12"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
        "tool_choice": "auto",
        "max_tokens": 9,
        "stop": ["x"],
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
        "stream_options": {"include_usage": True},
        "metadata": {"a": "b"},
    },
    "openai.completions": {"model": "m", "prompt": ["hi"], "max_tokens": 5, "stop": "x", "n": 1},
    "openai.responses": {
        "model": "m",
        "instructions": "be brief",
        "input": [
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": PIXEL}],
            },
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "12"},
        ],
        "tools": [{"type": "function", "name": "f", "parameters": SCHEMA}],
        "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}},
        "reasoning": {"effort": "low"},
    },
    "anthropic.messages": {
        "model": "m",
        "max_tokens": 9,
        "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {"city": "x"}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "12"}]}],
            },
        ],
        "tools": [{"name": "f", "input_schema": SCHEMA}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "u"},
    },
    "anthropic.count_tokens": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "openai.embeddings": {"model": "e", "input": ["hi"], "encoding_format": "base64"},
}
junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.just("lbd.gemini.x"),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["type", "text", "role", "content"]), inner)
    ),
    max_leaves=4,
)
ANSWERS = st.one_of(
    st.binary(max_size=60),
    junk.map(lambda v: json.dumps(v).encode()),
    st.sampled_from([whole("hi"), stream("hi"), b'{"content":[{"type":"text","text":"hi"}],"type":"message"}', b"{}"]),
    st.sampled_from(
        [
            b'{"data":[{"index":0,"embedding":[0.5]}]}',
            b'{"embeddings":[[0.5,1e300]]}',
            b'{"embeddings":{"float":[[0.5]]}}',
            b'{"embeddings":[{"values":[0.5]}],"usageMetadata":{"promptTokenCount":-1}}',
            b'{"predictions":[{"embeddings":{"values":[0.5],"statistics":{"token_count":"x"}}}]}',
        ]
    ),
)
EMBEDDING = {"e": "up-m", "eg": "gemini-embedding-001", "ev": "text-embedding-005", "eb": "cohere.embed-v4:0"}
EMBED_SHAPES = {"e": "openai", "eg": "gemini", "ev": "vertex", "eb": "bedrock"}


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a value."""
    inner: list[Any] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [at, *(p for key, v in inner for p in places(v, (*at, key)))]


def replaced(value: Any, at: tuple[Any, ...], by: Any) -> Any:
    """Return a value with something else at a place."""
    if not at:
        return by
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = replaced(copy[at[0]], at[1:], by)
    return copy


@pytest.mark.parametrize("client", RICH)
@settings(max_examples=80)
@given(data=st.data())
def test_a_spoiled_request_is_answered_in_its_client_s_shape(client: str, data: st.DataObject) -> None:
    """With its own status and envelope; no slot stays taken, and nobody's health suffers for a client's fault."""
    asked = RICH[client]
    for _ in range(data.draw(st.integers(0, 2))):
        asked = replaced(asked, data.draw(st.sampled_from(places(asked))), data.draw(junk))
        if not isinstance(asked, dict):
            break
    raw = json.dumps({**asked, "stream": data.draw(st.booleans())} if isinstance(asked, dict) else asked).encode()
    given_, status, kind = (
        data.draw(ANSWERS),
        data.draw(st.sampled_from([200, 200, 200, 400, 429, 500])),
        "application/json",
    )

    async def main(env: VirtualEnv) -> None:
        shapes = ("openai", "anthropic", "gemini", "bedrock")
        embedding = (
            row(n, model="e", shape=EMBED_SHAPES[n], deployment={"serves": ["embeddings"], "upstream_model": upstream})
            for n, upstream in EMBEDDING.items()
        )
        relay = Relay(env, *(row(s, shape=s) for s in shapes), *embedding)
        for host in (*shapes, *EMBEDDING):
            if given_.startswith(b"data:"):
                relay.stage.always(0.1, head(content_type="text/event-stream"), say(given_), end, host=host)
            else:
                relay.stage.always(0.1, *answer(given_, status=status, content_type=kind), host=host)
        shape = relay.plugins.clients[client]
        heard = relay.heard(stream=b'"stream": true' in raw)
        await relay.pipeline.handle(SimInbound(env.now(), {}), raw, shape, heard)
        told = heard.asked
        assert told.ended
        assert told.status == 200 or 400 <= told.status < 600
        if told.status != 200:
            error = json.loads(told.body)["error"]
            assert error["message"]
            assert error.get("code") != str(FailureKind.INTERNAL)
        relay.check()

    run(main)
