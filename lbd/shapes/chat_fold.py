"""Gather a chat-completion stream into the unary answer it stands for.

Used where a server runs abandoned unary work to its end (llama.cpp): lbd asks it for a stream, which a cut
stops at once, and answers the unary client from it. Equal in meaning to the server's own unary answer, not
in bytes. Fields this module does not know are kept: the last value of each wins.
"""

from __future__ import annotations

from typing import Any

import orjson

from lbd.shapes import sse

# Delta fields whose pieces are strings to be joined.
_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")


class ChatFold:
    """See :class:`lbd.shapes.providers.Fold`."""

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def feed(self, data: bytes) -> None:
        """Take forwarded bytes of the stream: whole events, in order."""
        for frame in sse.frames(data):
            if frame.data is None or frame.data == b"[DONE]":
                continue
            chunk = orjson.loads(frame.data)
            for key, value in chunk.items():
                if key != "choices" and value is not None:
                    self._top[key] = value
            for choice in chunk.get("choices") or ():
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        out = self._choices.setdefault(index, {"index": index, "message": {"role": "assistant", "content": None}})
        self._delta(out["message"], choice.get("delta") or {})
        for key, value in choice.items():
            if key in ("index", "delta") or value is None:
                continue
            if key == "logprobs":
                _logprobs(out.setdefault("logprobs", {}), value)
            else:
                out[key] = value

    def _delta(self, message: dict[str, Any], delta: dict[str, Any]) -> None:
        for key, value in delta.items():
            if value is None:
                continue
            if key in _TEXTS and isinstance(value, str):
                message[key] = (message.get(key) or "") + value
            elif key == "tool_calls":
                _tool_calls(message.setdefault("tool_calls", []), value)
            elif key == "function_call":
                _append_strings(message.setdefault("function_call", {}), value, ("name", "arguments"))
            else:
                message[key] = value

    def result(self) -> bytes:
        """Return the unary body."""
        top = dict(self._top)
        top["object"] = "chat.completion"
        choices = []
        for index in sorted(self._choices):
            choice = self._choices[index]
            for call in choice["message"].get("tool_calls") or ():
                call.pop("index", None)
            choice.setdefault("finish_reason", None)
            choices.append(choice)
        usage = top.pop("usage", None)
        top["choices"] = choices
        if usage is not None:
            top["usage"] = usage
        return orjson.dumps(top)


def _logprobs(into: dict[str, Any], value: dict[str, Any]) -> None:
    for key, tokens in value.items():
        if isinstance(tokens, list):
            into[key] = [*(into.get(key) or []), *tokens]
        else:
            into.setdefault(key, tokens)


def _append_strings(into: dict[str, Any], value: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key, piece in value.items():
        if key in keys and isinstance(piece, str):
            into[key] = into.get(key, "") + piece
        elif piece is not None:
            into[key] = piece


def _tool_calls(into: list[dict[str, Any]], pieces: list[dict[str, Any]]) -> None:
    for piece in pieces:
        index = piece.get("index")
        call = next((c for c in into if index is not None and c.get("index") == index), None)
        if call is None:
            call = {"index": len(into) if index is None else index}
            into.append(call)
        for key, value in piece.items():
            if value is None:
                continue
            if key == "function":
                _append_strings(call.setdefault("function", {}), value, ("arguments",))
            elif key != "index":
                call[key] = value
