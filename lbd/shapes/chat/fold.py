"""Gather a chat-completion stream into the unary answer it stands for.

Used where a server runs abandoned unary work to its end (llama.cpp): lbd asks it for a stream, which a cut
stops at once, and answers the unary client from it. Equal in meaning to the server's own unary answer, not
in bytes. Fields this module does not know are kept: the last value of each wins. What the watch lets pass is
gathered whatever it is: a piece of a call or of logprobs that is malformed is left out, nothing is raised.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from lbd.shapes import loose, sse

# Delta fields that come in pieces (strings or lists) to be joined.
_PIECES = ("content", "reasoning_content", "reasoning", "reasoning_details", "refusal")


class ChatFold:
    """See :class:`lbd.shapes.wire.Fold`."""

    KIND = "chat.completion"

    def __init__(self) -> None:
        self._top: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    def feed(self, data: bytes) -> None:
        """Take forwarded bytes of the stream: whole events, in order."""
        for frame in sse.frames(data):
            if frame.data is None or frame.data.strip() == b"[DONE]":
                continue
            chunk = _loads(frame.data)
            for key, value in chunk.items():
                if key != "choices" and value is not None:
                    self._top[key] = value
            for choice in chunk.get("choices") or ():
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        out = self._choices.setdefault(index, {"index": index, "message": _message()})
        if isinstance(whole := choice.get("message"), dict):  # of a server that cannot stream
            out["message"] = _message()
            self._delta(out["message"], whole)
        self._delta(out["message"], choice.get("delta") or {})
        for key, value in choice.items():
            if key in ("index", "delta", "message") or value is None:
                continue
            if key != "logprobs":
                out[key] = value
            elif isinstance(value, dict):
                _logprobs(out.setdefault("logprobs", {}), value)

    def _delta(self, message: dict[str, Any], delta: dict[str, Any]) -> None:
        for key, value in delta.items():
            if value is None:
                continue
            if key in _PIECES:
                _join(message, key, value)
            elif key == "tool_calls":
                _tool_calls(message.setdefault("tool_calls", []), value)
            elif key != "function_call":
                message[key] = value
            elif isinstance(value, dict):
                _add(message.setdefault("function_call", {}), value, ("name", "arguments"))

    def result(self) -> bytes:
        """Return the unary body."""
        top = dict(self._top)
        top["object"] = self.KIND
        choices = []
        for index in sorted(self._choices):
            choice = self._choices[index]
            for call in choice.get("message", {}).get("tool_calls") or ():
                call.pop("index", None)
            choice.setdefault("finish_reason", None)
            choices.append(choice)
        usage = top.pop("usage", None)
        top["choices"] = choices
        if usage is not None:
            top["usage"] = usage
        return _dumps(top)


def _message() -> dict[str, Any]:
    return {"role": "assistant", "content": None}


def _loads(data: bytes) -> dict[str, Any]:
    try:
        chunk: dict[str, Any] = orjson.loads(data)
    except orjson.JSONDecodeError:
        chunk = loose.loads(data)  # half a character stays half, for the other one is in another event
    return chunk


def _dumps(answer: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(answer)
    except TypeError:  # halves of characters, or nested deeper than orjson writes
        return json.dumps(loose.sound(answer), ensure_ascii=False, separators=(",", ":")).encode()


def _join(into: dict[str, Any], key: str, piece: object) -> None:
    old = into.get(key)
    if isinstance(old, str) and isinstance(piece, str):
        into[key] = old + piece
    elif isinstance(old, list) and isinstance(piece, list):
        into[key] = [*old, *piece]
    else:
        into[key] = piece


def _logprobs(into: dict[str, Any], value: dict[str, Any]) -> None:
    for key, tokens in value.items():
        if isinstance(tokens, list):
            _join(into, key, tokens)
        else:
            into.setdefault(key, tokens)


def _add(into: dict[str, Any], value: dict[str, Any], pieces: tuple[str, ...]) -> None:
    """Add what one delta says of a call: ``pieces`` are joined, of others the last that is not empty wins.

    DashScope and DeepSeek repeat a call's id and name as empty strings.
    """
    for key, piece in value.items():
        if key in pieces and piece is not None:
            _join(into, key, piece)
        elif piece or (piece is not None and key not in into):
            into[key] = piece


def _tool_calls(into: list[dict[str, Any]], pieces: object) -> None:
    for piece in pieces if isinstance(pieces, list) else ():
        if not isinstance(piece, dict):
            continue
        index = piece.get("index")
        call = next((c for c in into if index is not None and c.get("index") == index), None)
        if call is None:
            call = {"index": len(into) if index is None else index}
            into.append(call)
        function = piece.pop("function", None)
        if isinstance(function, dict):
            _add(call.setdefault("function", {}), function, ("arguments",))
        piece.pop("index", None)
        _add(call, piece, ())
