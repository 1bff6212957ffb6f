"""The API listener: the connections of all clients, what they hand over, and which of them end.

What a connection does is in :mod:`lbd.ingress.connection`; what all of them together may hold in
:mod:`lbd.ingress.crowd`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

from lbd.ingress.connection import KEEPALIVE, PARTING, Connection, Handle
from lbd.ingress.crowd import GRACE, Room, longest_idle, most_connections, silent, superfluous
from lbd.ingress.gate import Gate
from lbd.model.units import Instant, Seconds
from lbd.ports import Env

SWEEP_EVERY: Seconds = 1.0
SWEPT_AT_ONCE = 1000  # connections; then others have a turn
A_TURN: Seconds = 0.01  # after which the loop has read whatever had come before
HANDSHAKE: Seconds = 10.0  # for a TLS handshake
SHARE_COMING = 0.5  # as many as this share of the places may be in the middle of a TLS handshake


class Server:
    """Makes a connection for each client; ``handle`` gets every request and answers it."""

    def __init__(
        self,
        handle: Handle,
        env: Env,
        max_body: Callable[[], int],
        keepalive: Callable[[], Seconds] = lambda: KEEPALIVE,
    ) -> None:
        self.handle = handle
        self.env = env
        self.max_body = max_body  # bytes; a reload may change it, and how long a connection may stand idle
        self.keepalive = keepalive
        self.closing = False
        self.connections: set[Connection] = set()
        # accepted, and when; one whose handshake fails goes untold (at once with uvloop, whenever with asyncio's loop)
        self._coming: weakref.WeakKeyDictionary[Connection, Instant] = weakref.WeakKeyDictionary()
        self.gate = Gate(most_connections())
        self.scarce: Callable[[], object] = lambda: None  # told when descriptors are wanting, and while they are
        self._shedding = False
        self._shed_at: Instant = 0.0  # when whoever came before the gate was shut has had the time to ask
        self._withdrawn = 0
        self.room = Room(max_body)

    def __call__(self) -> Connection:
        """Make a connection; the protocol factory of the listening socket, called at each accept."""
        self.look_ahead()
        made = Connection(self)
        made.under = self._withdrawn
        self._coming[made] = self.env.now()
        if len(self._coming) > self.gate.places * SHARE_COMING:
            self._shut()  # else strangers who say nothing hold what the providers of all others need
        return made

    def connected(self, connection: Connection) -> None:
        """Know a new connection; where there are too many, others end that do nothing, or newcomers wait."""
        self.connections.add(connection)
        self._coming.pop(connection, None)
        if self.closing:  # a handshake that was under way: it has its moment, too, and holds the end up no longer
            self.soon(connection.close_if_idle)
        if connection.under != self._withdrawn:  # its handshake took that long
            connection.abort()
        elif self.gate.open and len(self.connections) > self.gate.places:
            ending = superfluous(self.connections, self.gate.places, self.env.now())
            for other in ending:
                other.abort()
            if len(self.connections) - len(ending) > self.gate.places:
                self._shut()

    def left(self, connection: Connection) -> None:
        """Know no more of a connection that was lost."""
        self.connections.discard(connection)
        self._look()

    def _look(self) -> None:
        if self.gate.open:
            return
        if len(self._coming) <= self.gate.places * SHARE_COMING / 2:
            self.gate.look(len(self.connections))

    def look_ahead(self) -> None:
        """A descriptor was taken: if it was the last, make room before an accept fails for it, which ends newcomers."""
        if self.gate.open and not self.gate.spare.left():
            self.make_room()

    def make_room(self) -> None:
        """No descriptor is left: those held back may be used, idle connections give way, newcomers wait meanwhile."""
        if self.gate.open:
            self.scarce()
            self.gate.spare.give()
            self._shut()
            for other in longest_idle(self.connections, self.gate.spare.most + 1, self.env.now()):
                other.abort()

    def _shut(self) -> None:
        self.gate.close()
        self._shed_at = self.env.now() + GRACE
        if not self._shedding:
            self._shedding = True
            self.env.call_at(self._shed_at, self._shed_again)

    def _shed_again(self) -> None:
        """Newcomers wait: close what does nothing, and let them in where that is enough."""
        over = self.env.now() - HANDSHAKE
        for gone in [c for c, since in self._coming.items() if since < over]:
            del self._coming[gone]
        self._look()
        self._shedding = not self.gate.open and not self.closing
        if self._shedding:
            now = self.env.now()
            ending = {*superfluous(self.connections, self.gate.enough, now), *silent(self.connections, now)}
            if not ending and len(self.connections) <= self.gate.enough:  # it is descriptors that are wanting
                self.scarce()
                ending = set(longest_idle(self.connections, 2 * self.gate.spare.most + 1, now))
            for other in ending:
                other.abort()
            # it may have been open meanwhile: then not a whole turn later than need be
            self.env.call_at(self._shed_at if now < self._shed_at else now + GRACE, self._shed_again)

    def withdraw(self) -> None:
        """End what was let in by what no longer lets anybody in: at once, or after the answer that is under way.

        What is in the middle of its handshake ends with that.
        """
        self._withdrawn += 1
        for connection in tuple(self.connections):
            connection.end_soon()

    async def sweep(self) -> None:
        """Close what is idle or slow, for ever."""
        while True:
            await self.env.sleep(SWEEP_EVERY)
            now = self.env.now()
            for i, connection in enumerate(tuple(self.connections), 1):
                connection.sweep(now)
                if i % SWEPT_AT_ONCE == 0:
                    await self.env.sleep(0)

    def part(self) -> None:
        """Begin to end: each next answer says that it is its connection's last, idle ones close after a moment.

        Not at once: the next request of a client that keeps its connection may be on its way, and would be lost.
        """
        self.closing = True
        for connection in tuple(self.connections):
            connection.part()
        self.soon(self._close_idle)

    def soon(self, close: Callable[[], None]) -> None:
        """Close what says nothing for a moment.

        A process that stood still may hear of the time first, and of what came in it at the loop's next turn.
        """
        env = self.env
        env.call_at(env.now() + PARTING, lambda: env.call_at(env.now() + A_TURN, close))

    def _close_idle(self) -> None:
        self._coming.clear()  # they had their moment, however long ago they came
        for connection in tuple(self.connections):
            connection.close_if_idle()

    @property
    def expects(self) -> bool:
        """Tell whether a request may come, or an answer is on its way, on any connection.

        One that was accepted may be made only at the loop's next turn, or after its handshake.
        """
        return bool(self._coming) or any(connection.expects for connection in self.connections)

    def abort(self) -> None:
        """End: close everything."""
        self.gate.spare.give()
        for connection in tuple(self.connections):
            connection.abort()
