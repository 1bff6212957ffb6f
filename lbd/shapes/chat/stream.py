"""Following a chat-completion stream of the OpenAI family.

Every event is decoded as far as lbd needs (about a microsecond): what it cannot read must never reach a
client as if it were an answer, and a finish, an error or the usage may stand in any of them. Bytes are
forwarded as they came; only the usage event that lbd itself asked for is taken out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.shapes import loose, sse
from lbd.shapes.chat import usage
from lbd.shapes.chat.errors import in_band
from lbd.shapes.chat.plain import any_error, plain_error
from lbd.shapes.chat.usage import UsageFields
from lbd.shapes.loose import UNREADABLE

# Frames before the first content (role, keep-alive comments) are held so far; beyond it only events with data.
HELD_COMMENTS = 16 * 1024
MOST_HELD = sse.LARGEST_EVENT  # bytes of all that is held; what says so much and nothing is no answer
_DONE = b"[DONE]"
_CR = 0x0D


class _Delta(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None
    audio: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: Any = None
    error: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: UsageFields | None = None
    error: Any = None


class _OddChunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode


def _has_content(delta: _Delta) -> bool:
    return bool(
        delta.content
        or delta.reasoning_content
        or delta.reasoning
        or delta.tool_calls
        or delta.refusal
        or delta.reasoning_details
        or delta.function_call
        or delta.audio
    )


class ChatWatch:
    """See :class:`lbd.shapes.providers.Watch`."""

    __slots__ = (
        "_choices",
        "_counted",
        "_finishes",
        "_framer",
        "_held",
        "_held_size",
        "_hide_usage",
        "_wants_usage",
        "committed",
        "contents",
        "done",
        "failure",
        "finished",
        "usage",
    )

    def __init__(self, choices: int = 1, hide_usage: bool = False, *, wants_usage: bool = False) -> None:
        self._framer = sse.Framer()
        self._held: list[bytes] = []
        self._held_size = 0
        self._choices = choices
        self._finishes: set[int] = set()
        self._hide_usage = hide_usage
        self._wants_usage = wants_usage
        self._counted = False  # the usage of the whole answer came, whatever could be read of it
        self.committed = False
        self.finished = False
        self.done = False
        self.usage: Usage | None = None
        self.failure: Failure | None = None
        self.contents = 0

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing."""
        return self.finished and (self._counted or not self._wants_usage)

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return those to forward (none before the first content)."""
        block = self._framer.feed(data)
        if not block or self.done or self.failure is not None:
            if len(self._framer.tail) > sse.LARGEST_EVENT:
                self._overflow(f"an event of the stream is larger than {sse.LARGEST_EVENT} bytes")
            return b""
        # the common case: one event in one read
        if block.startswith(b"data: ") and block.find(b"\n") == len(block) - 2 and _CR not in block:
            out = block if self._event(block[6:-2]) else b""
            if self.committed and not self._held:
                return out
            self._held_size += len(out)
            return self._release(out)
        out = b"".join([f.raw for f in sse.frames(block) if self._keep(f)])
        return self._release(out)

    def _keep(self, frame: sse.Frame) -> bool:
        if self.done or self.failure is not None:
            return False
        if frame.error is not None or frame.event == b"error":
            self.failure = in_band(any_error(frame.error or frame.data or b""))
            return False
        if frame.data is None and not self.committed and self._held_size >= HELD_COMMENTS:
            return False
        if frame.data is not None and not self._event(frame.data):
            return False
        self._held_size += len(frame.raw)
        return True

    def _release(self, out: bytes) -> bytes:
        if not self.committed:
            if out:
                self._held.append(out)
            if self._held_size > MOST_HELD:
                self._overflow(f"{MOST_HELD} bytes of the stream held no content")
            return b""
        if self._held:
            out = b"".join([*self._held, out])
            self._held.clear()
        return out

    def _overflow(self, why: str) -> None:
        """Give up a stream that would fill the memory, and what is kept of it."""
        self._framer.rest()
        self._held.clear()
        if self.failure is None:
            self.failure = Failure(FailureKind.BAD_BODY, why)

    def _event(self, payload: bytes) -> bool:
        """Read one event's data; tell whether the event goes on to the client."""
        try:
            chunk = _decode(payload)
        except UNREADABLE:
            looser = self._look_again(payload)
            if looser is None:
                return self.done
            chunk = looser
        if chunk.error:
            self.failure = in_band(chunk.error)
            return False
        if chunk.usage is not None:
            self.usage = chunk.usage.usage() or self.usage
            self._counted = self._counted or self.finished or not chunk.choices
        if not chunk.choices:
            return self._aside(chunk, payload)
        commits = False
        for choice in chunk.choices:
            if choice.finish_reason or choice.error:
                if not self._finish(choice, chunk.usage is not None):
                    return False  # what stands beside an error in one event does not go out, so it does not commit
                commits = True
            delta = choice.delta
            if delta is not None and (delta.content or _has_content(delta)):
                self.contents += 1
                commits = True
        self.committed |= commits
        return True

    def _aside(self, chunk: _Chunk, payload: bytes) -> bool:
        """Read an event without choices; tell whether it goes on. It may be an error in itself, not in a field."""
        if chunk.usage is not None:
            return not self._hide_usage
        alone = chunk.choices is None and chunk.error is not None
        error = chunk.error if alone else plain_error(payload)
        if error is None:
            return True
        self.failure = in_band(error)
        return False

    def _finish(self, choice: _Choice, counted: bool) -> bool:
        """Note that a choice has ended; False where it ended in an error."""
        if choice.finish_reason == "error" or choice.error:
            self.failure = in_band(choice.error or "the provider ended the answer with an error")
            return False
        self._finishes.add(choice.index)
        self.finished = len(self._finishes) >= self._choices
        self._counted = self._counted or (self.finished and counted)
        return True

    def _look_again(self, payload: bytes) -> _Chunk | None:
        """Read what is not in order: the end mark, a heartbeat, or a chunk with something odd in it.

        A heartbeat of empty data is dropped: OpenAI's own client would take it for a chunk and fail.
        """
        word = payload.strip()
        if word == _DONE:
            self.done = True
        if not word or self.done:
            return None
        try:
            chunk = loose.read(payload, _OddChunk)
        except UNREADABLE as e:
            self.failure = Failure(FailureKind.BAD_BODY, f"an event of the stream is not a chat chunk: {e}")
            return None
        return _Chunk(chunk.choices, usage.odd(chunk.usage), chunk.error)

    def end(self) -> tuple[bytes, Failure | None]:
        """The provider closed: return what completes the stream, or the failure that this end is.

        A finish makes the answer whole even where the end mark is missing; without one it was cut. Where the client
        asked for usage, the finish is not the last that it waits for.
        """
        if self.failure is not None:
            return b"", self.failure
        if self.done and self.committed:
            return b"", None
        more, broken = self._last_words()
        if broken is not None and broken.kind is not FailureKind.BROKEN_STREAM:
            return b"", broken
        if self.done and self.committed:
            return more, None
        if self.whole:
            return more + b"data: [DONE]\n\n", None
        if broken is not None:
            return b"", broken
        if self.done:
            return b"", Failure(FailureKind.BAD_BODY, "the stream ended without any content or finish")
        lacks = "its usage was told" if self.finished else "the answer was finished"
        return more, Failure(FailureKind.BROKEN_STREAM, f"the stream ended before {lacks}")

    def _last_words(self) -> tuple[bytes, Failure | None]:
        """Read what lacks its blank line: it counts only if it is whole, be it an answer's piece or an error."""
        block = self._framer.rest()
        if not block.endswith(b"\r\r"):  # of a stream of CRs the blank line is certain only now, and stays as it is
            block = block.rstrip(b"\r\n") + b"\n\n"
        found = sse.frames(block)
        if all(frame.data is None and frame.error is None for frame in found):
            return b"", None
        more = self._release(b"".join([f.raw for f in found if self._keep(f)]))
        if self.failure is not None and self.failure.kind is FailureKind.BAD_BODY:
            self.failure = None
            return more, Failure(FailureKind.BROKEN_STREAM, "the stream was cut in the middle of an event")
        return more, self.failure
