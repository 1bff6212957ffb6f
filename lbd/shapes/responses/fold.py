"""Gather a stream of the Responses API into the response it stands for: its last event holds it, byte for byte."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lbd.shapes import loose, sse
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.responses.stream import ENDS


class _Event(msgspec.Struct):
    type: Any = None
    response: msgspec.Raw = msgspec.Raw(b"{}")


_ENDS = tuple(end.encode() for end in ENDS)
_decode = msgspec.json.Decoder(_Event).decode


class ResponsesFold:
    """See :class:`lbd.shapes.wire.Fold`."""

    def __init__(self) -> None:
        self._response = b"{}"

    def feed(self, data: bytes) -> None:
        """Take forwarded bytes of the stream: whole events, in order."""
        for frame in sse.frames(data):
            told = frame.data or b""
            if any(end in told for end in _ENDS):
                self._event(told)

    def _event(self, data: bytes) -> None:
        try:
            event = _decode(data)
        except UNREADABLE:
            try:
                event = _loosely(data)
            except UNREADABLE:
                return
        if event.type in ENDS:
            self._response = bytes(event.response)

    def result(self) -> bytes:
        """Return the response."""
        return self._response


def _loosely(data: bytes) -> _Event:
    found = loose.sound(loose.loads(data))
    if not isinstance(found, dict):
        return _Event()
    return _Event(found.get("type"), msgspec.Raw(orjson.dumps(found.get("response") or {})))
