"""Accepting on listening sockets: with the certificate that holds now, and not while newcomers have to wait.

The sockets stay what they are, and their queues in the kernel with them; each listener of the loop has a duplicate of
one. So listeners may come and go without anybody being turned away: the old and the new accept from the same queue, and
whoever connects while there is none waits in it.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from lbd.daemon import listen
from lbd.ingress.server import HANDSHAKE
from lbd.model.units import Seconds

AGAIN: Seconds = 0.1  # until it is tried again to accept, where what is under way took the last descriptors

Spawn = Callable[[str, Coroutine[Any, Any, None]], object]


class Accepting:
    """See the module. ``make`` makes the protocol of each connection; unix sockets speak no TLS."""

    def __init__(
        self, make: Callable[[], asyncio.BaseProtocol], sockets: Sequence[socket.socket], spawn: Spawn
    ) -> None:
        self._make = make
        self._sockets = sockets
        self._spawn = spawn
        self._listeners: list[asyncio.Server] = []
        self._turning = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._wanted = True  # to accept
        self._ended = False
        self.context: ssl.SSLContext | None = None  # that it speaks TLS with

    async def begin(self, context: ssl.SSLContext | None) -> None:
        """Accept from now on, with this certificate; connections that stand are left alone.

        Raises OSError where no descriptor is left for it; then it goes on as before.
        """
        async with self._turning:
            if self._ended or (self._listeners and context is None and self.context is None):
                return
            if self._wanted:
                await self._replace(context)
            self.context = context

    async def _replace(self, context: ssl.SSLContext | None) -> None:
        made: list[asyncio.Server] = []
        try:
            for sock in self._sockets:
                made += [await self._listener(sock, context)]
        except OSError:
            _close(made)
            raise
        before, self._listeners = self._listeners, made
        _close(before)
        if self._ended:
            self.end()
        self._pause()  # it may have been asked for meanwhile

    async def _listener(self, sock: socket.socket, context: ssl.SSLContext | None) -> asyncio.Server:
        secured = None if sock.family == socket.AF_UNIX else context
        own = sock.dup()
        try:
            return await self._loop.create_server(
                self._make,
                sock=own,
                backlog=listen.BACKLOG,
                ssl=secured,
                ssl_handshake_timeout=None if secured is None else HANDSHAKE,
            )
        except OSError:
            own.close()
            raise

    def turn(self, *, open_: bool) -> None:
        """Accept, or let newcomers wait in the kernel's queue; soon, for this may be called inside an accept."""
        self._wanted = open_
        if not open_:
            self._loop.call_soon(self._pause)
        elif not self._ended:
            self._spawn("accept", self._resume())

    def _pause(self) -> None:
        if not self._wanted:
            before, self._listeners = self._listeners, []
            _close(before)

    async def _resume(self) -> None:
        async with self._turning:
            if self._wanted and not self._ended and not self._listeners:
                try:
                    await self._replace(self.context)
                except OSError:  # nobody else would try: the gate is open
                    self._loop.call_later(AGAIN, self._again)

    def _again(self) -> None:
        if self._wanted:
            self.turn(open_=True)

    @property
    def accepts(self) -> bool:
        """Tell whether newcomers are accepted."""
        return bool(self._listeners)

    @property
    def waited_for(self) -> bool:
        """Tell whether somebody who will be accepted is in a queue yet: a turn of the loop may take just one of it."""
        queues = select.poll()
        for sock in self._sockets if self._listeners else ():
            queues.register(sock, select.POLLIN)
        return bool(queues.poll(0))

    def end(self) -> None:
        """Accept no more; whoever still waits in the queue is told so by the kernel."""
        self._ended = True
        _close(self._listeners)
        self._listeners = []
        for sock in self._sockets:
            sock.close()


def _close(listeners: Sequence[asyncio.Server]) -> None:
    for listener in listeners:
        listener.close()
