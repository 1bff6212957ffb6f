"""Which requests were at a server together, and when those that came before one have left.

A server with slots takes requests in the order in which they came. So where it has ``slots``, one that found so many or
more before it began when all but ``slots - 1`` of these had left, whatever happened after it: for each number of slots
the instant is known at which the server began with it, and how long it then worked.

Of those sent in the same moment (:mod:`lbd.state.moment`) it is not known who came first; who was answered first is
taken for that.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from lbd.model.units import Instant, Seconds, Tokens
from lbd.state.moment import Moment

KEPT = 48  # answers from which is learned, where many are there
ROUND = 16  # are kept of as many answers as are there: those that are kept show several rounds
MOST = 256  # requests inside that are told apart: a server that holds so many is not short of slots


class Stay:
    """A request that is there. ``left``: when those that came before it have left since, in that order.

    Once it is over, ``ended`` is when, and ``beside`` how many were there up to then, itself included.
    """

    __slots__ = ("beside", "came", "ended", "left", "moment")

    def __init__(self, moment: Moment, came: Instant) -> None:
        self.moment = moment
        self.came = came
        self.left: list[Instant] = []
        self.ended = came
        self.beside = 1


class Served(NamedTuple):
    """A request that was there, and was answered.

    ``before``: how many were there already when it came, and ``left`` when each of them left, as far as that was before
    its own end. ``beside``: how many were there at its end, itself included. ``read``: tokens of its prompt that had to
    be read; ``written``: of its answer.
    """

    came: Instant
    ended: Instant
    before: int
    left: tuple[Instant, ...]
    beside: int
    read: Tokens
    written: Tokens

    def worked_s(self, slots: int) -> Seconds:
        """Return how long the server worked on it if it has so many slots: 0 where it cannot have begun at all."""
        freed = self.before - slots
        if freed < 0:
            return self.ended - self.came
        return self.ended - self.left[freed] if freed < len(self.left) else 0.0


class Stays:
    """Those that are there now, and the last that were answered.

    ``fresh``: how many of these nobody looked at yet; ``since``: how many were answered since then, kept or not.
    """

    __slots__ = ("_inside", "_passed", "answered", "fresh", "looked_at", "since")

    def __init__(self) -> None:
        self._inside: dict[Stay, None] = {}
        self.answered: deque[Served] = deque(maxlen=KEPT)
        self.fresh = 0
        self.since = 0
        self._passed = 0
        self.looked_at: Instant = 0.0

    def came(self, moment: Moment, now: Instant) -> Stay | None:
        """Note a request that is sent now, in the last moment that there was."""
        if len(self._inside) >= MOST:
            return None
        stay = Stay(moment, now)
        self._inside[stay] = None
        return stay

    def ended(self, stay: Stay, now: Instant) -> None:
        """Note that it is not there any more."""
        stay.ended, stay.beside = now, len(self._inside)
        del self._inside[stay]
        for other in reversed(self._inside):
            if other.moment.at < stay.moment.at:
                break
            other.left.append(now)

    def answer(self, stay: Stay, before: int, read: Tokens, written: Tokens) -> None:
        """Note that one which is over was answered, and what the answer was."""
        self.since += 1
        self._passed += ROUND
        if self._passed <= before:
            return
        self._passed = 0
        left = tuple(stay.left[:before])
        self.answered.append(Served(stay.came, stay.ended, before, left, stay.beside, read, written))
        self.fresh += 1

    def look(self, now: Instant) -> tuple[int, int]:
        """Note that somebody looks; return ``fresh`` and ``since``."""
        told = min(self.fresh, len(self.answered)), self.since
        self.fresh = self.since = 0
        self.looked_at = now
        return told

    def forget(self, before: int) -> None:
        """Forget answers that found so many there, or more: whether that was too many is tried again."""
        if any(answer.before >= before for answer in self.answered):
            self.answered = deque((answer for answer in self.answered if answer.before < before), maxlen=KEPT)
