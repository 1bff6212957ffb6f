"""Answers of Bedrock's Converse and ConverseStream as pieces.

A stream tells why it ended in ``messageStop`` and what it took in ``metadata``, which is the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Said, Thought, Token, Used
from lbd.model.outcome import Usage
from lbd.shapes import loose, tokens
from lbd.shapes.bedrock import errors, models
from lbd.shapes.bedrock.frames import Framer, Message
from lbd.shapes.chat.usage import count
from lbd.shapes.heard import arguments
from lbd.shapes.loose import items, members, string
from lbd.shapes.messages.hear import REASONS as CLAUDES
from lbd.shapes.wire import NOTHING

REASONS = CLAUDES | {"guardrail_intervened": Reason.FILTER, "content_filtered": Reason.FILTER}
# The model wrote what is neither text nor a call: another try may do better.
MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})


def usage_of(told: object) -> Usage | None:
    """Return token counts, None where there are none. ``inputTokens`` are those that no cache had to do with."""
    fields = members(told)
    fresh, out = count(fields.get("inputTokens")), count(fields.get("outputTokens"))
    read, written = count(fields.get("cacheReadInputTokens")), count(fields.get("cacheWriteInputTokens"))
    if fresh is None and out is None:
        return None
    cached, new = read or 0, written or 0
    return Usage((fresh or 0) + cached + new, out or 0, cached, written=new)


class _Reader:
    """Reads blocks and their pieces; calls are numbered among themselves."""

    def __init__(self, model: str) -> None:
        self._mint = models.mint(model)
        self._calls: dict[object, int] = {}  # index of a block -> number of its call

    def _minted(self, value: object) -> Token | None:
        return tokens.read(value, self._mint) if isinstance(value, str) and value else None

    def call(self, index: object, use: dict[str, Any]) -> Iterable[Piece]:
        """Begin a call; what a tool at the provider did is no business of the client's."""
        if use.get("type") is None:
            number = self._calls[_index(index)] = len(self._calls)
            yield Calling(number, string(use.get("toolUseId")), string(use.get("name")))

    def argued(self, index: object, text: str) -> Iterable[Piece]:
        number = self._calls.get(_index(index))
        if number is not None and text:
            yield Argued(number, text)

    def thought(self, block: dict[str, Any]) -> Iterable[Piece]:
        """Read a thought, in the flat form of a stream."""
        redacted = self._minted(block.get("redactedContent"))
        if redacted is not None:
            yield Thought(token=redacted, redacted=True)
        token, text = self._minted(block.get("signature")), string(block.get("text"))
        if token is not None or text:
            yield Thought(text, token=token)

    def block(self, index: int, block: dict[str, Any]) -> Iterable[Piece]:
        """Read a block of a unary answer."""
        if string(block.get("text")):
            yield Said(block["text"])
        use = members(block.get("toolUse"))
        if use:
            yield from self.call(index, use)
            if use.get("input"):
                yield from self.argued(index, arguments(use["input"]))
        thought = members(block.get("reasoningContent"))
        yield from self.thought(members(thought.get("reasoningText")) | thought)
        for part in items(members(block.get("citationsContent")).get("content")):
            if string(members(part).get("text")):
                yield Said(part["text"])

    def delta(self, index: object, delta: dict[str, Any]) -> Iterable[Piece]:
        if string(delta.get("text")):
            yield Said(delta["text"])
        yield from self.argued(index, string(members(delta.get("toolUse")).get("input")))
        yield from self.thought(members(delta.get("reasoningContent")))


def _index(value: object) -> object:
    return value if isinstance(value, int) else 0


def _finished(told: dict[str, Any]) -> Finished:
    """Return why it ended. Raises LbdError for an answer that is none."""
    word = string(told.get("stopReason"))
    if word in MALFORMED:
        raise LbdError(Failure(FailureKind.BAD_BODY, f"the model's output was malformed: {word}", status=200))
    stop = string(members(told.get("additionalModelResponseFields")).get("stop_sequence"))
    return Finished(REASONS.get(word, Reason.STOP), stop=stop or None)


