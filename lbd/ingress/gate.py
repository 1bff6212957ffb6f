"""When newcomers have to wait: there is nothing left to serve them with, and the kernel keeps them in line meanwhile.

Two things run out. Descriptors: uvloop takes a connection for which it finds none and closes it at once, so a few are
held back here; when an accept leaves none free, those are given up for it and for what is under way, connections on
which nothing happens are closed, the oldest first, and nobody is accepted until they are held back again. And places:
each request needs a second descriptor, for its provider, so that there are only so many; where all of them are taken by
requests under way, whoever comes next waits for one to end.

Whoever waits has connected, as far as it can tell: up to the listener's backlog nobody is refused.
"""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable

MOST_HELD = 64  # descriptors that are held back
SHARE_HELD = 1 / 16  # of all, where that is less
SHARE_FREE = 0.01  # of the places that have to be free again: listeners are not closed and opened for each request


class Spare:
    """Descriptors that are held back for when there are none."""

    def __init__(self) -> None:
        soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = MOST_HELD if soft == resource.RLIM_INFINITY else min(MOST_HELD, int(soft * SHARE_HELD))
        self._held: list[int] = []

    def take(self) -> bool:
        """Hold back as many as there should be; tells whether as many again are left. Else it holds none.

        What is under way needs them more then; and to accept takes some: the listeners' own, and the next newcomers'.
        """
        try:
            while len(self._held) < 2 * self.most:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            self.give()
            return False
        self._free(self.most)
        return True

    def give(self) -> None:
        """Let them be used."""
        self._free(0)

    def _free(self, left: int) -> None:
        while len(self._held) > left:
            os.close(self._held.pop())

    @staticmethod
    def left() -> bool:
        """Tell whether a descriptor is free. Costs two system calls."""
        try:
            os.close(os.dup(2))
        except OSError as e:
            return e.errno != errno.EMFILE
        return True


class Gate:
    """Open, or shut while newcomers wait. ``turned`` is told of each change; it may be called inside an accept."""

    def __init__(self, places: int, spare: Spare | None = None) -> None:
        self.places = places
        self.spare = Spare() if spare is None else spare
        self.open = True
        self.turned: Callable[[], None] = lambda: None

    @property
    def enough(self) -> int:
        """Return with how many connections newcomers are let in again."""
        return self.places - max(1, int(self.places * SHARE_FREE))

    def close(self) -> None:
        """Let newcomers wait."""
        if self.open:
            self.open = False
            self.turned()

    def look(self, count: int) -> None:
        """Let newcomers in again, where there are few enough connections, and descriptors to hold back."""
        if not self.open and count <= self.enough and self.spare.take():
            self.open = True
            self.turned()
