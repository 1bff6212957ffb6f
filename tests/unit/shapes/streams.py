"""What the tests of wire formats share: an event-stream parser to compare with, transcripts, and cuts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from lbd.model.failure import Failure
from lbd.shapes.wire import Watch

DONE = b"data: [DONE]\n\n"


def spec_events(stream: bytes) -> list[tuple[str, str]]:
    """Read a stream as WHATWG HTML 9.2.6 says, line by line: (type, data) of each event that is dispatched."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    events: list[tuple[str, str]] = []
    kind, data = "", ""
    # str.splitlines knows more line ends than the standard does
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    for line in lines:
        if not line:
            if data:
                events.append((kind, data[:-1]))
            kind, data = "", ""
            continue
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ") if colon else ""
        if name == "data":
            data += value + "\n"
        elif name == "event":
            kind = value
    return events


def cuts(stream: bytes) -> st.SearchStrategy[list[bytes]]:
    """Return ways to cut a stream into pieces, some of them a byte long."""
    places = st.lists(st.integers(0, len(stream)), max_size=12)
    return places.map(lambda at: pieces(stream, at))


def pieces(stream: bytes, at: Iterable[int]) -> list[bytes]:
    """Cut a stream at these places; empty pieces are left out, as no read brings one."""
    places = [0, *sorted(at), len(stream)]
    return [stream[a:b] for a, b in pairwise(places) if a < b]


def event(payload: Any) -> bytes:
    """Return one event with this JSON."""
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    """Return one chat chunk with one choice, as an event."""
    choice = {"index": index, "delta": delta or {}, "logprobs": None, "finish_reason": finish}
    return event({**HEAD, "choices": [choice], **more})


def says(text: str, index: int = 0, **more: Any) -> bytes:
    """Return a chunk of text."""
    return chunk({"content": text}, index=index, **more)


HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1753357673, "model": "m-2025"}
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 7,
    "total_tokens": 27,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
ROLE = chunk({"role": "assistant", "content": "", "refusal": None})
USAGE_EVENT = event({**HEAD, "choices": [], "usage": USAGE})


def calls(index: int, **function: Any) -> bytes:
    """Return a chunk with a piece of a tool call."""
    return chunk({"tool_calls": [{"index": index, "function": function}]})


# Transcripts, shortened: each is a whole answer of one choice, or of two where the name says so.
OPENAI = b"".join(
    [ROLE, says("Hello", usage=None), says(" wörld 🌍", usage=None), chunk(finish="stop"), USAGE_EVENT, DONE]
)
NO_USAGE = b"".join([ROLE, says("Hi"), says(" there"), chunk(finish="length"), DONE])
AZURE = b"".join(
    [
        event({**HEAD, "id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        ROLE,
        chunk({"content": "Ja"}, content_filter_results={}),
        chunk(finish="stop"),
        DONE,
    ]
)
OPENROUTER = b"".join(
    [
        b": OPENROUTER PROCESSING\n\n" * 3,
        chunk({"role": "assistant", "content": "", "reasoning": "Let me"}, provider="X"),
        b": OPENROUTER PROCESSING\n\n",
        chunk({"content": "", "reasoning": " see", "reasoning_details": [{"type": "reasoning.text", "text": " see"}]}),
        says("42"),
        chunk({"content": ""}, finish="stop", usage=USAGE),
        DONE,
    ]
)
VLLM_TOOLS = b"".join(
    [
        ROLE,
        chunk({"reasoning_content": "The user wants"}),
        chunk(
            {
                "tool_calls": [
                    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
                ]
            }
        ),
        calls(0, arguments='{"a":'),
        calls(0, arguments=' "x\\n"}'),
        chunk(
            {
                "tool_calls": [
                    {"index": 1, "id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}}
                ]
            }
        ),
        chunk(finish="tool_calls"),
        USAGE_EVENT,
        DONE,
    ]
)
SIDE_BY_SIDE = b"".join(
    [
        ROLE,
        *(
            chunk({"tool_calls": [{"index": i, "id": f"call_{i}", "type": "function", "function": function}]})
            for i, function in enumerate(({"name": "f", "arguments": ""}, {"name": "g"}))
        ),
        calls(1, arguments='{"b":'),
        calls(0, arguments='{"a": 1'),
        calls(1, arguments=" 2}"),
        calls(0, arguments="}"),
        chunk(finish="tool_calls"),
        USAGE_EVENT,
        DONE,
    ]
)
LLAMACPP = b"".join(
    [
        ROLE,
        says("a"),
        says("b"),
        says("c"),
        chunk(finish="stop", timings={"predicted_n": 3, "predicted_per_second": 81.6}),
        DONE,
    ]
)
REFUSAL = b"".join([ROLE, chunk({"refusal": "I can"}), chunk({"refusal": "not."}), chunk(finish="stop"), DONE])
TWO = b"".join(
    [
        chunk({"role": "assistant", "content": ""}, index=0),
        chunk({"role": "assistant", "content": ""}, index=1),
        says("one", 0),
        says("uno", 1),
        says("!", 0),
        chunk(finish="stop", index=1),
        says("!", 0),
        chunk(finish="stop", index=0),
        USAGE_EVENT,
        DONE,
    ]
)
MULTI_LINE = (
    b"\xef\xbb\xbf"
    + ROLE
    + b'event: x\nid: 7\ndata: {"choices":[{"index":0,\ndata: "delta":{"content":"two lines"}}]}\n\n'
)
MULTI_LINE += chunk(finish="stop") + DONE

TRANSCRIPTS: dict[str, bytes] = {
    "openai": OPENAI,
    "no usage": NO_USAGE,
    "azure": AZURE,
    "openrouter": OPENROUTER,
    "vllm tools": VLLM_TOOLS,
    "calls side by side": SIDE_BY_SIDE,
    "llama.cpp": LLAMACPP,
    "refusal": REFUSAL,
    "two choices": TWO,
    "multi-line": MULTI_LINE,
    "CRLF": OPENAI.replace(b"\n", b"\r\n"),
    "CR": OPENAI.replace(b"\n", b"\r"),
    "no space": OPENAI.replace(b"data: ", b"data:"),
}


def choices_of(name: str) -> int:
    """Return how many choices a transcript has."""
    return 2 if name == "two choices" else 1


def run(watch: Watch, parts: Sequence[bytes]) -> tuple[bytes, Failure | None]:
    """Feed a whole stream and close it: all that would be forwarded, and the failure it ended in."""
    out = b"".join([watch.feed(part) for part in parts])
    more, failure = watch.end()
    return out + more, failure


def content(stream: bytes) -> dict[tuple[int, str], str]:
    """Return what an answer stream says: the joined pieces of each text, by choice and field."""
    said: dict[tuple[int, str], str] = {}
    for _, data in spec_events(stream):
        if data == "[DONE]":
            continue
        for choice in json.loads(data).get("choices") or ():
            index = choice.get("index", 0)
            delta = choice.get("delta") or {}
            found = {field: delta.get(field) for field in ("content", "reasoning", "reasoning_content", "refusal")}
            for call in delta.get("tool_calls") or ():
                found[f"call {call['index']}"] = call["function"].get("arguments")
            for field, text in found.items():
                if text:
                    said[index, field] = said.get((index, field), "") + text
    return said
