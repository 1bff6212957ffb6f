"""Answers of Anthropic's Messages API as pieces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lbd.model.failure import LbdError
from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Said, Thought, Token, Used
from lbd.shapes import loose, tokens
from lbd.shapes.heard import WatchedListener, arguments, loads
from lbd.shapes.loose import string
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
            yield Begin(string(message.get("id")), string(message.get("model")))

    def block(self, index: int, block: dict[str, Any]) -> Iterable[Piece]:
        kind = block.get("type")
        if kind == "text" and string(block.get("text")):
            yield Said(block["text"])
        elif kind == "thinking":
            text, token = string(block.get("thinking")), _minted(block.get("signature"))
            if text or token is not None:
                yield Thought(text, token=token)
        elif kind == "redacted_thinking":
            if token := _minted(block.get("data")):
                yield Thought(token=token, redacted=True)
        elif kind == "tool_use":
            number = self._calls[index] = self._count
            self._count += 1
            yield Calling(number, string(block.get("id")) or f"toolu_{number}", string(block.get("name")))
            if isinstance(block.get("input"), dict) and block["input"]:
                yield Argued(number, arguments(block["input"]))

    def delta(self, index: int, delta: dict[str, Any]) -> Iterable[Piece]:
        kind = delta.get("type")
        if kind == "text_delta" and string(delta.get("text")):
            yield Said(delta["text"])
        elif kind == "thinking_delta" and string(delta.get("thinking")):
            yield Thought(delta["thinking"])
        elif kind == "signature_delta" and (token := _minted(delta.get("signature"))):
            yield Thought(token=token)
        elif kind == "input_json_delta" and index in self._calls and string(delta.get("partial_json")):
            yield Argued(self._calls[index], delta["partial_json"])

    def finish(self, message: dict[str, Any]) -> Iterable[Piece]:
        word = message.get("stop_reason")
        if word and not self._finished:
            self._finished = True
            reason = REASONS.get(word, Reason.STOP) if isinstance(word, str) else Reason.STOP
            yield Finished(reason, stop=string(message.get("stop_sequence")) or None)


class MessagesListener(WatchedListener):
    """See :class:`lbd.shapes.dialect.Listener`."""

    def __init__(self, _model: str, _choices: int) -> None:
        super().__init__(MessagesWatch())
        self._reader = _Reader()

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
    message, reader = loads(body.removeprefix(loose.BOM), loose.precise), _Reader()
    out = list(reader.begin(message))
    for index, block in enumerate(message["content"]):
        if isinstance(block, dict):
            out += reader.block(index, block)
    out += reader.finish(message)
    if facts.usage is not None:
        out.append(Used(facts.usage))
    return out
