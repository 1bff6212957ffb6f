"""Hearing a provider out whose stream a watch can follow: the watch judges it, and what it lets pass is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Piece
from lbd.shapes import loose, sse
from lbd.shapes.following import Following
from lbd.shapes.held import HeldStream


def loads(data: bytes, read: Callable[[bytes], Any] = loose.value) -> dict[str, Any]:
    """Return what a watch has read before. Raises LbdError for what is nested deeper than can be followed."""
    try:
        out: dict[str, Any] = read(data)
    except loose.UNREADABLE as e:
        raise LbdError(Failure(FailureKind.BAD_BODY, f"the answer cannot be read: {e}", status=200)) from None
    return out


def arguments(given: dict[str, Any]) -> str:
    """Return the arguments of a call as JSON again, which reads deeper nesting than it writes. Raises LbdError."""
    try:
        return loose.written(given).decode()
    except TypeError:
        why = "the arguments of a tool call are nested too deep"
        raise LbdError(Failure(FailureKind.BAD_BODY, why, status=200)) from None


class WatchedListener(Following, ABC):
    """Most of a :class:`lbd.shapes.dialect.Listener`: a shape adds what an event says."""

    def __init__(self, watch: HeldStream) -> None:
        super().__init__(watch)
        self._watch = watch
        self._failure: Failure | None = None

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing, and all that came could be read."""
        return self._failure is None and self._watch.whole

    @property
    def finished(self) -> bool:
        """Tell whether every choice has told why it ended, and all that came could be read."""
        return self._failure is None and self._watch.finished

    @property
    def failure(self) -> Failure | None:
        """What the provider said has gone wrong, or that it sent what cannot be read."""
        return self._failure or self._watch.failure

    def feed(self, data: bytes) -> Sequence[Piece]:
        """Take bytes."""
        return self._read(self._watch.feed(data))

    def end(self) -> tuple[Sequence[Piece], Failure | None]:
        """The provider closed. Where an answer itself is complete, and only its count is missing, it is whole."""
        tail, failure = self._watch.end()
        if failure is not None and failure.kind is FailureKind.BROKEN_STREAM and self._watch.finished:
            failure = None
        return self._read(tail), self._failure or failure

    def _read(self, block: bytes) -> list[Piece]:
        out: list[Piece] = []
        try:
            for frame in sse.frames(block) if block and self._failure is None else ():
                if frame.data is not None and frame.data.strip() != b"[DONE]":
                    out += self._event(self._load(frame.data))
        except LbdError as e:  # what came before it was good
            self._failure = e.failure
        return out

    def _load(self, data: bytes) -> dict[str, Any]:
        """Return an event's data as an object. Raises LbdError."""
        return loads(data)

    @abstractmethod
    def _event(self, event: dict[str, Any]) -> Iterable[Piece]:
        """Return what an event says."""
