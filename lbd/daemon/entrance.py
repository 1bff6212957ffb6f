"""Who was accepted is let in once its TLS handshake is over, unless what it began under lets nobody in any more.

And others leave where there are too many: whoever opens connections to the admin API and says nothing on them must not
take the descriptors that requests and their providers need, nor keep operators out.

A loop makes the protocol of a connection when it accepts it, with the certificates of that moment, and the client may
take its time over the handshake. The API's listener knows its connections from then on; those of others are made here,
and only known once they stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

MOST = 128  # connections that may stand: scrapers, scripts and some dozens of open pages
MOST_BUSY = 64  # more, while something is answered on them


class Guest(Protocol):
    """A connection that stands."""

    def close(self) -> None:
        """Close it, after the answer that is under way."""

    def force_close(self) -> None:
        """Close it now."""


class Entrance:
    """A protocol factory before another, ``make``, which is called once a connection stands.

    ``guests`` returns those that stand, the oldest first: where there are too many, the oldest leave.
    """

    def __init__(
        self, make: Callable[[], asyncio.BaseProtocol], guests: Callable[[], Sequence[Guest]] = lambda: ()
    ) -> None:
        self.make = make
        self.withdrawn = 0
        self._guests = guests

    def __call__(self) -> asyncio.Protocol:
        """Make what waits for the handshake of a connection that was accepted now."""
        return _Entering(self)

    def withdraw(self) -> None:
        """Whoever was accepted before and does not stand yet ends with its handshake."""
        self.withdrawn += 1

    def make_room(self) -> None:
        """End the oldest of too many connections: one that waits for a request leaves at once."""
        guests = self._guests()
        for guest in guests[: max(0, len(guests) - MOST)]:
            guest.close()
        for guest in guests[: max(0, len(guests) - MOST - MOST_BUSY)]:
            guest.force_close()


class _Entering(asyncio.Protocol):
    """The protocol of one connection until it stands."""

    __slots__ = ("_entrance", "_under")

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._under = entrance.withdrawn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        standing: asyncio.Transport = transport  # type: ignore[assignment]  # uvloop's are none by class
        if self._under != self._entrance.withdrawn:
            standing.abort()
            return
        protocol = self._entrance.make()
        standing.set_protocol(protocol)
        protocol.connection_made(standing)
        self._entrance.make_room()
