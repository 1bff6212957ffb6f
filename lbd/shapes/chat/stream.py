"""Following a chat-completion stream of the OpenAI family.

Every event is decoded as far as lbd needs (about a microsecond), unless it is alike, to the byte around its text, to
one that was: what cannot be read must never reach a client as if it were an answer, and a finish, an error or the usage
may stand in any of them. Bytes are forwarded as they came; only the usage event that lbd itself asked for is taken out.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import WallTime
from lbd.shapes import loose
from lbd.shapes.chat import usage
from lbd.shapes.chat.errors import in_band
from lbd.shapes.chat.plain import cut, plain_error, typed
from lbd.shapes.chat.usage import UsageFields
from lbd.shapes.held import HeldStream
from lbd.shapes.loose import UNREADABLE

_DONE = b"[DONE]"


class _Delta(msgspec.Struct, gc=False):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None
    audio: Any = None


class _Choice(msgspec.Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: Any = None
    error: Any = None
    text: Any = None  # of the older text completions


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: UsageFields | None = None
    error: Any = None
    error_type: Any = None


class _OddChunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    error_type: Any = None


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


class ChatWatch(HeldStream):
    """See :class:`lbd.shapes.wire.Watch`."""

    END = b"data: [DONE]\n\n"
    TEXTS = (b'"content":', b'"reasoning_content":', b'"reasoning":')
    __slots__ = ("_begun", "_choices", "_counted", "_finishes", "_hide_usage", "_wants_usage")

    def __init__(
        self,
        choices: int = 1,
        hide_usage: bool = False,
        *,
        wants_usage: bool = False,
        wall: WallTime = 0.0,  # noqa: ARG002
        asked: bytes = b"",  # noqa: ARG002
    ) -> None:
        super().__init__()
        self._choices = choices
        self._begun: set[int] = set()  # which have said something
        self._finishes: set[int] = set()
        self._hide_usage = hide_usage
        self._wants_usage = wants_usage
        self._counted = False  # the usage of the whole answer came, whatever could be read of it

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing."""
        return self.finished and (self._counted or not self._wants_usage)

    def _text(self, payload: bytes) -> str | None:
        """Return the text of an event that has one choice, and in it nothing but a text."""
        try:
            chunk = _decode(payload)
        except UNREADABLE:
            return None
        choices = chunk.choices or []
        if self._choices != 1 or chunk.error or chunk.usage is not None or len(choices) != 1:
            return None
        choice = choices[0]
        delta = choice.delta
        if delta is None or choice.finish_reason or choice.error or choice.text:
            return None
        said = [value for value in msgspec.structs.astuple(delta) if value]
        return said[0] if len(said) == 1 and isinstance(said[0], str) else None

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
            self.failure = in_band(typed(chunk.error, chunk.error_type))
            return False
        if chunk.usage is not None:
            self.usage = chunk.usage.usage() or self.usage
            self._counted = self._counted or self.finished or not chunk.choices
        if not chunk.choices:
            return self._aside(chunk, payload)
        commits = False
        for choice in chunk.choices:
            self._begun.add(choice.index)
            if choice.finish_reason or choice.error:
                if not self._finish(choice, chunk.usage is not None):
                    return False  # what stands beside an error in one event does not go out, so it does not commit
                commits = True
            delta = choice.delta
            if (delta is not None and (delta.content or _has_content(delta))) or choice.text:
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
        self.failure = cut(choice.finish_reason, choice.error)
        if self.failure is not None:
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
            if self._finishes:  # of several that were asked for, a server may give fewer
                self.finished = self._finishes >= self._begun
        if not word or self.done:
            return None
        try:
            chunk = loose.read(payload, _OddChunk)
        except UNREADABLE as e:
            self.failure = Failure(FailureKind.BAD_BODY, f"an event of the stream is not a chat chunk: {e}")
            return None
        return _Chunk(chunk.choices, usage.odd(chunk.usage), chunk.error, chunk.error_type)
