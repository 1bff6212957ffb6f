"""A stream that broke, taken up by a second run of its request: silent while it repeats what the client has, then on.

The second run comes over whatever wire; its watch judges it as ever, and says it in the client's shape. That is read
for its pieces, as what the client has was, and the pieces are compared (:mod:`lbd.shapes.retold`). What goes on is said
by the shape's own speaker, which stands where the client's stream stands: the same id and model, no second beginning,
the open block open. So the client gets one stream, and what it cannot be told identically ends it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Piece, Used
from lbd.shapes.arguments import Different
from lbd.shapes.dialect import Speaker
from lbd.shapes.following import Following
from lbd.shapes.retold import Comparer, Shown
from lbd.shapes.wire import Watch

# What is asked for, and pieces do not carry: answers with it are not spliced.
UNSAID = frozenset({"audio", "logprobs", "server_tools"})


class CannotSplice(Exception):
    """What a client has cannot be compared, or its stream not taken up: it says what stands in the way."""


@dataclasses.dataclass(frozen=True)
class Point:
    """Where a client's stream stands: what it has, and what makes a speaker that goes on from there."""

    shown: Shown
    speak: Callable[[bool, bytes], Speaker]  # (the client wants usage, what it asked)


@dataclasses.dataclass(frozen=True)
class Resume:
    """How streams of one client shape are taken up."""

    read: Callable[[bytes], Point]  # all that was sent; raises CannotSplice
    hear: Callable[[], Callable[[bytes], Sequence[Piece]]]  # whole events; raises CannotSplice


class SpliceWatch(Following):
    """See :class:`lbd.shapes.wire.Watch`. ``watch`` follows the second run, ``sign`` is what a client ignores.

    It commits with the first content of the second run, though the client has that already: from there on the provider
    is at work, and is held to what holds in the middle of an answer.
    """

    def __init__(
        self, watch: Watch, resume: Resume, point: Point, *, sign: bytes, wants_usage: bool, asked: bytes
    ) -> None:
        super().__init__(watch)
        self._watch = watch
        self._hear = resume.hear()
        self._comparer = Comparer(point.shown)
        self._speaker = point.speak(wants_usage, asked)
        self._sign = sign
        self._said_end = False
        self.failure: Failure | None = None

    @property
    def going(self) -> bool:
        """Tell whether the client gets more than it had."""
        return self._comparer.going or self._said_end

    @property
    def committed(self) -> bool:
        """Tell whether the second run has brought content."""
        return self._watch.committed

    @property
    def contents(self) -> int:
        """Count of its content deltas so far."""
        return self._watch.contents

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return what the client gets of them."""
        if self.failure is not None:
            return b""
        out = self._retell(self._watch.feed(data))
        if not self._watch.whole:  # else it is no fault of the answer
            self.failure = self.failure or self._watch.failure
        if self._watch.committed:
            if self._watch.done and self.failure is None:
                out += self._end()
            sign, self._sign = self._sign, b""
            return sign + out
        return out

    def end(self) -> tuple[bytes, Failure | None]:
        """The provider closed: return what completes the stream, or the failure that this end is."""
        if self.failure is not None:
            return b"", self.failure
        if self._said_end:
            return b"", None
        tail, failure = self._watch.end()
        out = self._retell(tail)
        self.failure = self.failure or failure
        if self.failure is None:
            out += self._end()
        return out, self.failure

    def _retell(self, told: bytes) -> bytes:
        if not told:
            return b""
        try:
            return self._speaker.say(self._comparer.feed(self._hear(told)))
        except Different as e:
            self.failure = _different(str(e))
        except CannotSplice as e:
            self.failure = _different(f"it says what cannot be gone on with: {e}")
        except LbdError as e:
            self.failure = e.failure
        return b""

    def _end(self) -> bytes:
        if self._said_end:
            return b""
        try:
            self._comparer.end()
            if self._watch.usage is not None:
                self._speaker.say((Used(self._watch.usage),))
            out = self._speaker.end()
        except Different as e:
            self.failure = _different(str(e))
            return b""
        except LbdError as e:
            self.failure = e.failure
            return b""
        self._said_end = True
        return out


def _different(why: str) -> Failure:
    return Failure(FailureKind.DIFFERENT, f"the second run differs from what was shown: {why}")
