"""Following an event stream whose bytes go on as they came: framed, held until its first content, bounded.

What an event means is the shape's own; what its reader refuses is a failure, and never reaches a client as if it were
an answer.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.model.units import WallTime
from lbd.shapes import alike, loose, sse
from lbd.shapes.chat.errors import in_band
from lbd.shapes.chat.plain import BARE, any_error, bare

# Frames before the first content (role, keep-alive comments) are held so far; beyond it only events with data.
HELD_COMMENTS = 16 * 1024
MOST_HELD = sse.LARGEST_EVENT  # bytes of all that is held; what says so much and nothing is no answer
_CR = 0x0D
_FIELD = re.compile(rb"(?:^|[\r\n])[^:\r\n]")  # a line that is no comment
_NAME = 64  # bytes within which an event's name ends


def _after_name(block: bytes) -> int:
    """Return where the data of an event begins whose first line is its name, 0 where it is not so plain."""
    end = block.find(b"\n", 0, _NAME)
    plain = (
        block.startswith(b"event: ") and not block.startswith(b"event: error") and block.startswith(b"data: ", end + 1)
    )
    return end + 7 if plain and end > 0 else 0


def _sound(frames: Iterable[sse.Frame]) -> bytes:
    """Return events as they came, without a byte order mark: the official SDKs would lose the first event to it."""
    return b"".join([frame.raw.removeprefix(loose.BOM) for frame in frames])


def _stray(frame: sse.Frame) -> bool:
    """Tell whether an event without data is none at all, but what stands in the place of one."""
    return frame.raw.removeprefix(loose.BOM).lstrip().startswith(BARE)


class HeldStream(ABC):
    """Most of a :class:`lbd.shapes.wire.Watch`: a shape adds how an event is read, and when all has come."""

    END: ClassVar[bytes]  # what completes a stream whose end mark was lost
    TEXTS: ClassVar[Sequence[bytes]] = ()  # the keys that the text of an event stands behind
    __slots__ = (
        "_foot",
        "_framer",
        "_head",
        "_held",
        "_held_size",
        "_late",
        "_luck",
        "committed",
        "contents",
        "done",
        "failure",
        "finished",
        "usage",
    )

    def __init__(
        self,
        _choices: int = 1,
        _hide_usage: bool = False,
        *,
        wants_usage: bool = False,  # noqa: ARG002  most shapes tell it in every stream
        wall: WallTime = 0.0,  # noqa: ARG002
        asked: bytes = b"",  # noqa: ARG002
    ) -> None:
        self._framer = sse.Framer()
        self._held: list[bytes] = []
        self._held_size = 0
        self._head = self._foot = b""  # what stands around the text of an event, see alike
        self._luck = alike.Luck()
        self.committed = False
        self.finished = False  # every choice has told why it ended
        self.done = False
        self.usage: Usage | None = None
        self.failure: Failure | None = None
        self._late: Failure | None = None  # one that is told at the next look
        self.contents = 0

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing."""
        return self.finished

    @abstractmethod
    def _event(self, payload: bytes) -> bool:
        """Read one event's data; tell whether the event goes on to the client."""

    def _text(self, payload: bytes) -> str | None:  # noqa: ARG002
        """Return the text that an event brings, None if it says anything beside it."""
        return None

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return those to forward (none before the first content)."""
        head = self._head
        if (
            head
            and data.startswith(head)
            and data.endswith(self._foot)
            and alike.plain(data, len(head), len(data) - len(self._foot))
            and not self._framer.tail
        ):
            self.contents += 1
            return data
        self._head = b""
        return self._read(data)

    def _read(self, data: bytes) -> bytes:
        block = self._framer.feed(data)
        if self._late is not None:
            self._told()
        if not block or self.done or self.failure is not None:
            if len(self._framer.tail) > sse.LARGEST_EVENT:
                self._overflow(f"an event of the stream is larger than {sse.LARGEST_EVENT} bytes")
            return b""
        # the common case: one event in one read, with its data on one line, named or not
        at = 6 if block.startswith(b"data: ") else _after_name(block)
        if at and block.find(b"\n", at) == len(block) - 2 and _CR not in block and loose.utf8(block):
            before = self.contents
            out = block if self._event(block[at:-2]) else b""
            if self.committed and not self._held:
                if self.contents != before and not self.done and self.failure is None:
                    self._look(block, at)
                return out
            self._held_size += len(out)
            return self._release(out)
        before = self.committed
        out = _sound(f for f in sse.frames(block) if self._keep(f))
        if not before:
            self._put_off()
        return self._release(out)

    def _put_off(self) -> None:
        """Keep back what went wrong behind an answer that came whole in the same read, so that this goes out first."""
        if self.failure is not None and self.whole:
            self._late, self.failure = self.failure, None

    def _told(self) -> None:
        """Tell of what was kept back."""
        if self._late is not None:
            self.failure, self._late = self._late, None

    def _look(self, block: bytes, at: int) -> None:
        """Remember what stands around the text of an event, if there is nothing but a text in it."""
        if self.TEXTS and self._luck.try_at(self.contents):
            found = alike.around(block[at:-2], self.TEXTS, self._text)
            if found is not None:
                self._head, self._foot = block[:at] + found.head, found.foot + block[-2:]

    def _keep(self, frame: sse.Frame) -> bool:
        if self.done or self.failure is not None:
            return False
        if frame.error is not None or frame.event == b"error":
            self.failure = in_band(any_error(frame.error or frame.data or b""))
            return False
        if frame.data is None and _stray(frame):
            self.failure = bare(frame.raw)
            return False
        if frame.data is None and not self.committed and self._held_size >= HELD_COMMENTS:
            return False
        # an id or a retry alone is no event, but OpenAI's own client takes it for one, and fails at its lack of data
        if frame.data is None and _FIELD.search(frame.raw.removeprefix(loose.BOM)):
            return False
        if not loose.utf8(frame.raw):
            self._garbled(frame.data)
            return False
        if frame.data is not None and not self._event(frame.data):
            return False
        self._held_size += len(frame.raw)
        return True

    def _garbled(self, payload: bytes | None) -> None:
        """Refuse an event that is no UTF-8, unless it is a comment; an error in it is told as far as it can be read."""
        if payload is None:
            return
        finished = self.finished
        self._event(payload)
        self.finished, self.done = finished, False  # nothing of it goes on
        if self.failure is None:
            self.failure = Failure(FailureKind.BAD_BODY, "an event of the stream is not UTF-8")

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

    def end(self) -> tuple[bytes, Failure | None]:
        """The provider closed: return what completes the stream, or the failure that this end is.

        A finish makes the answer whole even where the end mark is missing; without one it was cut. Where the client
        asked for usage, the finish is not the last that it waits for.
        """
        self._told()
        if self.failure is not None:  # what went wrong behind an answer that is whole is no fault of the answer
            return (self.END, None) if self.whole and self.committed else (b"", self.failure)
        if self.done and self.committed:
            return b"", None
        more, broken = self._last_words()
        if broken is not None and broken.kind is not FailureKind.BROKEN_STREAM:
            return b"", broken
        if self.done and self.committed:
            return more, None
        if self.whole:
            return more + self.END, None
        if broken is not None:
            return b"", broken
        if self.done:
            return b"", Failure(FailureKind.BAD_BODY, "the stream ended without any content or finish")
        lacks = "its usage was told" if self.finished else "the answer was finished"
        return more, Failure(FailureKind.BROKEN_STREAM, f"the stream ended before {lacks}")

    def _last_words(self) -> tuple[bytes, Failure | None]:
        """Read what lacks its blank line: it counts only if it is whole, be it an answer's piece or an error."""
        block = self._framer.rest()
        if not block.endswith(b"\r\r"):  # of a stream of CRs the blank line is certain only now, and stays as it is
            block = block.rstrip(b"\r\n") + b"\n\n"
        found = sse.frames(block)
        if all(frame.data is None and frame.error is None and not _stray(frame) for frame in found):
            return b"", None
        more = self._release(_sound(f for f in found if self._keep(f)))
        if self.failure is not None and self.failure.kind is FailureKind.BAD_BODY:
            self.failure = None
            return more, Failure(FailureKind.BROKEN_STREAM, "the stream was cut in the middle of an event")
        return more, self.failure
