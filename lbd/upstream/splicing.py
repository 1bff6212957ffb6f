"""What becomes of a stream that breaks after its first content: spliced, begun anew, or a typed error.

While a stream flows, the slices that its client gets are kept beside, up to a bound, and looked at only where it
breaks. Then they tell what the client has, and the request runs again somewhere, as any further attempt of a flight
does (:mod:`lbd.state.flight`), but silently: its watch is a :class:`lbd.shapes.splice.SpliceWatch`.

What cannot be compared, what was too much to keep, and what its surface does not want spliced ends in a typed error.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import AfterContent
from lbd.model.units import Instant, Seconds, WallTime
from lbd.shapes import sse
from lbd.shapes.splice import UNSAID, CannotSplice, Point, SpliceWatch
from lbd.shapes.wire import Watch
from lbd.state import flight as flights
from lbd.state.flight import Flight
from lbd.upstream.ticket import Ticket

GRAIN = 32 * 1024  # bytes; so much a stream may keep, and again so much, as long as there is room
MOST_SHOWN = 2 * 1024 * 1024  # bytes kept of one stream: some thousand tokens
MOST_IN_ALL = 256 * 1024 * 1024  # bytes kept of all streams
RESTART = b"lbd.restart"


class Result(StrEnum):
    """What became of a try to go on; the words of the metric."""

    WENT_ON = "went_on"
    RESTARTED = "restarted"
    DIFFERENT = "different"  # the second run was not what the client has
    FAILED = "failed"  # the second run failed before it could go on
    UNSUPPORTED = "unsupported"  # what the client has cannot be compared, or is not known


class Room:
    """What all flights together may keep of what they have shown."""

    def __init__(self, most: int = MOST_IN_ALL) -> None:
        self.left = most

    def take(self, wanted: int) -> bool:
        """Take so many bytes of room; False, and nothing taken, where there are not so many."""
        if wanted > self.left:
            return False
        self.left -= wanted
        return True


def restart(failure: Failure) -> bytes:
    """Return the event that tells a client to drop what it has: the answer begins anew behind it."""
    return sse.encode(orjson.dumps({"type": RESTART.decode(), "reason": failure.kind}), RESTART)


class Splicing:
    """One stream that its client reads. ``shown`` are its slices, None where they are not kept."""

    __slots__ = ("_before", "_point", "_resuming", "_room", "_size", "_taken", "_ticket", "_watch", "results", "shown")

    def __init__(self, room: Room, ticket: Ticket) -> None:
        self._room = room
        self._ticket = ticket
        self._taken = 0  # bytes of room
        self._point: Point | None = None
        self._size = -1  # slices of which the point was read
        self._resuming = False  # the stream broke, and another attempt takes it up
        self._watch: SpliceWatch | None = None  # of that attempt
        self._before = 0  # results, when it broke last
        self.results: list[Result] = []
        spliced = ticket.after_content is AfterContent.SPLICE and ticket.shape.resume is not None
        self.shown: list[bytes] | None = [] if spliced and not UNSAID & ticket.ask.needs else None

    # --- what was shown ------------------------------------------------------------------------------

    def more(self, lacking: int) -> int:
        """Return how many bytes more may be kept, at least ``lacking``; none where that is too much for all."""
        wanted = -(-lacking // GRAIN) * GRAIN
        if self._taken + wanted > MOST_SHOWN or not self._room.take(wanted):
            self.release()
            return 0
        self._taken += wanted
        return wanted

    def release(self) -> None:
        """Forget what was shown."""
        self.shown = None
        self._room.left += self._taken
        self._taken = 0

    def can(self) -> bool:
        """Tell whether another attempt could take the stream up as it stands."""
        return self._ticket.after_content is AfterContent.RESTART or self._read()

    def _read(self) -> bool:
        resume = self._ticket.shape.resume
        if self.shown is None or resume is None:
            return False
        if self._size != len(self.shown):
            self._size = len(self.shown)
            try:
                self._point = resume.read(b"".join(self.shown))
            except CannotSplice:
                self._point = None
        return self._point is not None

    # --- further attempts ----------------------------------------------------------------------------

    @property
    def silent(self) -> bool:
        """Tell whether the client waits for its stream to go on."""
        return self._resuming and (self._watch is None or not self._watch.going)

    def broken(self, flight: Flight, failure: Failure, now: Instant, within: Seconds) -> Flight:
        """Return the flight after a failure that came when the client had content."""
        if self.silent:
            self.results.append(Result.DIFFERENT if failure.kind is FailureKind.DIFFERENT else Result.FAILED)
            self._watch = None
            return flight
        self.served()
        self._resuming, self._before = self.can(), len(self.results)
        if not self._resuming and self._ticket.after_content is AfterContent.SPLICE:
            self.results.append(Result.UNSUPPORTED)
        return flights.broken(flight, failure, now, within=within, resumable=self._resuming)

    def follow(self, inner: Callable[[WallTime], Watch] | None) -> Callable[[WallTime], Watch] | None:
        """Return what makes the watch of the next attempt."""
        point, ticket = self._point, self._ticket
        resume, head = ticket.shape.resume, ticket.body.head
        if inner is None or not self._resuming or point is None or resume is None:
            return inner

        def made(wall: WallTime) -> Watch:
            watch, sign, asked = inner(wall), ticket.shape.keep_alive, ticket.body.raw
            self._watch = SpliceWatch(watch, resume, point, sign=sign, wants_usage=head.include_usage, asked=asked)
            return self._watch

        return made

    def resumed(self, flight: Flight, first: bytes) -> bytes:
        """Return what the client gets when the next attempt has content: behind a notice, where that begins anew."""
        if self._point is not None or flight.broken is None:
            return first
        self._resuming = False
        self.results.append(Result.RESTARTED)
        return restart(flight.broken) + first

    def served(self) -> None:
        """The attempt that took the stream up is over, and the client got more of it."""
        if self._resuming:
            self.results.append(Result.WENT_ON)
        self._resuming, self._watch = False, None

    def over(self, *, gone: bool) -> tuple[str, ...]:
        """The flight is over: forget what was shown, return what became of each try. ``gone``: its client has left."""
        self.release()
        if self._resuming and not gone and len(self.results) == self._before:  # nobody was there to try it
            self.results.append(Result.FAILED)
        return tuple(self.results)
