"""What an attempt used where nobody told: estimated, flagged, and nothing where nothing was begun."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.request import Head
from lbd.model.units import BYTES_PER_TOKEN
from lbd.observe.ledger import Ledger
from lbd.upstream.attempt import Attempt
from lbd.upstream.usage import usage_of
from tests.fakes.harness import SimInbound
from tests.fakes.relay import Relay, row
from tests.fakes.stage import DONE, ROLE, STOP, answer, content, cut, end, head, refusal, say, usage, whole
from tests.fakes.virtual import VirtualEnv, run

K = FailureKind
HEAD = Head("m", text_bytes=400)
PROMPT = 100


def tried(**more: Any) -> Attempt:
    """Return an attempt, good so far, whose provider told nothing."""
    given = {"usage": None, "status": 200, "failure": None, "reached": True, "watch": None, "answer": None, **more}
    if isinstance(given["failure"], str):
        given["failure"] = SimpleNamespace(kind=K(given["failure"]))
    wire = {"watch": more.get("streams", True) or None, "native": more.get("native", True)}
    return cast("Attempt", SimpleNamespace(wire=SimpleNamespace(serves=more.get("serves", "chat"), **wire), **given))


def used(**more: Any) -> Usage | None:
    return usage_of(tried(**more), HEAD, 0.25)


def test_what_was_told_is_taken_as_it_is() -> None:
    """Also of an attempt that failed, and of what is never streamed."""
    told = Usage(7, 3, 2, 1)
    assert used(usage=told) is used(usage=told, status=500) is used(usage=told, streams=False) is told


def test_where_the_last_counts_did_not_come_those_of_the_output_are_of_its_beginning() -> None:
    """As many as there are contents, then; more than was told is never taken back."""
    begun = Usage(20, 1, cached=5, estimated=True)
    assert used(usage=begun, watch=SimpleNamespace(contents=12)) == Usage(20, 12, cached=5, estimated=True)
    assert used(usage=begun, watch=SimpleNamespace(contents=0), failure="broken_stream") == begun


def test_a_streams_contents_are_counted() -> None:
    """A delta is a token or little more; the prompt is estimated as it was for the decision."""
    assert used(watch=SimpleNamespace(contents=12)) == Usage(PROMPT, 12, estimated=True)
    assert used(watch=SimpleNamespace(contents=0), failure="broken_stream") == Usage(PROMPT, 0, estimated=True)


def test_a_whole_answer_is_counted_by_its_bytes() -> None:
    """And none is empty."""
    assert used(answer=b"x" * 40 * BYTES_PER_TOKEN) == Usage(PROMPT, 40, estimated=True)
    assert used(answer=b"{}") == Usage(PROMPT, 1, estimated=True)
    assert usage_of(tried(answer=b"{}"), Head("m"), 0.25) == Usage(1, 1, estimated=True)


def test_noughts_are_no_counts() -> None:
    """A prompt has tokens, and an answer that is there has them; one that passes through may say that it has none."""
    for nothing in (Usage(), Usage(0, 0, estimated=True)):
        assert used(usage=nothing, answer=b"x" * 40) == Usage(PROMPT, 10, estimated=True)
        assert used(usage=nothing, watch=SimpleNamespace(contents=7)) == Usage(PROMPT, 7, estimated=True)
    assert used(usage=Usage(0, 9), answer=b"x" * 40) == Usage(PROMPT, 10, estimated=True)
    assert used(usage=Usage(5, 0), answer=b"x" * 40, native=False) == Usage(5, 10, estimated=True)
    assert used(usage=Usage(5, 0), answer=b'{"choices": []}', native=False) == Usage(5, 0)
    assert used(usage=Usage(5, 0), answer=b"x" * 40) == Usage(5, 0)


@pytest.mark.parametrize("told", [None, Usage()])
def test_embeddings_take_their_prompt(told: Usage | None) -> None:
    """And nothing else, whatever their vectors weigh."""
    vectors = {"streams": False, "serves": "embeddings", "answer": b"x" * 4000}
    assert used(usage=told, **vectors) == Usage(PROMPT, 0, estimated=True)
    assert used(usage=told, **vectors, native=False) == Usage(PROMPT, 0, estimated=True)
    assert used(usage=Usage(8), **vectors, native=False) == used(usage=Usage(8), **vectors) == Usage(8)
    assert used(status=429, failure="rate_limited", streams=False, serves="embeddings") is None


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503, 302])
def test_what_was_refused_costs_nothing(status: int) -> None:
    """Whatever it was refused for."""
    assert used(status=status, failure="server_error") is None


def test_what_is_never_streamed_is_not_counted_in_tokens_of_an_answer() -> None:
    """Vectors, images, counts."""
    assert used(streams=False, answer=b"x" * 4000) is None


@pytest.mark.parametrize("kind", [None, "timeout_first", "timeout_total", "timeout_idle", "draining"])
def test_what_was_given_up_before_its_head_came_costs_its_prompt(kind: str | None) -> None:
    """The provider was at it, and nobody knows how far it has come."""
    assert used(status=0, failure=kind) == Usage(PROMPT, 0, estimated=True)


@pytest.mark.parametrize("kind", ["connect", "connect_timeout", "tls", "reset", "unsupported_input", "local_fault"])
def test_what_nobody_took_costs_nothing(kind: str) -> None:
    """It was not sent, or the connection broke before a word came back."""
    assert used(status=0, failure=kind) is None
    assert used(status=0, reached=False) is None, "cancelled before it was sent"


def test_missing_usage_stands_in_the_record_with_its_cost() -> None:
    """Of streams and whole answers, and of attempts that failed after they had begun."""

    async def main(env: VirtualEnv) -> None:
        relay = Relay(env, row("a"))
        stream = (0.1, head(), say(ROLE, content("hel"), content("lo")))
        relay.stage.plan(*stream, say(STOP, usage(20, 3), DONE), end, host="a")
        relay.stage.plan(*stream, say(STOP, DONE), end, host="a")
        relay.stage.plan(*stream, cut(), host="a")
        relay.stage.plan(0.1, *answer(refusal("no", kind="invalid_request_error"), 400), host="a")
        for _ in range(4):
            await relay.ask(stream=True, headers={"x-lbd-after-content": "error"})
        relay.stage.plan(0.1, *answer(whole().replace(b'"usage"', b'"no_usage"')), host="a")
        await relay.ask()
        told, counted, broken, refused, unary = [r.attempts[-1] for r in relay.records]
        assert (told.usage, told.cost) == (Usage(20, 3), 26_000)
        assert counted.usage is not None and counted.usage.estimated and counted.usage.completion == 2
        assert counted.cost == counted.usage.prompt * 1000 + 2 * 2000
        assert broken.failure == K.BROKEN_STREAM and broken.usage == counted.usage and broken.cost == counted.cost
        assert refused.usage is None and refused.cost == 0
        assert unary.usage is not None and unary.usage.estimated and unary.cost > 0
        assert [r.cost for r in relay.records] == [r.attempts[-1].cost for r in relay.records]
        relay.check()

    run(main)


ASKED = "What is said about it, and by whom? " * 10
SAID = "w" * 40  # ten tokens
CHAT = {"messages": [{"role": "user", "content": ASKED}]}
CHOICE = {"index": 0, "finish_reason": "stop"}
SPOKEN = {"role": "assistant", "content": SAID}
MESSAGE = {"id": "x", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
TEXT = {**MESSAGE, "content": [{"type": "text", "text": SAID}]}
VECTORS = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}]}
# client shape, provider shape, what is asked, what is answered without a word of what it took; whether it goes on as
# it came
UNTOLD: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], bool]] = {
    "chat": ("openai.chat", "openai", CHAT, {"id": "x", "choices": [{**CHOICE, "message": SPOKEN}]}, True),
    "completions": (
        "openai.completions",
        "vllm",
        {"prompt": ASKED},
        {"id": "x", "choices": [{**CHOICE, "text": SAID}]},
        True,
    ),
    "embeddings": ("openai.embeddings", "openai", {"input": ASKED}, VECTORS, True),
    "translated chat": ("openai.chat", "anthropic", CHAT, TEXT, False),
    "translated completions": ("openai.completions", "anthropic", {"prompt": ASKED}, TEXT, False),
    "translated responses": ("openai.responses", "anthropic", {"input": ASKED}, TEXT, False),
    "translated messages": (
        "anthropic.messages",
        "openai",
        {**CHAT, "max_tokens": 50},
        {"id": "x", "choices": [{**CHOICE, "message": SPOKEN}], "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
        False,
    ),
    "translated embeddings": (
        "openai.embeddings",
        "gemini",
        {"input": ASKED},
        {"embedding": {"values": [0.5, 1.0]}, "embeddings": [{"values": [0.5, 1.0]}]},
        False,
    ),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_client_record_ledger_and_budget_of_a_whole_answer_agree_where_nothing_was_told(name: str) -> None:
    """None of them is told noughts; what passes through is told to nobody but goes on as it came."""
    client, provider, asked, answered, passes = UNTOLD[name]
    serves = "embeddings" if client == "openai.embeddings" else "chat"

    async def main(env: VirtualEnv) -> None:
        budget = {"usd_per_day": 100.0}
        relay = Relay(env, row("a", shape=provider, budget=budget, deployment={"serves": [serves]}))
        relay.grant()
        told = json.dumps(answered).encode()
        relay.stage.always(0.1, *answer(told), host="a")
        heard = relay.heard()
        shape = relay.plugins.clients[client]
        body = {"model": "m", **asked}
        before = relay.owner.tokens_per_byte
        await relay.pipeline.handle(SimInbound(env.now(), {}), json.dumps(body).encode(), shape, heard)
        assert heard.asked.status == 200, heard.asked.body
        (attempt,) = relay.last.attempts
        usage = attempt.usage
        assert usage is not None and usage.estimated and relay.last.usage == usage
        read = shape.read(json.dumps(body).encode())
        assert isinstance(read, Head)
        assert usage.prompt == pytest.approx(read.text_bytes / BYTES_PER_TOKEN, abs=1)
        assert usage.completion == (0 if serves == "embeddings" else 10)
        (entry,) = Ledger(lambda: relay.owner.snapshot).entries(relay.last)
        assert (entry.input, entry.output, entry.estimated) == (usage.prompt, usage.completion, True)
        paid = (usage.prompt + 2 * usage.completion) * 1000
        assert attempt.cost == relay.last.cost == entry.cost == paid
        (spent,) = relay.flights.purses.report(env.wall())
        assert spent["spent_usd"] == pytest.approx(paid / 1e9)
        assert float(heard.asked.headers["x-lbd-cost-usd"]) == pytest.approx(paid / 1e9)
        assert relay.owner.tokens_per_byte == before, "what is estimated teaches nothing"
        if passes:
            assert heard.asked.body == told
        else:
            counts = json.loads(heard.asked.body)["usage"]
            assert (counts.get("input_tokens") or counts.get("prompt_tokens")) == usage.prompt
            assert (counts.get("output_tokens") or counts.get("completion_tokens", 0)) == usage.completion
        relay.check()

    run(main)
