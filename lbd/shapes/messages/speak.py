"""Pieces as answers of Anthropic's Messages API, in the exact order of its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import (
    Answer,
    Argued,
    Begin,
    Call,
    Calling,
    Finished,
    Piece,
    Reason,
    Refusal,
    Refused,
    Said,
    Text,
    Thinking,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes import loose, sse, tokens
from lbd.shapes.messages.usage import fields

FAMILY = "anthropic"
_WORDS = {
    Reason.STOP: "end_turn",
    Reason.STOP_SEQUENCE: "stop_sequence",
    Reason.LENGTH: "max_tokens",
    Reason.CALLS: "tool_use",
    Reason.FILTER: "refusal",
    Reason.REFUSAL: "refusal",
    Reason.PAUSE: "pause_turn",
}


def _event(kind: str, **more: Any) -> bytes:
    return sse.encode(orjson.dumps({"type": kind, **more}), kind.encode())


def _shown(token: Token | None) -> str:
    return tokens.shown(token, FAMILY)


class MessagesSpeaker:
    """See :class:`lbd.shapes.dialect.Speaker`: blocks one after the other, each begun and ended.

    Providers may write several calls side by side. What belongs to another block waits until the arguments of the
    open call are whole, which they are once they are an object.
    """

    def __init__(self, _wants_usage: bool, _asked: bytes = b"") -> None:
        self._begun = False
        self._index = -1  # of the block that is open, or was last
        # what the open block holds: text, thoughts, a call's number
        self._open: type[Said | Thought] | int | None = None
        self._arguments: list[str] = []  # of the open call
        self._waiting: list[Said | Thought | Refused | Calling | Argued] = []
        self._pending: set[int] = set()  # numbers of the calls among what waits
        self._signed = self._called = self._told = False
        self._finished: Finished | None = None
        self._usage: Usage | None = None

    def take_up(
        self,
        index: int,
        open_: type[Said | Thought] | int | None,
        arguments: Sequence[str],
        *,
        signed: bool,
        called: bool,
        told: bool,
    ) -> None:
        """Go on with a message that others have begun, from its block ``index``, which may be open.

        ``told``: why it ended was told already, and its usage.
        """
        self._begun = True
        self._index, self._open = index, open_
        self._arguments = list(arguments)
        self._signed, self._called, self._told = signed, called, told

    def say(self, pieces: Iterable[Piece]) -> bytes:
        """Return the events of these pieces."""
        out: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, Begin):
                if not self._begun:
                    out.append(self._begin(piece))
            elif isinstance(piece, Used):
                self._usage = piece.usage
            elif piece.choice == 0:
                if not self._begun:
                    out.append(self._begin(Begin("", "")))
                out += self._piece(piece)
        return b"".join(out)

    def _begin(self, begin: Begin) -> bytes:
        self._begun = True
        return _event("message_start", message=_message(begin, [], None, None, begin.usage))

    def _piece(self, piece: Said | Thought | Refused | Calling | Argued | Finished) -> Iterable[bytes]:
        if isinstance(piece, Finished):
            self._finished = piece
        elif isinstance(piece, Argued) and piece.index not in self._pending:
            yield from self._argue(piece)
        elif isinstance(self._open, int) and not self._argued():
            self._waiting.append(piece)
            if isinstance(piece, Calling):
                self._pending.add(piece.index)
        elif isinstance(piece, Said | Refused):
            if piece.text:
                yield from self._enter(Said, {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": piece.text})
        elif isinstance(piece, Thought):
            yield from self._thought(piece)
        elif isinstance(piece, Calling):
            self._called = True
            self._pending.discard(piece.index)
            yield from self._close()
            yield from self._enter(
                piece.index,
                {"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}, **_signed(piece.token)},
            )
            self._arguments = []

    def _argue(self, piece: Argued) -> Iterable[bytes]:
        if piece.index == self._open:
            self._arguments.append(piece.arguments)
            yield self._delta({"type": "input_json_delta", "partial_json": piece.arguments})
            if self._waiting and self._argued():
                yield from self._go_on()
        elif piece.arguments.strip():
            raise _bad("the arguments of a tool call go on behind their end")

    def _argued(self) -> bool:
        """Tell whether the arguments of the open call are whole."""
        try:
            return isinstance(loose.value("".join(self._arguments).encode("utf-8", "surrogatepass")), dict)
        except loose.UNREADABLE:
            return False

    def _go_on(self) -> Iterable[bytes]:
        """Say what waited for the open call."""
        yield from self._close()
        waiting, self._waiting = self._waiting, []
        for piece in waiting:
            yield from self._piece(piece)

    def _thought(self, piece: Thought) -> Iterable[bytes]:
        if piece.redacted:
            yield from self._close()
            yield from self._enter(Thought, {"type": "redacted_thinking", "data": _shown(piece.token)})
            self._signed = True
            yield from self._close()
            return
        if piece.text or piece.token is not None:
            yield from self._enter(Thought, {"type": "thinking", "thinking": "", "signature": ""})
        if piece.text:
            yield self._delta({"type": "thinking_delta", "thinking": piece.text})
        if piece.token is not None:
            yield from self._sign(piece.token)
            yield from self._close()

    def _sign(self, token: Token | None) -> Iterable[bytes]:
        self._signed = True
        yield self._delta({"type": "signature_delta", "signature": _shown(token)})

    def _enter(self, kind: type[Said | Thought] | int, block: dict[str, Any]) -> Iterable[bytes]:
        if self._open == kind:
            return
        yield from self._close()
        self._index += 1
        self._open, self._signed = kind, False
        yield _event("content_block_start", index=self._index, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)

    def _close(self) -> Iterable[bytes]:
        if self._open is not None:
            if self._open is Thought and not self._signed:
                yield from self._sign(None)
            self._open = None
            yield _event("content_block_stop", index=self._index)

    def end(self) -> bytes:
        """Return the reason and the usage, and the end."""
        if self._told:
            return _event("message_stop")
        start = b"" if self._begun else self._begin(Begin("", ""))
        while self._waiting:  # a call without arguments, or cut by the limit on tokens, is as whole as it gets
            start += b"".join(self._go_on())
        finished = self._finished or Finished(Reason.CALLS if self._called else Reason.STOP)
        delta = {"stop_reason": _WORDS[finished.reason], "stop_sequence": finished.stop}
        close = b"".join(self._close())
        told = _event("message_delta", delta=delta, usage=fields(self._usage or Usage()))
        return b"".join((start, close, told, _event("message_stop")))


def _signed(token: Token | None) -> dict[str, str]:
    return {} if token is None else {"thought_signature": _shown(token)}


def _message(
    begin: Begin, content: list[dict[str, Any]], reason: str | None, stop: str | None, usage: Usage | None
) -> dict[str, Any]:
    return {
        "id": begin.id or "msg_lbd",
        "type": "message",
        "role": "assistant",
        "model": begin.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": stop,
        "usage": fields(usage or Usage()),
    }


def whole(answer: Answer) -> bytes:
    """Return a unary answer."""
    choice = answer.choices[0]
    content: list[dict[str, Any]] = []
    for part in choice.parts:
        if isinstance(part, Call):
            given = _given(part.arguments, choice.reason)
            content.append(
                {"type": "tool_use", "id": part.id, "name": part.name, "input": given, **_signed(part.token)}
            )
        elif isinstance(part, Thinking):
            if part.redacted:
                content.append({"type": "redacted_thinking", "data": _shown(part.token)})
            else:
                content.append({"type": "thinking", "thinking": part.text, "signature": _shown(part.token)})
        elif isinstance(part, Text | Refusal):  # a refusal: words as any
            if content and content[-1]["type"] == "text":
                content[-1]["text"] += part.text
            else:
                content.append({"type": "text", "text": part.text})
    begin = Begin(answer.id, answer.model)
    try:
        return loose.written(_message(begin, content, _WORDS[choice.reason], choice.stop, answer.usage))
    except TypeError:
        raise _bad("the arguments of a tool call are nested too deep") from None


def _given(arguments: str, reason: Reason) -> dict[str, Any]:
    """Return a call's arguments as the object that this shape holds; what was cut by the limit on tokens is none."""
    if not arguments.strip():
        return {}
    try:
        given = loose.exact(arguments)
    except ValueError:
        try:
            given = loose.sound(loose.loads(arguments.encode()))
        except loose.UNREADABLE:
            given = None
    if isinstance(given, dict):
        return given
    if reason is Reason.LENGTH:
        return {}
    raise _bad("the arguments of a tool call are no JSON object")


def _bad(why: str) -> LbdError:
    return LbdError(Failure(FailureKind.BAD_BODY, why, status=200))
