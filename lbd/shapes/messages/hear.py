"""Answers of Anthropic's Messages API as pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Said, Thought, Token, Used
from lbd.model.outcome import Usage
from lbd.shapes import loose, sse, tokens
from lbd.shapes.messages import passing
from lbd.shapes.messages.stream import MessagesWatch

FAMILY = "anthropic"
REASONS = {
    "end_turn": Reason.STOP,
    "max_tokens": Reason.LENGTH,
    "model_context_window_exceeded": Reason.LENGTH,
    "stop_sequence": Reason.STOP_SEQUENCE,
    "tool_use": Reason.CALLS,
    "pause_turn": Reason.PAUSE,
    "refusal": Reason.REFUSAL,
}


def _loads(data: bytes) -> dict[str, Any]:
    """Return what a watch has read before. Raises LbdError for what is nested deeper than can be followed."""
    try:
        out: dict[str, Any] = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            out = loose.sound(loose.loads(data))
        except loose.UNREADABLE as e:
            raise LbdError(Failure(FailureKind.BAD_BODY, f"the answer cannot be read: {e}", status=200)) from None
    return out


def _dumps(arguments: dict[str, Any]) -> str:
    try:
        return orjson.dumps(arguments).decode()
    except TypeError:
        raise LbdError(Failure(FailureKind.BAD_BODY, "the input of a tool is nested too deep", status=200)) from None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _minted(value: object) -> Token | None:
    return tokens.read(value, FAMILY) if isinstance(value, str) and value else None


class _Reader:
    """Reads blocks and their pieces; calls are numbered among themselves."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}  # index of a block -> number of its call
        self._begun = self._finished = False
        self._count = 0  # of calls

    def begin(self, message: dict[str, Any]) -> Iterable[Piece]:
        if not self._begun:
            self._begun = True
            yield Begin(_string(message.get("id")), _string(message.get("model")))

    def block(self, index: int, block: dict[str, Any]) -> Iterable[Piece]:
        kind = block.get("type")
        if kind == "text" and _string(block.get("text")):
            yield Said(block["text"])
        elif kind == "thinking":
            text, token = _string(block.get("thinking")), _minted(block.get("signature"))
            if text or token is not None:
                yield Thought(text, token=token)
        elif kind == "redacted_thinking":
            if token := _minted(block.get("data")):
                yield Thought(token=token, redacted=True)
        elif kind == "tool_use":
            number = self._calls[index] = self._count
            self._count += 1
            yield Calling(number, _string(block.get("id")) or f"toolu_{number}", _string(block.get("name")))
            if isinstance(block.get("input"), dict) and block["input"]:
                yield Argued(number, _dumps(block["input"]))

    def delta(self, index: int, delta: dict[str, Any]) -> Iterable[Piece]:
        kind = delta.get("type")
        if kind == "text_delta" and _string(delta.get("text")):
            yield Said(delta["text"])
        elif kind == "thinking_delta" and _string(delta.get("thinking")):
            yield Thought(delta["thinking"])
        elif kind == "signature_delta" and (token := _minted(delta.get("signature"))):
            yield Thought(token=token)
        elif kind == "input_json_delta" and index in self._calls and _string(delta.get("partial_json")):
            yield Argued(self._calls[index], delta["partial_json"])

    def finish(self, message: dict[str, Any]) -> Iterable[Piece]:
        word = message.get("stop_reason")
        if word and not self._finished:
            self._finished = True
            reason = REASONS.get(word, Reason.STOP) if isinstance(word, str) else Reason.STOP
            yield Finished(reason, stop=_string(message.get("stop_sequence")) or None)


class MessagesListener:
    """See :class:`lbd.shapes.dialect.Listener`. A watch judges the stream; what it lets pass is read."""

    def __init__(self, _model: str, _choices: int) -> None:
        self._watch = MessagesWatch()
        self._reader = _Reader()
        self._failure: Failure | None = None

    @property
    def done(self) -> bool:
        """Tell whether the end mark came."""
        return self._watch.done

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, as far as they were told."""
        return self._watch.usage

    @property
    def failure(self) -> Failure | None:
        """What the provider said has gone wrong, or that it sent what cannot be read."""
        return self._failure or self._watch.failure

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing."""
        return self._watch.whole

    def feed(self, data: bytes) -> Sequence[Piece]:
        """Take bytes."""
        return self._read(self._watch.feed(data))

    def end(self) -> tuple[Sequence[Piece], Failure | None]:
        """The provider closed."""
        tail, failure = self._watch.end()
        return self._read(tail), self._failure or failure

    def _read(self, block: bytes) -> list[Piece]:
        out: list[Piece] = []
        try:
            for frame in sse.frames(block) if block and self._failure is None else ():
                if frame.data is not None:
                    out += self._event(_loads(frame.data))
        except LbdError as e:  # what came before it was good
            self._failure = e.failure
        return out

    def _event(self, event: dict[str, Any]) -> Iterable[Piece]:
        kind, index = event.get("type"), event.get("index")
        index = index if isinstance(index, int) else 0
        if kind == "message_start":
            yield from self._reader.begin(event.get("message") or {})
        elif kind == "content_block_start":
            yield from self._reader.block(index, event.get("content_block") or {})
        elif kind == "content_block_delta":
            yield from self._reader.delta(index, event.get("delta") or {})
        elif kind == "message_delta":
            yield from self._reader.finish(event.get("delta") or {})
            if self._watch.usage is not None:
                yield Used(self._watch.usage)


def read(body: bytes, _model: str) -> list[Piece]:
    """Return the pieces of a unary answer. Raises LbdError."""
    facts = passing.facts(body)
    if facts.failure is not None:
        raise LbdError(facts.failure)
    message, reader = _loads(body.removeprefix(loose.BOM)), _Reader()
    out = list(reader.begin(message))
    for index, block in enumerate(message["content"]):
        if isinstance(block, dict):
            out += reader.block(index, block)
    out += reader.finish(message)
    if facts.usage is not None:
        out.append(Used(facts.usage))
    return out
