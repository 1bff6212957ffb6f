"""How a stream of Anthropic's Messages API is taken up where it broke: the open block stays open, later ones count on.

What its client has is read strictly: blocks and pieces of another kind than text, thinking and calls stand in the way,
and so does thinking that is hidden, which nobody can compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from lbd.model.messages import Argued, Calling, Finished, Piece, Reason, Said, Thought
from lbd.shapes import tokens
from lbd.shapes.chat.resume import chunks
from lbd.shapes.gather import NO_ARGUMENTS
from lbd.shapes.heard import arguments
from lbd.shapes.loose import string
from lbd.shapes.messages.hear import FAMILY, REASONS
from lbd.shapes.messages.speak import MessagesSpeaker
from lbd.shapes.retold import Shown, Told
from lbd.shapes.splice import CannotSplice, Point, Resume


class _Reader:
    """Reads events one after the other, and knows which block is open."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self.index = -1  # of the block that is open, or was last
        self.open: type[Said | Thought] | int | None = None  # what it holds: text, thoughts, a call's number
        self.signed = False  # the thoughts in it
        self.calls = 0
        self.arguments: list[str] = []  # of the last call
        self.told = False  # why it ended
        self._thoughts = ""
        self._kind: object = None  # of the last block

    def read(self, event: dict[str, Any]) -> Iterable[Told]:
        kind = event.get("type")
        if kind == "content_block_start":
            self._follows(event)
            yield from self._start(_members(event.get("content_block")))
        elif kind == "content_block_delta":
            yield from self._delta(_members(event.get("delta")))
        elif kind == "content_block_stop":
            if self.open is Thought and not self._thoughts and self._strict:
                raise CannotSplice("thoughts that are hidden")
            if isinstance(self.open, int) and not "".join(self.arguments).strip():  # as other shapes say it
                yield Argued(self.open, NO_ARGUMENTS)
            self.open = None
        elif kind == "message_delta":
            delta = _members(event.get("delta"))
            word = delta.get("stop_reason")
            if isinstance(word, str) and word:
                self.told = True
                yield Finished(REASONS.get(word, Reason.STOP), stop=string(delta.get("stop_sequence")) or None)
        elif kind not in ("message_start", "message_stop", "ping") and self._strict:
            raise CannotSplice(f"pieces do not carry {kind!r}")

    def _follows(self, event: dict[str, Any]) -> None:
        """Note a block's place among the others. Raises CannotSplice where they are not one after the other."""
        index = event.get("index")
        if self._strict and (self.open is not None or index != self.index + 1):
            raise CannotSplice("blocks do not follow one another")
        self.index += 1

    def _start(self, block: dict[str, Any]) -> Iterable[Told]:
        kind = block.get("type")
        before, self._kind = self._kind, kind
        if kind == "text" and not block.get("citations"):
            if before == kind and self._strict:  # pieces would not tell them from one
                raise CannotSplice("two blocks of text behind one another")
            self.open = Said
            yield Said(string(block.get("text")))
        elif kind == "thinking":
            self.open, self.signed, self._thoughts = Thought, False, ""
            yield from self._thought(string(block.get("thinking")), first=True)
            yield from self._sign(string(block.get("signature")))
        elif kind == "tool_use":
            yield from self._call(block)
        elif kind == "redacted_thinking" and not self._strict:
            self.open = None
            yield Thought(token=tokens.read(string(block.get("data")), FAMILY), redacted=True)
        else:
            raise CannotSplice(f"pieces do not carry a block of {kind!r}")

    def _call(self, block: dict[str, Any]) -> Iterable[Told]:
        number = self.open = self.calls
        self.calls += 1
        signature = block.get("thought_signature")
        token = tokens.read(signature, FAMILY) if isinstance(signature, str) and signature else None
        yield Calling(number, string(block.get("id")), string(block.get("name")), token=token)
        given = _members(block.get("input"))  # mostly it comes in pieces
        self.arguments = [arguments(given)] if given else []
        if given:
            yield Argued(number, self.arguments[0])

    def _delta(self, delta: dict[str, Any]) -> Iterable[Told]:
        kind = delta.get("type")
        if kind == "text_delta" and self.open is Said:
            yield Said(string(delta.get("text")))
        elif kind == "thinking_delta" and self.open is Thought:
            yield from self._thought(string(delta.get("thinking")))
        elif kind == "signature_delta" and self.open is Thought:
            yield from self._sign(string(delta.get("signature")))
        elif kind == "input_json_delta" and isinstance(self.open, int):
            self.arguments.append(string(delta.get("partial_json")))
            yield Argued(self.open, self.arguments[-1])
        else:
            raise CannotSplice(f"pieces do not carry {kind!r}")

    def _thought(self, text: str, *, first: bool = False) -> Iterable[Told]:
        if self.signed:
            raise CannotSplice("thoughts go on behind their signature")
        self._thoughts += text
        if text or first:
            yield Thought(text)

    def _sign(self, signature: str) -> Iterable[Told]:
        if not signature:
            return
        if self.signed:
            raise CannotSplice("a signature that comes in pieces")
        if not self._thoughts and self._strict:
            raise CannotSplice("thoughts that are hidden")
        self.signed = True
        yield Thought(token=tokens.read(signature, FAMILY))


def _members(told: object) -> dict[str, Any]:
    return told if isinstance(told, dict) else {}


def read(sent: bytes) -> Point:
    """Return where a client's stream stands. Raises CannotSplice."""
    reader = _Reader(strict=True)
    told = [piece for event in chunks(sent) for piece in reader.read(event)]
    ended = reader.open is None
    return Point(Shown(tuple(told), closed=ended and bool(told)), partial(_speaker, reader))


def _speaker(reader: _Reader, wants_usage: bool, asked: bytes) -> MessagesSpeaker:
    speaker = MessagesSpeaker(wants_usage, asked)
    at, open_, signed = reader.index, reader.open, reader.signed
    speaker.take_up(at, open_, reader.arguments, signed=signed, called=reader.calls > 0, told=reader.told)
    return speaker


def hear() -> Callable[[bytes], Sequence[Piece]]:
    """Return what reads the pieces that are told again."""
    reader = _Reader(strict=False)
    return lambda told: [piece for event in chunks(told) for piece in reader.read(event)]


RESUME = Resume(read, hear)