class ConverseListener:
    """See :class:`lbd.shapes.dialect.Listener`."""

    def __init__(self, model: str, _choices: int) -> None:
        self._framer = Framer()
        self._reader = _Reader(model)
        self._stopped = False
        self._told = False  # metadata came
        self.usage: Usage | None = None
        self.failure: Failure | None = None

    @property
    def done(self) -> bool:
        """Tell whether the end mark came: the metadata, after the end of the message."""
        return self._stopped and self._told

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing."""
        return self.done

    @property
    def finished(self) -> bool:
        """Tell whether the answer has told why it ended."""
        return self._stopped

    def feed(self, data: bytes) -> Sequence[Piece]:
        """Take bytes."""
        out: list[Piece] = []
        if self.done or self.failure is not None:
            return out
        more = all(self._take(message, out) for message in self._framer.feed(data))
        if more and self._framer.broken is not None:
            self.failure = Failure(FailureKind.BAD_BODY, f"the stream cannot be read: {self._framer.broken}")
        return out

    def _take(self, message: Message, out: list[Piece]) -> bool:
        """Read one message as far as it can be read; tell whether more may follow."""
        kind = message.headers.get(":message-type", "event")
        if kind != "event":
            name = message.headers.get(":exception-type") or message.headers.get(":error-code") or ""
            self.failure = errors.in_stream(name, message.payload, message.headers.get(":error-message", ""))
            return False
        try:
            out += self._event(message.headers.get(":event-type", ""), loose.value(message.payload or b"{}"))
        except LbdError as e:
            self.failure = e.failure
        except loose.UNREADABLE as e:
            self.failure = Failure(FailureKind.BAD_BODY, f"an event of the stream cannot be read: {e}")
        return self.failure is None and not self.done

    def _event(self, kind: str, told: object) -> list[Piece]:
        event = members(told)
        index = event.get("contentBlockIndex")
        if kind == "messageStart":
            return [Begin("", "")]
        if kind == "contentBlockStart":
            use = members(members(event.get("start")).get("toolUse"))
            return list(self._reader.call(index, use)) if use else []
        if kind == "contentBlockDelta":
            return list(self._reader.delta(index, members(event.get("delta"))))
        if kind == "messageStop":
            finished = _finished(event)
            self._stopped = True
            return [finished]
        if kind == "metadata":
            self._told = True
            self.usage = usage_of(event.get("usage"))
            return [] if self.usage is None else [Used(self.usage)]
        return []

    def end(self) -> tuple[Sequence[Piece], Failure | None]:
        """The provider closed: the end of the message makes an answer whole, though its usage may be missing."""
        if self.failure is not None or self._stopped:
            return [], self.failure
        if self._framer.pending:
            return [], Failure(FailureKind.BROKEN_STREAM, "the stream was cut in the middle of an event")
        return [], Failure(FailureKind.BROKEN_STREAM, "the stream ended before the answer was finished")


def read(body: bytes, model: str) -> list[Piece]:
    """Return the pieces of a unary answer. Raises LbdError."""
    try:
        told = members(loose.precise(body))
    except loose.UNREADABLE as e:
        raise LbdError(Failure(FailureKind.BAD_BODY, f"the answer is not a message: {e}", status=200)) from e
    content = members(members(told.get("output")).get("message")).get("content")
    if not isinstance(content, list):
        nothing = Failure(FailureKind.BAD_BODY, "the answer has no content", status=200)
        raise LbdError(errors.in_answer(told, body) or nothing)
    reader = _Reader(model)
    out: list[Piece] = [Begin("", "")]
    for index, block in enumerate(content):
        out += reader.block(index, members(block))
    if not content and not told.get("stopReason"):
        raise LbdError(Failure(FailureKind.BAD_BODY, NOTHING, status=200))
    out.append(_finished(told))
    usage = usage_of(told.get("usage"))
    return out if usage is None else [*out, Used(usage)]
