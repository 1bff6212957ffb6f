"""Streams of Anthropic's Messages API, shortened, with the unary answers that they stand for."""

from __future__ import annotations

import json
from typing import Any

SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk="


def event(kind: str, **more: Any) -> bytes:
    """Return one event."""
    data = json.dumps({"type": kind, **more}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\n\n".encode()


def start(index: int, **block: Any) -> bytes:
    """Return the event that begins a block."""
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **more: Any) -> bytes:
    """Return the event with a piece of a block."""
    return event("content_block_delta", index=index, delta={"type": kind, **more})


def stop(index: int) -> bytes:
    """Return the event that ends a block."""
    return event("content_block_stop", index=index)


def text(index: int, *pieces: str) -> bytes:
    """Return a whole block of text."""
    said = [delta(index, "text_delta", text=piece) for piece in pieces]
    return b"".join([start(index, type="text", text=""), *said, stop(index)])


def tool(index: int, name: str, *pieces: str) -> bytes:
    """Return a whole call."""
    said = [delta(index, "input_json_delta", partial_json=piece) for piece in ("", *pieces)]
    block = start(index, type="tool_use", id=f"toolu_{name}", name=name, input={})
    return b"".join([block, *said, stop(index)])


def finish(reason: str = "end_turn", sequence: str | None = None, **usage: Any) -> bytes:
    """Return the event that ends a message."""
    return event(
        "message_delta", delta={"stop_reason": reason, "stop_sequence": sequence}, usage={"output_tokens": 7, **usage}
    )


HEAD: dict[str, Any] = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {
        "input_tokens": 4,
        "cache_creation_input_tokens": 6,
        "cache_read_input_tokens": 10,
        "output_tokens": 1,
        "service_tier": "standard",
    },
}
START = event("message_start", message=HEAD)
PING = event("ping")
STOP = event("message_stop")
ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
THINKING = b"".join(
    [
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Let me "),
        delta(0, "thinking_delta", thinking="see."),
        delta(0, "signature_delta", signature=SIGNATURE),
        stop(0),
    ]
)
CITATION = {"type": "char_location", "cited_text": "a", "document_index": 0, "document_title": "d"}
CITATION |= {"start_char_index": 0, "end_char_index": 1}

TRANSCRIPTS: dict[str, bytes] = {
    "text": b"".join([START, PING, text(0, "Hello", " wörld 🌍"), finish(), STOP]),
    "thinking": b"".join([START, THINKING, text(1, "42"), finish(), STOP]),
    "redacted": b"".join(
        [START, start(0, type="redacted_thinking", data="EmwKAhgB"), stop(0), text(1, "ok"), finish(), STOP]
    ),
    "two calls": b"".join(
        [
            START,
            text(0, "I look."),
            PING,
            tool(1, "f", '{"a":', ' "x\\n"}'),
            tool(2, "g", '{"b": [1, 2.5]}'),
            finish("tool_use"),
            STOP,
        ]
    ),
    "call of nothing": b"".join([START, tool(0, "now"), finish("tool_use"), STOP]),
    "citations": b"".join(
        [
            START,
            start(0, type="text", text="", citations=[]),
            delta(0, "citations_delta", citation=CITATION),
            delta(0, "text_delta", text="cited"),
            stop(0),
            finish(),
            STOP,
        ]
    ),
    "stop sequence": b"".join([START, text(0, "one,"), finish("stop_sequence", "two"), STOP]),
    "max tokens": b"".join([START, text(0, "and then"), finish("max_tokens"), STOP]),
    "refusal": b"".join([START, text(0, "I"), finish("refusal"), STOP]),
    "pause": b"".join([START, text(0, "wait"), finish("pause_turn"), STOP]),
    "counts at the end": b"".join(
        [
            START,
            text(0, "n"),
            finish(input_tokens=5, cache_read_input_tokens=11, output_tokens_details={"thinking_tokens": 3}),
            STOP,
        ]
    ),
    "later events": b"".join([START, event("new_kind", x=1), text(0, "v2"), finish(), STOP]),
}
TRANSCRIPTS["CRLF"] = TRANSCRIPTS["text"].replace(b"\n", b"\r\n")
TRANSCRIPTS["no event lines"] = b"".join(
    line + b"\n" for line in TRANSCRIPTS["two calls"].splitlines() if not line.startswith(b"event:")
)


def message(*content: dict[str, Any], reason: str = "end_turn", sequence: str | None = None, **usage: Any) -> Any:
    """Return a unary answer."""
    counts = {**HEAD["usage"], "output_tokens": 7, **usage}
    return {**HEAD, "content": list(content), "stop_reason": reason, "stop_sequence": sequence, "usage": counts}


def words(said: str, **more: Any) -> dict[str, Any]:
    """Return a block of text."""
    return {"type": "text", "text": said, **more}


def call(name: str, **given: Any) -> dict[str, Any]:
    """Return a block that calls a tool."""
    return {"type": "tool_use", "id": f"toolu_{name}", "name": name, "input": given}


THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": SIGNATURE}
TWO_CALLS = message(words("I look."), call("f", a="x\n"), call("g", b=[1, 2.5]), reason="tool_use")
# What each stream stands for.
UNARY: dict[str, Any] = {
    "text": message(words("Hello wörld 🌍")),
    "thinking": message(THOUGHT, words("42")),
    "redacted": message({"type": "redacted_thinking", "data": "EmwKAhgB"}, words("ok")),
    "two calls": TWO_CALLS,
    "call of nothing": message(call("now"), reason="tool_use"),
    "citations": message(words("cited", citations=[CITATION])),
    "stop sequence": message(words("one,"), reason="stop_sequence", sequence="two"),
    "max tokens": message(words("and then"), reason="max_tokens"),
    "refusal": message(words("I"), reason="refusal"),
    "pause": message(words("wait"), reason="pause_turn"),
    "counts at the end": message(
        words("n"), input_tokens=5, cache_read_input_tokens=11, output_tokens_details={"thinking_tokens": 3}
    ),
    "later events": message(words("v2")),
    "CRLF": message(words("Hello wörld 🌍")),
    "no event lines": TWO_CALLS,
}
# Those that end before they are whole, or in an error: the word of the failure.
ENDED: dict[str, tuple[bytes, str]] = {
    "error at once": (START + ERROR, "overloaded"),
    "error before the start": (ERROR, "overloaded"),
    "error in the text": (START + text(0, "Hel") + ERROR, "overloaded"),
    "cut in the text": (START + start(0, type="text", text="") + delta(0, "text_delta", text="Hel"), "broken_stream"),
    "cut in an event": (TRANSCRIPTS["text"][:-120], "broken_stream"),
    "nothing": (b"", "broken_stream"),
    "an end without a reason": (START + text(0, "Hel") + STOP, "broken_stream"),
    "no content": (START + STOP, "bad_body"),
    "no event": (START + text(0, "a") + b"data: {\n\n", "bad_body"),
}
