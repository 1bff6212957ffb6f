"""The official OpenAI SDK against lbd on real models: only base_url and key are changed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import openai
import pytest

from lbd.demo.servers import ModelServers
from tests.e2e.conftest import MESSAGES, Daemon

pytestmark = pytest.mark.real


@pytest.fixture
def client(daemon: Daemon) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="anything", max_retries=0) as made:
        yield made


def test_unary_and_streamed_answers_equal_the_servers_own(client: openai.OpenAI, servers: ModelServers) -> None:
    """Greedy answers through lbd are those of the server asked directly, byte for byte."""
    with openai.OpenAI(base_url=servers.base_url("a"), api_key="x") as direct:
        ask = {"messages": MESSAGES, "max_tokens": 24, "temperature": 0, "extra_body": {"cache_prompt": False}}
        right = direct.chat.completions.create(model="m", **ask)  # type: ignore[call-overload]
        unary = client.chat.completions.create(model="auto", **ask)  # type: ignore[call-overload]
        assert unary.choices[0].message.content == right.choices[0].message.content
        assert unary.choices[0].finish_reason == right.choices[0].finish_reason
        assert unary.usage.completion_tokens == right.usage.completion_tokens
        assert unary._request_id.startswith("req_")
        text, usage = "", None
        stream = client.chat.completions.create(
            model="smollm2",
            stream=True,
            stream_options={"include_usage": True},
            **ask,  # type: ignore[call-overload]
        )
        for chunk in stream:
            usage = chunk.usage or usage
            text += "".join(c.delta.content or "" for c in chunk.choices)
        assert text == right.choices[0].message.content
        assert usage is not None and usage.completion_tokens == right.usage.completion_tokens


def test_a_stream_that_did_not_ask_for_usage_gets_none(client: openai.OpenAI) -> None:
    """lbd asks for usage upstream for its own books; the client sees what it asked for."""
    chunks = list(client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=5, stream=True))  # type: ignore[arg-type]
    assert all(c.choices and c.usage is None for c in chunks)
    assert chunks[-1].choices[0].finish_reason == "length"


def test_json_schema_logprobs_n_and_tools_pass_through(client: openai.OpenAI) -> None:
    """What lbd does not need to touch arrives as it was sent."""
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    shaped = client.chat.completions.create(
        model="auto",
        messages=MESSAGES,  # type: ignore[arg-type]
        max_tokens=40,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert isinstance(json.loads(shaped.choices[0].message.content or "")["n"], int)
    logged = client.chat.completions.create(
        model="auto",
        messages=MESSAGES,
        max_tokens=4,
        logprobs=True,
        top_logprobs=2,
        temperature=0,  # type: ignore[arg-type]
    )
    content = logged.choices[0].logprobs.content  # type: ignore[union-attr]
    assert content is not None and len(content) == 4 and len(content[0].top_logprobs) == 2
    several = client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=4, n=2)  # type: ignore[arg-type]
    assert [c.index for c in several.choices] == [0, 1]
    finishes: set[int] = set()
    for chunk in client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=4, n=2, stream=True):  # type: ignore[arg-type]
        finishes |= {c.index for c in chunk.choices if c.finish_reason}
    assert finishes == {0, 1}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    assert client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=4, tools=[tool]).choices  # type: ignore[arg-type, list-item]


def test_models_are_listed_and_retrieved(client: openai.OpenAI) -> None:
    """Names that may be asked for: auto and every model."""
    assert [m.id for m in client.models.list()] == ["auto", "other", "smollm2"]
    assert client.models.retrieve("smollm2").id == "smollm2"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


def test_errors_have_the_sdks_own_classes(client: openai.OpenAI) -> None:
    """Right class, OpenAI's error object, lbd's request id."""
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="smolm2", messages=MESSAGES)  # type: ignore[arg-type]
    assert unknown.value.code == "model_not_found" and "smollm2" in unknown.value.message
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="auto", messages="x")  # type: ignore[arg-type]
    with pytest.raises(openai.BadRequestError) as long:
        client.chat.completions.create(model="auto", messages=[{"role": "user", "content": "word " * 9000}])
    assert long.value.code == "context_length_exceeded"
    assert long.value.request_id is not None and long.value.request_id.startswith("req_")


async def test_the_asynchronous_client_works_too(daemon: Daemon) -> None:
    """Concurrent streams and unary calls on one client."""
    async with openai.AsyncOpenAI(base_url=f"{daemon.url}/v1", api_key="x", max_retries=0) as client:
        stream = await client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=6, stream=True)  # type: ignore[arg-type]
        unary = await client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=6)  # type: ignore[arg-type]
        assert unary.choices[0].message.content
        assert "".join([c.choices[0].delta.content or "" async for c in stream])
