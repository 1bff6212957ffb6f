"""Gather a stream of Anthropic's Messages API into the message it stands for, unknown fields and all."""

from __future__ import annotations

import json
from typing import Any

import orjson

from lbd.shapes import loose, sse

_JOINED = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}


class MessagesFold:
    """See :class:`lbd.shapes.wire.Fold`."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {"type": "message", "role": "assistant"}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._arguments: dict[int, list[str]] = {}

    def feed(self, data: bytes) -> None:
        """Take forwarded bytes of the stream: whole events, in order."""
        for frame in sse.frames(data):
            if frame.data is not None:
                self._event(_loads(frame.data))

    def _event(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "message_start" and isinstance(event.get("message"), dict):
            self._message |= event["message"]
        elif kind == "content_block_start" and isinstance(event.get("content_block"), dict):
            self._blocks[_index(event)] = dict(event["content_block"])
        elif kind == "content_block_delta" and isinstance(event.get("delta"), dict):
            self._delta(_index(event), event["delta"])
        elif kind == "message_delta":
            delta = event.get("delta")
            self._message |= {k: v for k, v in (delta if isinstance(delta, dict) else {}).items() if v is not None}
            usage = event.get("usage")
            if isinstance(usage, dict):
                told = {k: v for k, v in usage.items() if v is not None}
                known = self._message.get("usage")
                self._message["usage"] = {**(known if isinstance(known, dict) else {}), **told}

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        kind = delta.get("type")
        field = _JOINED.get(str(kind))
        if field is not None:
            block[field] = f"{block.get(field) or ''}{delta.get(field) or ''}"
        elif kind == "input_json_delta":
            self._arguments.setdefault(index, []).append(str(delta.get("partial_json") or ""))
        elif kind == "citations_delta":
            known = block.get("citations")
            block["citations"] = [*(known if isinstance(known, list) else ()), delta.get("citation")]

    def result(self) -> bytes:
        """Return the message."""
        for index, pieces in self._arguments.items():
            block, text = self._blocks.get(index), "".join(pieces)
            if block is not None and text:
                block["input"] = _loads(text.encode("utf-8", "surrogatepass"))
        message = {**self._message, "content": [self._blocks[i] for i in sorted(self._blocks)]}
        message.setdefault("stop_reason", None)
        message.setdefault("stop_sequence", None)
        try:
            return orjson.dumps(message)
        except TypeError:  # halves of characters, or nested deeper than orjson writes
            return json.dumps(loose.sound(message), ensure_ascii=False, separators=(",", ":")).encode()


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


def _loads(data: bytes) -> Any:
    """Return JSON, halves of characters as they are; an empty object for what is none."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return loose.loads(data)
        except loose.UNREADABLE:
            return {}
