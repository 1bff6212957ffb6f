"""Following a stream of the Responses API, whose events go on as they came.

Events that lbd does not know (of tools that run at the provider, later additions) go on too.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.shapes import loose
from lbd.shapes.chat.errors import in_band
from lbd.shapes.chat.plain import any_error
from lbd.shapes.held import HeldStream
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.responses import usage
from lbd.shapes.responses.passing import FAILED

ENDS = ("response.completed", "response.incomplete")
# Items that begin with nothing said yet.
_SILENT = ("message", "reasoning")


class _Response(msgspec.Struct):
    status: Any = None
    usage: Any = None
    error: Any = None


class _Item(msgspec.Struct):
    type: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    response: _Response | None = None
    item: _Item | None = None
    delta: Any = None
    error: Any = None


_read = loose.reader(_Event)


class ResponsesWatch(HeldStream):
    """See :class:`lbd.shapes.wire.Watch`. Its end mark is the last event itself, so nothing can stand for it."""

    END = b""

    def _event(self, payload: bytes) -> bool:
        """Read one event's data; tell whether the event goes on to the client."""
        if payload.strip() in (b"", b"[DONE]"):  # a heartbeat, or an end mark that this API does not have
            return False
        try:
            event = _read(payload)
        except UNREADABLE as e:
            self.failure = Failure(FailureKind.BAD_BODY, f"an event of the stream cannot be read: {e}")
            return False
        if event.error or event.type == "error":
            self.failure = in_band(any_error(payload) if event.error is None else event.error)
            return False
        response = event.response
        if response is not None and not self._goes_on(event, response):
            return False
        if event.type in ENDS:
            self.done = self.finished = self.committed = True
        elif self._says(event):
            self.contents += 1
            self.committed = True
        return True

    def _goes_on(self, event: _Event, response: _Response) -> bool:
        """Read what an event says of the whole response; False where it failed."""
        if event.type == "response.failed" or response.status in FAILED or response.error:
            self.failure = in_band(response.error or "the provider says that the response failed")
            return False
        self.usage = usage.read(response.usage) or self.usage
        return True

    @staticmethod
    def _says(event: _Event) -> bool:
        """Tell whether an event brings content: more of something, a whole item, or the beginning of a call."""
        kind = event.type
        if kind == "response.output_item.added":
            return event.item is not None and event.item.type not in _SILENT
        if kind == "response.output_item.done":
            return True
        return isinstance(kind, str) and kind.endswith(".delta") and bool(event.delta)
