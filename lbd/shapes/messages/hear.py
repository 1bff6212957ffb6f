"""Answers of Anthropic's Messages API as pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from lbd.model.failure import Failure, LbdError
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
    try:
        out: dict[str, Any] = orjson.loads(data)
    except orjson.JSONDecodeError:
        out = loose.sound(loose.loads(data))
    return out


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _minted(value: object) -> Token | None:
    return tokens.read(value, FAMILY) if isinstance(value, str) and value else None


class _Reader:
    """Reads blocks and their pieces; calls are numbered among themselves."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}  # index of a block -> number of its call

    def begin(self, message: dict[str, Any]) -> Piece:
        return Begin(_string(message.get("id")), _string(message.get("model")))

    def block(self, index: int, block: dict[str, Any]) -> Iterable[Piece]:
        kind = block.get("type")
        if kind == "text" and _string(block.get("text")):
            yield Said(block["text"])
        elif kind == "thinking":
            if block.get("thinking") or block.get("signature"):
                yield Thought(_string(block.get("thinking")), token=_minted(block.get("signature")))
        elif kind == "redacted_thinking":
            yield Thought(token=_minted(block.get("data")), redacted=True)
        elif kind == "tool_use":
            number = self._calls[index] = len(self._calls)
            yield Calling(number, _string(block.get("id")), _string(block.get("name")))
            if block.get("input"):
                yield Argued(number, orjson.dumps(block["input"]).decode())

    def delta(self, index: int, delta: dict[str, Any]) -> Iterable[Piece]:
        kind = delta.get("type")
        if kind == "text_delta" and _string(delta.get("text")):
            yield Said(delta["text"])
        elif kind == "thinking_delta" and _string(delta.get("thinking")):
            yield Thought(delta["thinking"])
        elif kind == "signature_delta" and delta.get("signature"):
            yield Thought(token=_minted(delta["signature"]))
        elif kind == "input_json_delta" and index in self._calls and _string(delta.get("partial_json")):
            yield Argued(self._calls[index], delta["partial_json"])

    def finish(self, message: dict[str, Any]) -> Iterable[Piece]:
        word = message.get("stop_reason")
        if isinstance(word, str) and word:
            yield Finished(REASONS.get(word, Reason.STOP), stop=message.get("stop_sequence"))


class MessagesListener:
    """See :class:`lbd.shapes.dialect.Listener`. A watch judges the stream; what it lets pass is read."""

    def __init__(self, _model: str, _choices: int) -> None:
        self._watch = MessagesWatch()
        self._reader = _Reader()

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
        """What the provider said has gone wrong."""
        return self._watch.failure

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
        return self._read(tail), failure

    def _read(self, block: bytes) -> list[Piece]:
        out: list[Piece] = []
        for frame in sse.frames(block) if block else ():
            if frame.data is not None:
                out += self._event(_loads(frame.data))
        return out

    def _event(self, event: dict[str, Any]) -> Iterable[Piece]:
        kind, index = event.get("type"), event.get("index")
        index = index if isinstance(index, int) else 0
        if kind == "message_start":
            yield self._reader.begin(event.get("message") or {})
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
    out = [reader.begin(message)]
    for index, block in enumerate(message["content"]):
        if isinstance(block, dict):
            out += reader.block(index, block)
    out += reader.finish(message)
    if facts.usage is not None:
        out.append(Used(facts.usage))
    return out
