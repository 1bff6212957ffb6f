"""The answer that a request gets, as a function of its number alone, and as OpenAI and Anthropic put it on the wire.

Every delta tells its own place and whose answer it is, so that what was lost, said twice, swapped or glued from two
answers shows in the text. Some deltas hold what trips careless readers: blank lines, ``data:``, an end mark, quotes,
letters of one to four bytes, a lone CR. Some answers are calls of a tool.
"""

from __future__ import annotations

import json
from functools import cached_property
from random import Random
from typing import Any, NamedTuple

TRAPS = (
    "\n\n", "data: [DONE]\n\n", '{"error": {"message": "no"}}', "\r\n", "\r", "ä€𝄞", '"\\"', "event: error\n", "\u2028",
)  # fmt: skip
WORDS = ("amber", "basalt", "cobalt", "dune", "ember", "fjord", "grove", "harbour", "islet", "juniper")
FINISHES = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
TOOL = "look_up"


class Said(NamedTuple):
    """What an answer says, whatever its shape. ``finish`` in OpenAI's words; ``usage``: tokens in and out."""

    text: str
    tool: str  # the arguments of the call
    finish: str | None
    usage: tuple[int, int] | None


class Answer:
    """See the module. ``run`` tells one rendering from another: its id, as every run at a provider has its own."""

    def __init__(self, nonce: int, run: str = "0") -> None:
        self.nonce = nonce
        self.run = run
        draw = Random(nonce)
        self.calls = nonce % 8 == 3
        self.finish = "tool_calls" if self.calls else "length" if nonce % 5 == 0 else "stop"
        count = draw.randint(5, 30)
        self.usage = (10 + nonce % 50, count)
        self.deltas = [f"{draw.choice(WORDS)} {nonce}.{i} {self._trap(draw)}" for i in range(count)]
        if self.calls:
            self.deltas = json.dumps({"key": "".join(self.deltas)}).split(" ")
            self.deltas = [word + " " for word in self.deltas[:-1]] + self.deltas[-1:]

    @staticmethod
    def _trap(draw: Random) -> str:
        return draw.choice(TRAPS) if draw.random() < 0.2 else ""

    @cached_property
    def said(self) -> Said:
        """Return what it says."""
        whole = "".join(self.deltas)
        return Said("" if self.calls else whole, whole if self.calls else "", self.finish, self.usage)

    # --- OpenAI ------------------------------------------------------------------------------------------

    @property
    def counted(self) -> dict[str, int]:
        """Return the usage in OpenAI's words."""
        return {"prompt_tokens": self.usage[0], "completion_tokens": self.usage[1], "total_tokens": sum(self.usage)}

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        """Return one event of OpenAI's stream."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self._event({"choices": [choice]})

    def _event(self, more: dict[str, Any]) -> bytes:
        base = {"id": f"chatcmpl-{self.run}", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}
        return b"data: " + json.dumps({**base, **more}, ensure_ascii=bool(self.nonce % 2)).encode() + b"\n\n"

    def openai_events(self, *, usage: bool) -> list[bytes]:
        """Return the events of the stream: the role, the deltas, the finish, the usage if asked for, the end mark."""
        out = [self.chunk({"role": "assistant", "content": None if self.calls else ""})]
        for i, piece in enumerate(self.deltas):
            if not self.calls:
                out.append(self.chunk({"content": piece}))
                continue
            call: dict[str, Any] = {"index": 0, "function": {"arguments": piece}}
            if not i:
                call |= {"id": f"call_{self.nonce}", "type": "function"}
                call["function"]["name"] = TOOL
            out.append(self.chunk({"tool_calls": [call]}))
        out.append(self.chunk({}, self.finish))
        if usage:
            out.append(self._event({"choices": [], "usage": self.counted}))
        return [*out, b"data: [DONE]\n\n"]

    def openai_unary(self) -> dict[str, Any]:
        """Return the whole answer."""
        message: dict[str, Any] = {"role": "assistant", "content": None if self.calls else self.said.text}
        if self.calls:
            function = {"name": TOOL, "arguments": self.said.tool}
            message["tool_calls"] = [{"id": f"call_{self.nonce}", "type": "function", "function": function}]
        return {
            "id": f"chatcmpl-{self.run}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
            "usage": self.counted,
        }

    # --- Anthropic ---------------------------------------------------------------------------------------

    def anthropic_events(self) -> list[bytes]:
        """Return the events of the stream."""
        head = self.anthropic_unary() | {"content": [], "stop_reason": None}
        head["usage"] = {"input_tokens": self.usage[0], "output_tokens": 1}
        block = self.anthropic_unary()["content"][0] | ({"input": {}} if self.calls else {"text": ""})
        kind, field = ("input_json_delta", "partial_json") if self.calls else ("text_delta", "text")
        out: list[dict[str, Any]] = [
            {"type": "message_start", "message": head},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "ping"},
            *({"type": "content_block_delta", "index": 0, "delta": {"type": kind, field: d}} for d in self.deltas),
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": FINISHES[self.finish], "stop_sequence": None},
                "usage": {"output_tokens": self.usage[1]},
            },
            {"type": "message_stop"},
        ]
        return [b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in out]

    def anthropic_unary(self) -> dict[str, Any]:
        """Return the whole answer."""
        block: dict[str, Any] = {"type": "text", "text": self.said.text}
        if self.calls:
            told = json.loads(self.said.tool)
            block = {"type": "tool_use", "id": f"call_{self.nonce}", "name": TOOL, "input": told}
        return {
            "id": f"msg_{self.run}",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [block],
            "stop_reason": FINISHES[self.finish],
            "stop_sequence": None,
            "usage": {"input_tokens": self.usage[0], "output_tokens": self.usage[1]},
        }

    # --- both --------------------------------------------------------------------------------------------

    def unary(self, shape: str) -> dict[str, Any]:
        """Return the whole answer in this shape."""
        return self.anthropic_unary() if shape == "anthropic" else self.openai_unary()


def asks_usage(nonce: int, shape: str) -> bool:
    """Tell whether a client's stream is to tell the usage, in the shapes where that is asked for."""
    return shape in ("openai", "completions") and nonce % 4 < 2


def asked(nonce: int, shape: str, *, stream: bool) -> bytes:
    """Return the request of a client of this shape."""
    text = f"Say what belongs to nonce={nonce}."
    body: dict[str, Any] = {"model": "m", "stream": stream}
    function = {"name": TOOL, "parameters": {"type": "object", "properties": {"key": {"type": "string"}}}}
    tool: dict[str, Any] = {"type": "function", "function": function}
    match shape:
        case "responses":
            body |= {"input": text, "max_output_tokens": 64, "store": False}
            tool = {"type": "function", **function}
        case "completions":
            body |= {"prompt": text, "max_tokens": 64}
        case _:
            body |= {"messages": [{"role": "user", "content": text}], "max_tokens": 64}
    if shape == "anthropic":
        tool = {"name": TOOL, "input_schema": function["parameters"]}
    if stream and asks_usage(nonce, shape):
        body["stream_options"] = {"include_usage": True}
    if Answer(nonce).calls:
        body["tools"] = [tool]
    return json.dumps(body, separators=(",", ":")).encode()
