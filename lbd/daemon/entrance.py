"""Who was accepted is let in once its TLS handshake is over, unless what it began under lets nobody in any more.

A loop makes the protocol of a connection when it accepts it, with the certificates of that moment, and the client may
take its time over the handshake. The API's listener knows its connections from then on; those of others are made here,
and only known once they stand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Entrance:
    """A protocol factory before another, ``make``, which is called once a connection stands."""

    def __init__(self, make: Callable[[], asyncio.BaseProtocol]) -> None:
        self.make = make
        self.withdrawn = 0

    def __call__(self) -> asyncio.Protocol:
        """Make what waits for the handshake of a connection that was accepted now."""
        return _Entering(self)

    def withdraw(self) -> None:
        """Whoever was accepted before and does not stand yet ends with its handshake."""
        self.withdrawn += 1


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
