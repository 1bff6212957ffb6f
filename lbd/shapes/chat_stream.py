"""Following a chat-completion stream of the OpenAI family.

Every event is decoded as far as lbd needs (about a microsecond): what it cannot read must never reach a
client as if it were an answer, and a finish, an error or the usage may stand in any of them. Bytes are
forwarded as they came; only the usage event that lbd itself asked for is taken out.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.shapes import chat_usage, sse
from lbd.shapes.chat_errors import UNREADABLE, in_band
from lbd.shapes.chat_usage import UsageFields

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
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_odd = msgspec.json.Decoder(_OddChunk).decode


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
        "_finishes",
        "_framer",
        "_held",
        "_held_size",
        "_hide_usage",
        "committed",
        "contents",
        "done",
        "failure",
        "finished",
        "usage",
    )

    def __init__(self, choices: int = 1, hide_usage: bool = False) -> None:
        self._framer = sse.Framer()
        self._held: list[bytes] = []
        self._held_size = 0
        self._choices = choices
        self._finishes: set[int] = set()
        self._hide_usage = hide_usage
        self.committed = False
        self.finished = False
        self.done = False
        self.usage: Usage | None = None
        self.failure: Failure | None = None
        self.contents = 0

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
        if frame.error is not None:
            self.failure = in_band(_error(frame.error))
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
        if chunk.error is not None:
            self.failure = in_band(chunk.error)
            return False
        if chunk.usage is not None:
            self.usage = chunk.usage.usage() or self.usage
        if not chunk.choices:
            return not (self._hide_usage and chunk.usage is not None)
        commits = False
        for choice in chunk.choices:
            if choice.finish_reason or choice.error is not None:
                if not self._finish(choice):
                    return False  # what stands beside an error in one event does not go out, so it does not commit
                commits = True
            delta = choice.delta
            if delta is not None and (delta.content or _has_content(delta)):
                self.contents += 1
                commits = True
        self.committed |= commits
        return True

    def _finish(self, choice: _Choice) -> bool:
        """Note that a choice has ended; False where it ended in an error."""
        if choice.finish_reason == "error" or choice.error is not None:
            self.failure = in_band(choice.error or "the provider ended the answer with an error")
            return False
        self._finishes.add(choice.index)
        self.finished = len(self._finishes) >= self._choices
        return True

    def _look_again(self, payload: bytes) -> _Chunk | None:
        """Read what is not in order: the end mark, or a chunk in which only the usage is odd."""
        if payload.strip() == _DONE:
            self.done = True
            return None
        try:
            chunk = _decode_odd(payload)
        except UNREADABLE as e:
            self.failure = Failure(FailureKind.BAD_BODY, f"an event of the stream is not a chat chunk: {e}")
            return None
        return _Chunk(chunk.choices, chat_usage.odd(chunk.usage), chunk.error)

    def end(self) -> tuple[bytes, Failure | None]:
        """The provider closed: return what completes the stream, or the failure that this end is.

        A finish makes the answer whole even where the end mark is missing; without one it was cut.
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
        if self.finished:
            return more + b"data: [DONE]\n\n", None
        if broken is not None:
            return b"", broken
        if self.done:
            return b"", Failure(FailureKind.BAD_BODY, "the stream ended without any content or finish")
        return more, Failure(FailureKind.BROKEN_STREAM, "the stream ended before the answer was finished")

    def _last_words(self) -> tuple[bytes, Failure | None]:
        """Read what lacks its blank line: it counts only if it is whole, be it an answer's piece or an error."""
        block = self._framer.rest().rstrip(b"\r\n") + b"\n\n"
        if all(frame.data is None and frame.error is None for frame in sse.frames(block)):
            return b"", None
        more = self.feed(block)
        if self.failure is not None and self.failure.kind is FailureKind.BAD_BODY:
            self.failure = None
            return more, Failure(FailureKind.BROKEN_STREAM, "the stream was cut in the middle of an event")
        return more, self.failure


def _error(value: bytes) -> object:
    """Read an error field: an error object, or whatever stands in its place."""
    try:
        error: object = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value.decode("utf-8", "replace").strip()
    return error["error"] if isinstance(error, dict) and "error" in error else error
