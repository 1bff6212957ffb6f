"""Streams of real model servers that break under their clients' eyes: the official SDKs notice nothing."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import urlopen

import anthropic
import openai
import pytest

from lbd.demo.servers import ModelServers
from tests.e2e.conftest import MESSAGES, Daemon

pytestmark = pytest.mark.real
TOKENS = 240
ASK: dict[str, Any] = {"max_tokens": TOKENS, "temperature": 0}
MORE = {"ignore_eos": True, "cache_prompt": False}
LONG = "Tell me a long story about the keeper of a lighthouse."
SPOILED = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}


@pytest.fixture
def client(daemon: Daemon) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{daemon.url}/v1", api_key="anything", max_retries=0) as made:
        yield made


def chat(client: openai.OpenAI, model: str, each: Callable[[int], None], **more: Any) -> tuple[str, list[Any]]:
    """Stream an answer; returns its text and its chunks. ``each`` is called with the count of contents so far."""
    text, contents, chunks = "", 0, []
    stream = client.chat.completions.create(
        model=model,
        messages=MESSAGES,  # type: ignore[arg-type]
        stream=True,
        stream_options={"include_usage": True},
        extra_body=MORE,
        **{**ASK, **more},
    )
    for chunk in stream:
        chunks.append(chunk)
        for choice in chunk.choices:
            if choice.delta.content:
                text, contents = text + choice.delta.content, contents + 1
                each(contents)
    return text, chunks


class Spoil:
    """Spoils a server once so many contents have come."""

    def __init__(self, servers: ModelServers, how: str, after: int = 40) -> None:
        self._servers, self._signal, self._after = servers, SPOILED[how], after
        self.done = False
        self.longest = self._last = 0.0  # seconds between two contents

    def __call__(self, contents: int) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self._last) if self._last else 0.0
        self._last = now
        if contents == self._after:
            self._servers.signal("a", self._signal)
            self.done = True


def splices(daemon: Daemon) -> dict[str, float]:
    """Return what the metrics say of splices."""
    with urlopen(f"{daemon.admin}/metrics", timeout=5) as response:
        page = response.read().decode()
    lines = [line for line in page.splitlines() if line.startswith("lbd_splices_total{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}


@pytest.mark.parametrize("how", sorted(SPOILED))
def test_a_chat_goes_on_elsewhere_to_the_same_words(
    client: openai.OpenAI, daemon: Daemon, mended: ModelServers, how: str
) -> None:
    """Killed: at once. Frozen: as soon as a probe finds nobody. One id, one usage, one end."""
    with openai.OpenAI(base_url=mended.base_url("b"), api_key="x") as direct:
        right, _ = chat(direct, "m", lambda _: None)
    spoil = Spoil(mended, how)
    text, chunks = chat(client, "smollm2", spoil)
    assert spoil.done and text == right
    assert len({chunk.id for chunk in chunks}) == len({chunk.model for chunk in chunks}) == 1
    usages = [chunk.usage for chunk in chunks if chunk.usage is not None]
    assert [usage.completion_tokens for usage in usages] == [TOKENS]
    finishes = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert finishes == ["length"]
    assert splices(daemon) == {"went_on": 1}
    assert spoil.longest < (5.0 if how == "kill" else 10.0)


def test_a_message_of_anthropics_sdk_goes_on_too(daemon: Daemon, mended: ModelServers) -> None:
    """Blocks in their order, the usage of the whole, and the same words."""
    ask: dict[str, Any] = {"max_tokens": TOKENS, "extra_body": {"temperature": 0}, "system": MESSAGES[0]["content"]}
    ask |= {"messages": [{"role": "user", "content": LONG}], "model": "smollm2"}

    def message(base: str, each: Callable[[int], None]) -> Any:
        made = anthropic.Anthropic(base_url=base, api_key="x", max_retries=0)
        with made, made.messages.stream(**ask) as stream:
            for n, _ in enumerate(stream.text_stream, 1):
                each(n)
            return stream.get_final_message()

    right = message(daemon.url, lambda _: None)
    for how in sorted(SPOILED):
        spoil = Spoil(mended, how, after=30)
        got = message(daemon.url, spoil)
        assert spoil.done
        assert (got.content, got.stop_reason) == (right.content, right.stop_reason)
        assert got.usage.output_tokens == right.usage.output_tokens
        assert got.id != right.id and got.role == "assistant"
        mended.signal("a", signal.SIGCONT) if how == "freeze" else mended.start("a")
        mended.wait_ready("a")
        daemon.wait_state("a/m", "up", "recovering")
    assert splices(daemon) == {"went_on": 2}


def test_a_text_completion_goes_on_too(client: openai.OpenAI, daemon: Daemon, mended: ModelServers) -> None:
    """The older API."""

    def complete(made: openai.OpenAI, each: Callable[[int], None]) -> str:
        stream = made.completions.create(
            model="smollm2", prompt="Once upon a time", stream=True, extra_body=MORE, **ASK
        )
        text = ""
        for n, chunk in enumerate(stream, 1):
            text += "".join(choice.text for choice in chunk.choices)
            each(n)
        return text

    with openai.OpenAI(base_url=mended.base_url("b"), api_key="x") as direct:
        right = complete(direct, lambda _: None)
    spoil = Spoil(mended, "kill")
    assert complete(client, spoil) == right and spoil.done
    assert splices(daemon) == {"went_on": 1}


def test_a_response_goes_on_too(client: openai.OpenAI, daemon: Daemon, mended: ModelServers) -> None:
    """Its last event holds the whole of it."""

    def respond(each: Callable[[int], None]) -> tuple[str, Any]:
        text, final = "", None
        stream = client.responses.create(
            model="smollm2",
            instructions=str(MESSAGES[0]["content"]),
            input=LONG,
            max_output_tokens=TOKENS,
            temperature=0,
            stream=True,
        )
        for n, event in enumerate(stream, 1):
            if event.type == "response.output_text.delta":
                text += event.delta
            final = getattr(event, "response", final)
            each(n)
        return text, final

    right, whole = respond(lambda _: None)
    spoil = Spoil(mended, "kill", after=40)
    text, final = respond(spoil)
    assert spoil.done and text == right == final.output_text
    assert (final.status, final.usage.output_tokens) == (whole.status, whole.usage.output_tokens)
    assert splices(daemon) == {"went_on": 1}


def test_an_answer_that_was_drawn_differs_and_that_is_said(
    client: openai.OpenAI, daemon: Daemon, mended: ModelServers
) -> None:
    """At a temperature of 1.5 nobody says the same again: what came stays, and the error is typed."""
    spoil, came = Spoil(mended, "kill"), []

    def each(contents: int) -> None:
        spoil(contents)
        came.append(contents)

    with pytest.raises(openai.APIError, match="could not be continued"):
        chat(client, "smollm2", each, temperature=1.5)
    assert len(came) >= 40
    assert splices(daemon) == {"different": 1}
