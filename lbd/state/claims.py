"""Claims on an account's rate limits: what those take who wait for room under them.

In which order they go is the queue's to say (:mod:`lbd.state.waiting`). What those before a request take is not free
for it, so that a large request is not overtaken by small ones for ever, and whoever comes later is told truly how long
it would wait.
"""

from __future__ import annotations

from typing import NamedTuple

from lbd.state.need import NOBODY, NOTHING, Ahead, Need

ONE = Need()


class Bid(NamedTuple):
    """What a request takes, and how many who wait go before it.

    ``rank`` is 0 of interactive, 1 of background work, ``ticket`` that of its own claim, 0 where it has none.
    """

    need: Need = ONE
    ahead: int = 0
    rank: int = 0
    ticket: int = 0


ANY = Bid()


class Claims:
    """The claims on one account."""

    def __init__(self) -> None:
        self._waiting: dict[int, Need] = {}
        self._sum = NOTHING
        self._last = 0
        self._next: tuple[int, int] | None = None  # whose turn it is: rank and ticket

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, need: Need) -> int:
        """Note somebody who waits; return the ticket."""
        self._last += 1
        self._waiting[self._last] = need
        self._sum = self._sum.plus(need)
        return self._last

    def leave(self, ticket: int) -> None:
        """Forget it. Twice is harmless."""
        need = self._waiting.pop(ticket, None)
        if self._next is not None and self._next[1] == ticket:
            self._next = None
        if need is not None:
            self._sum = self._sum.minus(need) if self._waiting else NOTHING

    def lead(self, bid: Bid) -> None:
        """Note that it is this one's turn, and that it has to wait for room: nobody else of its rank goes before it."""
        if self._next is None or bid.rank < self._next[0]:
            self._next = bid.rank, bid.ticket

    def before(self, bid: Bid) -> Ahead:
        """Return what those take who go before this one: of some of many, their usual part."""
        waiting, first = self._waiting, self._next
        if not waiting or (first is not None and first[1] == bid.ticket):
            return NOBODY
        one = NOTHING if first is None or first[0] > bid.rank else waiting[first[1]]
        if not bid.ahead:
            return Ahead(NOTHING, one)
        if bid.ahead >= len(waiting):
            return Ahead(self._sum, one)
        part = bid.ahead / len(waiting)
        # nobody knows which they are: whoever is let in before others leaves room for each of them
        largest = Need(*map(max, zip(*waiting.values(), strict=True)))
        return Ahead(Need(*(part * all_of for all_of in self._sum)), largest)
