"""Both families' SDKs against a real model server in both of its shapes: its direct answer, passed or translated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from lbd.demo.servers import ModelServers
from tests.e2e.conftest import Daemon

pytestmark = pytest.mark.real

MODELS = ("as-openai", "as-anthropic")
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "Name three colours."}], "max_tokens": 16}
GREEDY = {"temperature": 0, "cache_prompt": False}


@pytest.fixture(scope="module")
def both(servers: ModelServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that knows one server by two shapes."""
    free = {"input_usd_per_mtok": 0, "output_usd_per_mtok": 0}
    providers = [
        {
            "name": shape,
            "shape": shape,
            "base_url": servers.base_url("a"),
            "deployments": [{"model": model, "price": free, "context_tokens": 2048}],
        }
        for shape, model in (("llamacpp", "as-openai"), ("anthropic", "as-anthropic"))
    ]
    daemon = Daemon(tmp_path_factory.mktemp("both"), {"providers": providers, "probes": {"completion": "never"}})
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def right(servers: ModelServers) -> str:
    """What the server itself answers."""
    with openai.OpenAI(base_url=servers.base_url("a"), api_key="x") as direct:
        told = direct.chat.completions.create(model="m", **ASKED, extra_body=GREEDY)  # type: ignore[call-overload]
        return str(told.choices[0].message.content)


@pytest.mark.parametrize("model", MODELS)
def test_chat_is_the_direct_answer(both: Daemon, right: str, model: str) -> None:
    """Unary and streamed; where the shape differs only what it can carry is asked."""
    extra = GREEDY if model == "as-openai" else {"temperature": 0}
    with openai.OpenAI(base_url=f"{both.url}/v1", api_key="x", max_retries=0) as client:
        unary = client.chat.completions.create(model=model, **ASKED, extra_body=extra)  # type: ignore[call-overload]
        assert unary.choices[0].message.content == right
        assert unary.choices[0].finish_reason == "length"
        stream = client.chat.completions.create(
            model=model,
            stream=True,
            stream_options={"include_usage": True},
            **ASKED,
            extra_body=extra,  # type: ignore[call-overload]
        )
        chunks = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == right
    assert chunks[-1].usage.completion_tokens == unary.usage.completion_tokens == 16


@pytest.mark.parametrize("model", MODELS)
def test_messages_are_the_direct_answer(both: Daemon, right: str, model: str) -> None:
    """Unary and streamed."""
    extra = GREEDY if model == "as-anthropic" else {"temperature": 0}
    with anthropic.Anthropic(base_url=both.url, api_key="x", max_retries=0) as client:
        unary = client.messages.create(model=model, **ASKED, extra_body=extra)
        assert [b.text for b in unary.content] == [right]  # type: ignore[union-attr]
        assert (unary.stop_reason, unary.usage.output_tokens) == ("max_tokens", 16)
        with client.messages.stream(model=model, **ASKED, extra_body=extra) as stream:
            assert "".join(stream.text_stream) == right
            assert stream.get_final_message().usage.output_tokens == 16


@pytest.mark.parametrize("model", MODELS)
def test_responses_and_completions_come_from_both(both: Daemon, right: str, model: str) -> None:
    """A response is a chat by another name; a completion at a server that has them goes on with the text."""
    with openai.OpenAI(base_url=f"{both.url}/v1", api_key="x", max_retries=0) as client:
        told = client.responses.create(model=model, input="Name three colours.", max_output_tokens=16, temperature=0)
        assert told.output_text == right
        assert told.status == "incomplete" and told.incomplete_details.reason == "max_output_tokens"  # type: ignore[union-attr]
        text = client.completions.create(model=model, prompt="Red, green and", max_tokens=4, temperature=0)
        assert text.choices[0].text and text.usage.completion_tokens == 4  # type: ignore[union-attr]


@pytest.mark.parametrize("model", MODELS)
def test_a_prompt_that_is_too_long_is_told_as_each_client_knows_it(both: Daemon, model: str) -> None:
    """400 with OpenAI's code, or Anthropic's type."""
    long = [{"role": "user", "content": "word " * 6000}]
    with openai.OpenAI(base_url=f"{both.url}/v1", api_key="x", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=model, messages=long, max_tokens=5)  # type: ignore[arg-type]
        assert "context" in str(caught.value)
    with anthropic.Anthropic(base_url=both.url, api_key="x", max_retries=0) as theirs:
        with pytest.raises(anthropic.BadRequestError) as refused:
            theirs.messages.create(model=model, messages=long, max_tokens=5)  # type: ignore[arg-type]
        assert refused.value.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]


def test_tokens_are_counted_by_the_server_itself(both: Daemon, servers: ModelServers) -> None:
    """Its own count, not an estimate."""
    with anthropic.Anthropic(base_url=servers.base_url("a").removesuffix("/v1"), api_key="x") as direct:
        expected = direct.messages.count_tokens(model="m", messages=ASKED["messages"]).input_tokens
    with anthropic.Anthropic(base_url=both.url, api_key="x") as client:
        for model in MODELS:
            assert client.messages.count_tokens(model=model, messages=ASKED["messages"]).input_tokens == expected
