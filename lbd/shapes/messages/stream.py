"""Following a stream of Anthropic's Messages API, whose events go on as they came.

Events that lbd does not know (``ping``, later additions) go on too, as the API's versioning rules ask of clients.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.shapes import loose
from lbd.shapes.chat.errors import in_band
from lbd.shapes.held import HeldStream
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.messages.usage import UsageFields


class _Message(msgspec.Struct):
    usage: UsageFields | None = None


class _Block(msgspec.Struct):
    type: Any = None
    text: Any = None
    thinking: Any = None


class _Delta(msgspec.Struct):
    type: Any = None
    text: Any = None
    thinking: Any = None
    partial_json: Any = None
    signature: Any = None
    citation: Any = None
    stop_reason: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: UsageFields | None = None
    error: Any = None


_read = loose.reader(_Event)


class MessagesWatch(HeldStream):
    """See :class:`lbd.shapes.wire.Watch`."""

    TEXTS = (b'"text":', b'"thinking":', b'"partial_json":')
    END = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def _text(self, payload: bytes) -> str | None:
        """Return the text of a delta that brings nothing else."""
        try:
            event = _read(payload)
        except UNREADABLE:
            return None
        delta = event.delta
        if event.type != "content_block_delta" or event.error or event.usage is not None or delta is None:
            return None
        if event.message is not None or event.content_block is not None:
            return None
        said = [value for value in msgspec.structs.astuple(delta)[1:] if value]
        return said[0] if len(said) == 1 and isinstance(said[0], str) else None

    def _event(self, payload: bytes) -> bool:
        """Read one event's data; tell whether the event goes on to the client."""
        if not payload.strip():
            return False
        try:
            event = _read(payload)
        except UNREADABLE as e:
            self.failure = Failure(FailureKind.BAD_BODY, f"an event of the stream cannot be read: {e}")
            return False
        if event.error or event.type == "error":
            self.failure = in_band(event.error)
            return False
        self._count(event)
        if event.type == "message_stop":
            if self.committed and not self.finished:  # every server of this shape tells the reason before
                self.failure = Failure(FailureKind.BROKEN_STREAM, "the stream ended before the answer was finished")
                return False
            self.done = True
        elif event.type == "message_delta":
            if event.delta is not None and event.delta.stop_reason:
                self.finished = self.committed = True
        elif self._says(event):
            self.contents += 1
            self.committed = True
        return True

    def _count(self, event: _Event) -> None:
        """Take counts in: what the beginning tells of the output is only what there is until then."""
        if event.message is not None and event.message.usage is not None:
            first = event.message.usage.usage(self.usage)
            self.usage = None if first is None else replace(first, estimated=True)
        if event.usage is not None:
            self.usage = event.usage.usage(self.usage)

    @staticmethod
    def _says(event: _Event) -> bool:
        """Tell whether an event brings content: text, thoughts, arguments, or the beginning of what is not text."""
        delta, block = event.delta, event.content_block
        if event.type == "content_block_delta" and delta is not None:
            return bool(delta.text or delta.thinking or delta.partial_json or delta.signature or delta.citation)
        if event.type == "content_block_start" and block is not None:
            return bool(block.text or block.thinking) or block.type not in ("text", "thinking")
        return False
