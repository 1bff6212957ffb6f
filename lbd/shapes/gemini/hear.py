"""Answers of Google's models heard: a stream of events, or one whole answer.

A stream has no end mark: it is whole when every candidate has told why it ended, and the end of the connection
completes it. An error may come as an event, or as bare JSON after the last one, as Google sends it when it takes
the place of a request away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Begin, Piece
from lbd.model.outcome import Usage
from lbd.shapes import loose, sse
from lbd.shapes.chat.plain import BARE, any_error, plain_error
from lbd.shapes.gemini.answer import Reader
from lbd.shapes.gemini.errors import in_band
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.wire import NOTHING

_CALL = b'"functionCall"'
_DONE = b"[DONE]"  # not Google's, but servers that speak like it may end like others


def _read(payload: bytes) -> dict[str, Any]:
    """Return an event or an answer as an object. Raises LbdError."""
    try:
        found = (loose.precise if _CALL in payload else loose.value)(payload)
    except UNREADABLE as e:
        raise LbdError(Failure(FailureKind.BAD_BODY, f"what came is not JSON: {e}", status=200)) from None
    if isinstance(found, list) and found and isinstance(found[0], dict):
        found = found[0]
    if not isinstance(found, dict):
        raise LbdError(Failure(FailureKind.BAD_BODY, "what came is no answer", status=200))
    return found


class GeminiListener:
    """See :class:`lbd.shapes.dialect.Listener`."""

    def __init__(self, _model: str, choices: int) -> None:
        self._choices = max(1, choices)
        self._framer = sse.Framer()
        self._reader = Reader()
        self.done = False
        self.failure: Failure | None = None

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, as far as they were told."""
        return self._reader.usage

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing."""
        return self._reader.finished >= self._choices

    @property
    def finished(self) -> bool:
        """Tell whether every choice has told why it ended."""
        return self.whole

    @property
    def _over(self) -> bool:
        return self.done or self.failure is not None

    def feed(self, data: bytes) -> Sequence[Piece]:
        """Take bytes."""
        if self._over:
            return []
        block = self._framer.feed(data)
        if len(self._framer.tail) > sse.LARGEST_EVENT:
            self._framer.rest()
            text = f"an event of the stream is larger than {sse.LARGEST_EVENT} bytes"
            self.failure = Failure(FailureKind.BAD_BODY, text)
        return self._frames(block)

    def _frames(self, block: bytes) -> list[Piece]:
        out: list[Piece] = []
        for frame in sse.frames(block) if block else ():
            if self._over:
                break
            try:
                out += self._frame(frame)
            except LbdError as e:
                self.failure = e.failure
        return out

    def _frame(self, frame: sse.Frame) -> list[Piece]:
        if frame.error is not None or frame.event == b"error":
            raise LbdError(in_band(any_error(frame.error or frame.data or b"")))
        if frame.data is None:
            bare = frame.raw.strip()
            return self._reader.take(_read(bare)) if bare.startswith(BARE) else []
        payload = frame.data.strip()
        if payload != _DONE:
            told = self._reader.take(_read(payload)) if payload else []
            if not loose.utf8(payload):
                raise LbdError(Failure(FailureKind.BAD_BODY, "an event of the stream is not UTF-8"))
            return told
        if not self._reader.finished:
            raise LbdError(Failure(FailureKind.BAD_BODY, "the stream ended without any finish"))
        self.done = True
        return self._reader.ends()

    def end(self) -> tuple[Sequence[Piece], Failure | None]:
        """The provider closed: candidates that were asked for and never came are not waited for.

        What goes wrong behind a whole answer takes nothing of it away: its reasons and its usage are told all the same.
        """
        if not self._over:
            out, failure = self._last_words()
            if failure is None and not self._reader.finished:
                failure = Failure(FailureKind.BROKEN_STREAM, "the stream ended before the answer was finished")
            self.failure = failure
        else:
            out = []
        return [*out, *(self._reader.ends() if self.failure is None or self.whole else ())], self.failure

    def _last_words(self) -> tuple[list[Piece], Failure | None]:
        """Read what lacks its blank line: it counts only if it is whole, be it an answer's piece or an error."""
        block = self._framer.rest().strip(b"\r\n")
        out = self._frames(block + b"\n\n") if block else []
        failure = self.failure
        if failure is not None and failure.kind is FailureKind.BAD_BODY and not failure.code:
            text = "the stream was cut in the middle of an event"
            failure = None if self._reader.finished else Failure(FailureKind.BROKEN_STREAM, text)
        return out, failure


def read(body: bytes, _model: str) -> list[Piece]:
    """Return the pieces of a unary answer. Raises LbdError."""
    reader = Reader()
    answer = _read(body.removeprefix(loose.BOM))
    out = reader.take(answer)
    if not reader.candidates:
        error = plain_error(body)
        if error is not None:
            raise LbdError(in_band(error))
        raise LbdError(Failure(FailureKind.BAD_BODY, "the answer has no candidates", status=200))
    if not reader.finished and all(isinstance(piece, Begin) for piece in out):
        raise LbdError(Failure(FailureKind.BAD_BODY, NOTHING, status=200))
    return [*out, *reader.ends()]
