"""A stream that is cut behind its finish is whole; what its provider did not count any more is estimated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import pytest

from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.model.units import BYTES_PER_TOKEN
from lbd.shapes.bridge import wires
from lbd.shapes.clients import CLIENTS
from lbd.shapes.providers import PROVIDERS
from lbd.upstream.attempt import Attempt
from lbd.upstream.usage import usage_of
from tests.unit.shapes import amazon, streams
from tests.unit.shapes.gemini import answers as google
from tests.unit.shapes.messages import transcripts

PROMPT = "What is said about it, and by whom? " * 20
ASKED: dict[str, dict[str, Any]] = {
    "openai.chat": {"messages": [{"role": "user", "content": PROMPT}], "stream_options": {"include_usage": True}},
    "openai.completions": {"prompt": PROMPT, "stream_options": {"include_usage": True}},
    "openai.responses": {"input": PROMPT},
    "anthropic.messages": {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": 50},
}
WORDS = ["Hello", " there", ", you", " two", "."]


class Cut(NamedTuple):
    """A stream up to its finish, and what of the usage was told until then: the prompt and the output."""

    stream: bytes
    prompt: int | None = None
    output: int | None = None


_CHAT = streams.ROLE + b"".join(map(streams.says, WORDS)) + streams.chunk(finish="stop")
_COUNTED = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}
_BEGUN = transcripts.event(
    "message_start", message={**transcripts.HEAD, "usage": {"input_tokens": 20, "output_tokens": 1}}
)
_SAID = b"".join(
    [transcripts.start(0, type="text", text=""), *(transcripts.delta(0, "text_delta", text=w) for w in WORDS)]
)
_STOPPED = transcripts.event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None})
_PARTS = [google.event(google.answer(google.candidate(google.text(w)))) for w in WORDS]


def _google(**more: Any) -> bytes:
    return b"".join(_PARTS) + google.event(google.answer(google.candidate(finish="STOP"), **more))


CHAT = {
    "no usage": Cut(_CHAT),
    "no usage, but the end mark": Cut(_CHAT + streams.DONE),
    "nothing counted": Cut(_CHAT + streams.event({"choices": [], "usage": dict.fromkeys(_COUNTED, 0)})),
    "counted": Cut(_CHAT + streams.event({"choices": [], "usage": _COUNTED}), 20, 7),
}
MESSAGES = {
    "the beginning's usage": Cut(_BEGUN + _SAID + transcripts.stop(0) + _STOPPED, 20),
    "the beginning's usage, and the end mark": Cut(
        _BEGUN + _SAID + transcripts.stop(0) + _STOPPED + transcripts.event("message_stop"), 20
    ),
    "no usage": Cut(
        transcripts.event("message_start", message={k: v for k, v in transcripts.HEAD.items() if k != "usage"})
        + _SAID
        + transcripts.stop(0)
        + _STOPPED
    ),
    "counted": Cut(_BEGUN + _SAID + transcripts.stop(0) + transcripts.finish(output_tokens=7), 20, 7),
}
GEMINI = {
    "no usage": Cut(_google()),
    "the prompt alone": Cut(_google(usageMetadata={"promptTokenCount": 20}), 20),
    "counted": Cut(_google(usageMetadata={"promptTokenCount": 20, "candidatesTokenCount": 7}), 20, 7),
}
_CONVERSE = (
    amazon.event("messageStart", {"role": "assistant"})
    + b"".join(amazon.delta(0, text=w) for w in WORDS)
    + amazon.event("contentBlockStop", {"contentBlockIndex": 0})
    + amazon.event("messageStop", {"stopReason": "end_turn"})
)
BEDROCK = {
    "no usage": Cut(_CONVERSE),
    "no usage in the metadata": Cut(_CONVERSE + amazon.event("metadata", {"metrics": {"latencyMs": 5}})),
    "counted": Cut(
        _CONVERSE + amazon.event("metadata", {"usage": {"inputTokens": 20, "outputTokens": 7, "totalTokens": 27}}),
        20,
        7,
    ),
}
OF = {"anthropic": MESSAGES, "vertex-anthropic": MESSAGES, "gemini": GEMINI, "vertex": GEMINI, "bedrock": BEDROCK}


def pairs() -> Iterator[tuple[str, str, str]]:
    """Yield each provider shape, each client shape that is translated for it, and each way to be cut."""
    for name, shape in PROVIDERS.load().items():
        for client, wire in wires(shape, "up").items():
            if not wire.native and wire.watch is not None:
                yield from ((name, client, cut) for cut in OF.get(name, CHAT))


def told(out: bytes) -> tuple[int, int]:
    """Return what a client reads as the counts of the whole answer: those that are told last."""
    last: dict[str, Any] = {}
    for line in out.splitlines():
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            last = event.get("usage") or event.get("response", {}).get("usage") or last
    if "prompt_tokens" in last:
        return last["prompt_tokens"], last["completion_tokens"]
    return last["input_tokens"], last["output_tokens"]


@pytest.mark.parametrize(("provider", "client", "cut"), list(pairs()))
@pytest.mark.parametrize("gathered", [False, True])
def test_what_was_not_counted_is_estimated(provider: str, client: str, cut: str, gathered: bool) -> None:
    """What was told stands; the rest is told as the ledger counts it, and flagged there; never nought for something."""
    wire = wires(PROVIDERS.load()[provider], "up")[client]
    stream, prompt, output = OF.get(provider, CHAT)[cut]
    body = json.dumps({"model": "m", "stream": not gathered, **ASKED[client]}).encode()
    head = CLIENTS.load()[client].read(body)
    assert isinstance(head, Head) and wire.watch is not None and wire.fold is not None
    # the client of a whole answer does not wait for its usage here: else it is somebody else's to answer
    watch = wire.watch(1, False, wants_usage=not gathered, wall=1e9, asked=body)
    fold = wire.fold(watch) if gathered else None
    out = watch.feed(stream)
    tail, failure = watch.end()
    assert failure is None
    counted = watch.usage
    assert counted is not None
    assert counted.estimated is (output is None)
    assert counted.prompt == (round(head.text_bytes / BYTES_PER_TOKEN) if prompt is None else prompt)
    assert counted.completion == (len(WORDS) if output is None else output)
    if fold is None:
        assert told(out + tail) == (counted.prompt, counted.completion)
    else:
        assert told(b"data: " + fold.result()) == (counted.prompt, counted.completion)


ECHOES = {"openai.responses"}  # its answers say again what was asked
SAID = "".join(WORDS) * 8
_CHOICE = {"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}
_CONVERSED = {"output": {"message": {"role": "assistant", "content": [{"text": SAID}]}}, "stopReason": "end_turn"}
# A whole answer, without its counts, and the counts as nothing but noughts.
WHOLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "chat": (
        {"id": "x", "object": "chat.completion", "model": "up", "choices": [_CHOICE]},
        {"usage": dict.fromkeys(_COUNTED, 0)},
    ),
    "messages": (
        {k: v for k, v in transcripts.message(transcripts.words(SAID)).items() if k != "usage"},
        {"usage": {"input_tokens": 0, "output_tokens": 0}},
    ),
    "gemini": (
        google.answer(google.candidate(google.text(SAID), finish="STOP")),
        {"usageMetadata": {"promptTokenCount": 0, "candidatesTokenCount": 0}},
    ),
    "bedrock": (_CONVERSED, {"usage": {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}}),
}
_SPEAKS = {"anthropic": "messages", "vertex-anthropic": "messages", "gemini": "gemini", "vertex": "gemini"}
SPEAKS = {**_SPEAKS, "bedrock": "bedrock"}


@pytest.mark.parametrize(
    ("provider", "client"),
    sorted({(p, c) for p, c, _ in pairs()}),
)
@pytest.mark.parametrize("noughts", [False, True])
def test_of_a_whole_answer_as_well(provider: str, client: str, noughts: bool) -> None:
    """Its client is told what the ledger counts; the rest of the answer is as it would be."""
    wire = wires(PROVIDERS.load()[provider], "up")[client]
    answer, counts = WHOLE[SPEAKS.get(provider, "chat")]
    facts = wire.read(json.dumps({**answer, **(counts if noughts else {})}).encode(), {}, 1e9)
    assert facts.failure is None and facts.answer is not None and wire.finish is not None
    raw = json.dumps({"model": "m", **ASKED[client]}).encode()
    head = CLIENTS.load()[client].read(raw)
    assert isinstance(head, Head)
    gone = {"usage": facts.usage, "status": 200, "failure": None, "watch": None, "answer": facts.answer, "wire": wire}
    usage = usage_of(cast("Attempt", SimpleNamespace(**gone)), head, 1 / BYTES_PER_TOKEN)
    size = len(SAID) // BYTES_PER_TOKEN
    assert usage == Usage(round(head.text_bytes / BYTES_PER_TOKEN), usage.completion, estimated=True)
    assert size <= usage.completion <= size + 1
    row = DeploymentSpec("p/m", "p", "m", "up", "primary")
    finished = wire.finish(facts.answer, Body(client, raw, head), row, usage)
    assert told(b"data: " + finished) == (usage.prompt, usage.completion)
    bare, full = json.loads(facts.answer), json.loads(finished)
    assert {k: full[k] for k in bare if k != "usage"} | {"usage": 0} == {**bare, "usage": 0} or client in ECHOES
    # what was told is not touched
    assert told(b"data: " + wire.finish(facts.answer, Body(client, raw, head), row, Usage(1, 1))) == (0, 0)


@pytest.mark.parametrize("cut", [name for name in MESSAGES if name != "counted"])
def test_what_goes_on_as_it_came_is_flagged_as_well(cut: str) -> None:
    """The beginning tells the prompt, and one token of an answer that was not there yet."""
    wire = wires(PROVIDERS.load()["anthropic"], "up")["anthropic.messages"]
    assert wire.native and wire.watch is not None
    watch = wire.watch(1, False)
    watch.feed(MESSAGES[cut].stream)
    assert watch.end()[1] is None
    expected = None if MESSAGES[cut].prompt is None else Usage(20, 1, estimated=True)
    assert watch.usage == expected and watch.contents == len(WORDS)
