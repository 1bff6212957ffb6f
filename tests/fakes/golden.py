"""Answers of every provider language as they should come, event by event.

A language is how a provider writes: several shapes share one. What each event tells is said beside it, so that a test
knows to the byte from where on an answer is whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Said, Thought, Used
from lbd.model.outcome import Usage
from lbd.shapes import bridge
from lbd.shapes.bedrock.hear import ConverseListener
from lbd.shapes.chat.hear import ChatListener
from lbd.shapes.gemini.hear import GeminiListener
from lbd.shapes.messages.hear import MessagesListener
from lbd.shapes.providers import Shape
from lbd.shapes.responses.speak import ResponsesSpeaker
from lbd.shapes.wire import Wire
from tests.unit.shapes import amazon, streams
from tests.unit.shapes.gemini import answers as google
from tests.unit.shapes.messages import transcripts as claude

MODEL = "m"
# what a deployment of every kind serves: so all pairs are there
SERVES = ("chat", "completions", "responses", "embeddings", "moderations", "images", "speech", "transcriptions")
LISTENERS: Mapping[object, str] = {
    ChatListener: "chat",
    MessagesListener: "messages",
    GeminiListener: "gemini",
    ConverseListener: "bedrock",
}
NATIVE = {
    "openai.chat": "chat",
    "openai.completions": "completions",
    "openai.responses": "responses",
    "anthropic.messages": "messages",
}


class Event(NamedTuple):
    """One event as it comes, and what it tells: ``finish``, ``usage``, ``end``, or that it is a ``delta`` of text."""

    raw: bytes
    tells: frozenset[str] = frozenset()


class Golden(NamedTuple):
    """One answer: its events, the same whole, and what any client must have of it."""

    events: tuple[Event, ...]
    whole: bytes
    text: str
    reason: Reason
    call: tuple[str, dict[str, Any]] | None = None
    thoughts: str = ""

    @property
    def stream(self) -> bytes:
        """Return all its bytes."""
        return b"".join(event.raw for event in self.events)

    def place(self, what: str) -> int:
        """Return the number of the first event that tells it."""
        return next(i for i, event in enumerate(self.events) if what in event.tells)


def with_ends(golden: Golden, eol: bytes) -> Golden:
    """Return the same answer with other line ends."""
    told = tuple(Event(e.raw.replace(b"\r\n", b"\n").replace(b"\n", eol), e.tells) for e in golden.events)
    return golden._replace(events=told)


class Ends(NamedTuple):
    """From which byte on a stream is whole: where the provider closes, and where the connection breaks."""

    closed: int
    broken: int
    event: int  # the number of the event that makes it so


def language(shape: Shape, client: str, wire: Wire) -> str:
    """Return what a provider writes on this wire."""
    if wire.native:
        return NATIVE[client]
    assert shape.dialect is not None
    return LISTENERS[shape.dialect.listen]


def pairs(shapes: Mapping[str, Shape]) -> dict[tuple[str, str], tuple[Shape, Wire]]:
    """Return every pair of client and provider that is served by streams."""
    out = {}
    for name, shape in shapes.items():
        for client, wire in bridge.wires(shape, MODEL, SERVES).items():
            if wire.watch is not None:
                out[client, name] = (shape, wire)
    return out


def event(raw: bytes, *tells: str) -> Event:
    """Return an event that tells this."""
    return Event(raw, frozenset(tells))


def ends(golden: Golden, tongue: str, client: str, *, native: bool, wants_usage: bool, folded: bool) -> Ends:
    """Return where an answer is whole.

    A translated stream is whole with its finish, an own one with what its client waits for last; one that is folded
    is shown to nobody yet, and lacks its usage still.
    """
    at = golden.place("finish")
    if native and tongue in ("chat", "completions") and wants_usage:
        at = golden.place("usage")
    elif folded and not native and wants_usage:
        at = max(at, golden.place("usage"))
    elif native and client == "openai.responses":
        at = golden.place("end")
    before = sum(len(e.raw) for e in golden.events[:at])
    raw = golden.events[at].raw
    told = len(raw) if tongue == "bedrock" else len(raw.rstrip(b"\r\n"))
    last = raw.endswith(b"\r\r")  # its line end may go on: only the next byte tells
    return Ends(before + told, before + len(raw) + last, at)


# --- OpenAI's family -------------------------------------------------------------------------------------

USAGE = Usage(20, 7, 16, 3)


def _chat_begin(name: str) -> bytes:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    return streams.chunk({"tool_calls": [call]})


_CHAT_END = (event(streams.USAGE_EVENT, "usage"), event(streams.DONE, "end"))


def chat_whole(message: dict[str, Any], finish: str) -> bytes:
    told = {"index": 0, "message": {"role": "assistant", **message}, "logprobs": None, "finish_reason": finish}
    head = {**streams.HEAD, "object": "chat.completion"}
    return json.dumps({**head, "choices": [told], "usage": streams.USAGE}).encode()


def _says(text: str) -> Event:
    return event(streams.says(text), "delta")


def _chat_call(name: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}]


GIVEN = {"city": "Köln", "n": 1}
CHAT = {
    "text": Golden(
        (
            event(streams.ROLE),
            _says("Hel"),
            _says("lo wörld 🌍"),
            event(streams.chunk(finish="stop"), "finish"),
            *_CHAT_END,
        ),
        chat_whole({"content": "Hello wörld 🌍"}, "stop"),
        "Hello wörld 🌍",
        Reason.STOP,
    ),
    "call": Golden(
        (
            event(streams.ROLE),
            _says("I look."),
            event(_chat_begin("f")),
            event(streams.calls(0, arguments='{"city":"K')),
            event(streams.calls(0, arguments='öln","n":1}')),
            event(streams.chunk(finish="tool_calls"), "finish"),
            *_CHAT_END,
        ),
        chat_whole({"content": "I look.", "tool_calls": _chat_call("f", GIVEN)}, "tool_calls"),
        "I look.",
        Reason.CALLS,
        ("f", GIVEN),
    ),
    "length": Golden(
        (
            event(streams.ROLE),
            event(streams.chunk({"reasoning_content": "Let me"})),
            event(streams.chunk({"reasoning_content": " see"})),
            _says("4"),
            event(streams.chunk(finish="length"), "finish"),
            *_CHAT_END,
        ),
        chat_whole({"content": "4", "reasoning_content": "Let me see"}, "length"),
        "4",
        Reason.LENGTH,
        None,
        "Let me see",
    ),
    "filter": Golden(
        (
            event(streams.ROLE),
            _says("How to"),
            event(streams.chunk(finish="content_filter"), "finish"),
            *_CHAT_END,
        ),
        chat_whole({"content": "How to"}, "content_filter"),
        "How to",
        Reason.FILTER,
    ),
}


def older(text: str, finish: str | None = None) -> bytes:
    head = {**streams.HEAD, "object": "text_completion"}
    return streams.event({**head, "choices": [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]})


def older_whole(text: str, finish: str) -> bytes:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    return json.dumps(
        {**streams.HEAD, "object": "text_completion", "choices": [choice], "usage": streams.USAGE}
    ).encode()


COMPLETIONS = {
    name: Golden(
        (
            event(older("Hel"), "delta"),
            event(older("lo wörld"), "delta"),
            event(older("", word), "finish"),
            *_CHAT_END,
        ),
        older_whole("Hello wörld", word),
        "Hello wörld",
        reason,
    )
    for name, word, reason in (("text", "stop", Reason.STOP), ("length", "length", Reason.LENGTH))
}


def _spoken(pieces: list[Piece], text: str, reason: Reason, **more: Any) -> Golden:
    """Return a response as lbd's own speaker writes it, whose every event the official SDK's types have checked."""
    speaker = ResponsesSpeaker(False)
    told = [speaker.say([piece]) for piece in [Begin("resp_1", "m-2025", 1753357673), *pieces]]
    told.append(speaker.end())
    raw = [part + b"\n\n" for part in b"".join(told).split(b"\n\n") if part]
    last = event(raw[-1], "finish", "usage", "end")
    body = json.dumps(json.loads(raw[-1].partition(b"data: ")[2])["response"]).encode()
    rest = [event(r, *(("delta",) if b"output_text.delta" in r else ())) for r in raw[:-1]]
    return Golden((*rest, last), body, text, reason, **more)


RESPONSES = {
    "text": _spoken(
        [Said("Hel"), Said("lo wörld 🌍"), Finished(Reason.STOP), Used(USAGE)], "Hello wörld 🌍", Reason.STOP
    ),
    "call": _spoken(
        [
            Said("I look."),
            Calling(0, "call_1", "f"),
            Argued(0, '{"city":"K'),
            Argued(0, 'öln","n":1}'),
            Finished(Reason.CALLS),
            Used(USAGE),
        ],
        "I look.",
        Reason.CALLS,
        call=("f", GIVEN),
    ),
    "length": _spoken(
        [Thought("Let me"), Thought(" see"), Said("4"), Finished(Reason.LENGTH), Used(USAGE)],
        "4",
        Reason.LENGTH,
        thoughts="Let me see",
    ),
    "filter": _spoken([Said("How to"), Finished(Reason.FILTER), Used(USAGE)], "How to", Reason.FILTER),
}

# --- Anthropic -------------------------------------------------------------------------------------------

_BEGIN = event(claude.START, "usage")


def _finished(reason: str) -> tuple[Event, Event]:
    return event(claude.finish(reason), "finish"), event(claude.STOP, "end")


def _block(index: int, *said: str) -> list[Event]:
    deltas = [event(claude.delta(index, "text_delta", text=text), "delta") for text in said]
    return [event(claude.start(index, type="text", text="")), *deltas, event(claude.stop(index))]


def _message(*content: dict[str, Any], reason: str) -> bytes:
    return json.dumps(claude.message(*content, reason=reason)).encode()


_THOUGHT = {"type": "thinking", "thinking": "Let me see", "signature": claude.SIGNATURE}
MESSAGES = {
    "text": Golden(
        (_BEGIN, event(claude.PING), *_block(0, "Hel", "lo wörld 🌍"), *_finished("end_turn")),
        _message(claude.words("Hello wörld 🌍"), reason="end_turn"),
        "Hello wörld 🌍",
        Reason.STOP,
    ),
    "call": Golden(
        (
            _BEGIN,
            *_block(0, "I look."),
            event(claude.start(1, type="tool_use", id="toolu_1", name="f", input={})),
            event(claude.delta(1, "input_json_delta", partial_json='{"city":"K')),
            event(claude.delta(1, "input_json_delta", partial_json='öln","n":1}')),
            event(claude.stop(1)),
            *_finished("tool_use"),
        ),
        _message(claude.words("I look."), claude.call("f", **GIVEN), reason="tool_use"),
        "I look.",
        Reason.CALLS,
        ("f", GIVEN),
    ),
    "length": Golden(
        (
            _BEGIN,
            event(claude.start(0, type="thinking", thinking="", signature="")),
            event(claude.delta(0, "thinking_delta", thinking="Let me")),
            event(claude.delta(0, "thinking_delta", thinking=" see")),
            event(claude.delta(0, "signature_delta", signature=claude.SIGNATURE)),
            event(claude.stop(0)),
            *_block(1, "4"),
            *_finished("max_tokens"),
        ),
        _message(_THOUGHT, claude.words("4"), reason="max_tokens"),
        "4",
        Reason.LENGTH,
        None,
        "Let me see",
    ),
    "filter": Golden(
        (_BEGIN, *_block(0, "How to"), *_finished("refusal")),
        _message(claude.words("How to"), reason="refusal"),
        "How to",
        Reason.FILTER,
    ),
}

# --- Google ----------------------------------------------------------------------------------------------


def part(*parts: dict[str, Any], tells: tuple[str, ...] = (), finish: str | None = None) -> Event:
    counts = google.FIRST if finish is None else google.USAGE
    told = google.answer(google.candidate(*parts, finish=finish), usageMetadata=counts)
    return event(google.event(told), *tells)


def _candidate(*parts: dict[str, Any], finish: str) -> bytes:
    return google.whole(google.candidate(*parts, finish=finish), usageMetadata=google.USAGE)


_SAID, _LAST = ("delta", "usage"), ("finish", "usage", "end")
GEMINI = {
    "text": Golden(
        (
            part(google.text("Hel"), tells=_SAID),
            part(google.text("lo wörld 🌍"), tells=_SAID),
            part(google.text(""), tells=_LAST, finish="STOP"),
        ),
        _candidate(google.text("Hello wörld 🌍"), finish="STOP"),
        "Hello wörld 🌍",
        Reason.STOP,
    ),
    "call": Golden(
        (
            part(google.text("I look."), tells=_SAID),
            part(google.call("f", GIVEN, "c1"), tells=("usage",)),
            part(tells=_LAST, finish="STOP"),
        ),
        _candidate(google.text("I look."), google.call("f", GIVEN, "c1"), finish="STOP"),
        "I look.",
        Reason.CALLS,
        ("f", GIVEN),
    ),
    "length": Golden(
        (
            part(google.thought("Let me"), tells=("usage",)),
            part(google.thought(" see"), tells=("usage",)),
            part(google.text("4"), tells=_SAID),
            part(google.text(""), tells=_LAST, finish="MAX_TOKENS"),
        ),
        _candidate(google.thought("Let me see"), google.text("4"), finish="MAX_TOKENS"),
        "4",
        Reason.LENGTH,
        None,
        "Let me see",
    ),
    "filter": Golden(
        (part(google.text("How to"), tells=_SAID), part(tells=_LAST, finish="SAFETY")),
        _candidate(google.text("How to"), finish="SAFETY"),
        "How to",
        Reason.FILTER,
    ),
}

# --- Amazon ----------------------------------------------------------------------------------------------

_METADATA = event(amazon.METADATA, "usage", "end")


def _text(index: int, *said: str) -> list[Event]:
    return [*(event(amazon.delta(index, text=text), "delta") for text in said), event(amazon.stop(index))]


def converse(*content: dict[str, Any], reason: str) -> bytes:
    message = {"role": "assistant", "content": list(content)}
    told = {"output": {"message": message}, "stopReason": reason, "usage": amazon.USAGE, "metrics": {"latencyMs": 9}}
    return json.dumps(told).encode()


BEDROCK = {
    "text": Golden(
        (
            event(amazon.BEGIN),
            *_text(0, "Hel", "lo wörld 🌍"),
            event(amazon.ended("end_turn"), "finish"),
            _METADATA,
        ),
        converse({"text": "Hello wörld 🌍"}, reason="end_turn"),
        "Hello wörld 🌍",
        Reason.STOP,
    ),
    "call": Golden(
        (
            event(amazon.BEGIN),
            *_text(0, "I look."),
            event(amazon.start(1, toolUse={"toolUseId": "t1", "name": "f"})),
            event(amazon.delta(1, toolUse={"input": '{"city":"K'})),
            event(amazon.delta(1, toolUse={"input": 'öln","n":1}'})),
            event(amazon.stop(1)),
            event(amazon.ended("tool_use"), "finish"),
            _METADATA,
        ),
        converse({"text": "I look."}, {"toolUse": {"toolUseId": "t1", "name": "f", "input": GIVEN}}, reason="tool_use"),
        "I look.",
        Reason.CALLS,
        ("f", GIVEN),
    ),
    "length": Golden(
        (
            event(amazon.BEGIN),
            event(amazon.delta(0, reasoningContent={"text": "Let me"})),
            event(amazon.delta(0, reasoningContent={"text": " see"})),
            event(amazon.delta(0, reasoningContent={"signature": claude.SIGNATURE})),
            event(amazon.stop(0)),
            *_text(1, "4"),
            event(amazon.ended("max_tokens"), "finish"),
            _METADATA,
        ),
        converse(
            {"reasoningContent": {"reasoningText": {"text": "Let me see", "signature": claude.SIGNATURE}}},
            {"text": "4"},
            reason="max_tokens",
        ),
        "4",
        Reason.LENGTH,
        None,
        "Let me see",
    ),
    "filter": Golden(
        (event(amazon.BEGIN), *_text(0, "How to"), event(amazon.ended("guardrail_intervened"), "finish"), _METADATA),
        converse({"text": "How to"}, reason="guardrail_intervened"),
        "How to",
        Reason.FILTER,
    ),
}

GOLDENS: Mapping[str, Mapping[str, Golden]] = {
    "chat": CHAT,
    "completions": COMPLETIONS,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "gemini": GEMINI,
    "bedrock": BEDROCK,
}


def of(tongue: str, client: str) -> Mapping[str, Golden]:
    """Return the answers of a language that a client can be given: older text completions hold no calls."""
    found = GOLDENS[tongue]
    return {n: g for n, g in found.items() if g.call is None} if client == "openai.completions" else found
