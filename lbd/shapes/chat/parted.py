"""Answers whose content is a list of parts, told as OpenAI's clients read them: a text, and the thoughts beside it.

Mistral's models write so when they think. OpenAI's clients add the content of one event to that of the next, and fail
at a list.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec.structs import replace

from lbd.model.failure import Failure
from lbd.model.units import WallTime
from lbd.shapes import loose, sse
from lbd.shapes.chat import passing
from lbd.shapes.chat.stream import ChatWatch
from lbd.shapes.wire import Facts

_LISTED = re.compile(rb'"content"\s*:\s*\[')


def flat(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message, or a delta of one, whose content is a list with its text and its thoughts as such."""
    parts = [p for p in loose.items(message.get("content")) if isinstance(p, dict)]
    texts = [loose.string(p.get("text")) for p in parts if p.get("type") != "thinking"]
    thoughts = "".join(_thought(p.get("thinking")) for p in parts if p.get("type") == "thinking")
    out = {name: value for name, value in message.items() if name != "content"}
    if texts:
        out["content"] = "".join(texts)
    return {**out, "reasoning_content": thoughts} if thoughts else out


def _thought(told: object) -> str:
    if isinstance(told, str):
        return told
    return "".join(loose.string(loose.members(part).get("text")) for part in loose.items(told))


def _flattened(payload: bytes) -> bytes:
    """Return an event's data, or a whole answer, with flat messages; as it came where it cannot be read."""
    try:
        told: Any = loose.value(payload)
        for choice in loose.items(loose.members(told).get("choices")):
            for name in ("delta", "message"):
                message = loose.members(choice).get(name)
                if isinstance(message, dict) and isinstance(message.get("content"), list):
                    choice[name] = flat(message) if name == "delta" else {"content": None, **flat(message)}
        return loose.written(told)
    except (*loose.UNREADABLE, TypeError):
        return payload


def facts(body: bytes, wall: WallTime = 0.0) -> Facts:
    """Read a whole answer."""
    found = passing.facts(body, wall)
    if found.failure is not None or _LISTED.search(body) is None:
        return found
    return replace(found, answer=_flattened(body.removeprefix(loose.BOM)))


class PartedWatch(ChatWatch):
    """See :class:`lbd.shapes.wire.Watch`: an event with parts goes on as one without; all others as they came."""

    __slots__ = ("_cutter",)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._cutter = sse.Framer()

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return those to forward."""
        block = self._cutter.feed(data)
        if len(self._cutter.tail) > sse.LARGEST_EVENT:
            block += self._cutter.rest()  # which is too much for anybody
        return super().feed(_events(block))

    def end(self) -> tuple[bytes, Failure | None]:
        """The provider closed: return what completes the stream, or the failure that this end is."""
        out = super().feed(_events(self._cutter.rest()))
        more, failure = super().end()
        return out + more, failure


def _events(block: bytes) -> bytes:
    if _LISTED.search(block) is None:
        return block
    return b"".join(map(_event, sse.frames(block)))


def _event(frame: sse.Frame) -> bytes:
    if frame.data is None or _LISTED.search(frame.data) is None or not frame.raw.endswith((b"\n\n", b"\r\n\r\n")):
        return frame.raw
    return sse.encode(_flattened(frame.data), frame.event)
