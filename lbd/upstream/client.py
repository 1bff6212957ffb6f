"""lbd's own HTTP/1.1 client: connections to providers are made, kept while they are idle, and used again.

It exists because a balancer needs from its client what no client library tells: exact phases, a verdict on
stale keep-alive connections, cancellation that closes at once, and bytes by callback. aiohttp's client costs
a third of a request's CPU; this one costs a write and a parse.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohappyeyeballs

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.units import Instant
from lbd.ports import Endpoint, Env, Origin, Receiver
from lbd.upstream import here, sockets
from lbd.upstream.connection import Connection
from lbd.upstream.names import Names
from lbd.upstream.pool import Pool

SWEEP_EVERY = 1.0
SHORT_OF = 1.0  # seconds that a new connection waits for a descriptor or a port
TRY_AGAIN = 0.05
STAGGER = 0.25  # seconds until the next address of a name is tried beside the one before


class Client:
    """A :class:`lbd.ports.Transport` on pooled connections of its own."""

    def __init__(self, env: Env, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._env = env
        self._loop = loop or asyncio.get_running_loop()
        self._pool: Pool[Connection] = Pool()
        self._contexts: dict[str | None, tuple[int, ssl.SSLContext]] = {}
        self._sweeping = False
        self.resolve = Names(env, self._loop).of
        self.short: Callable[[Failure], object] = lambda _: None  # told when this host is short of something
        self.taken: Callable[[], object] = lambda: None  # told when a connection has taken a descriptor
        self.now = env.now

    def reuse(self, endpoint: Endpoint, body: bytes, receiver: Receiver) -> Connection | None:
        """Send on an idle connection at once; None where there is none."""
        while (connection := self._pool.take(endpoint.origin, self._env.now())) is not None:
            if not connection.spoken:
                connection.start(endpoint, body, receiver, reused=True)
                return connection
            connection.close()
        return None

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: Instant) -> Connection:
        """Send on a new connection, which must stand by ``by``.

        While this host is short of something, what others give back is waited for, and idle connections give way.
        """
        until = min(by, self._env.now() + SHORT_OF)
        while True:
            try:
                connection = await self._connect(endpoint.origin, by)
                break
            except LbdError as e:
                if e.failure.kind is not FailureKind.LOCAL:
                    raise
                self.short(e.failure)
                if self._env.now() + TRY_AGAIN > until:
                    raise
            await self._env.sleep(TRY_AGAIN)
            kept = self.reuse(endpoint, body, receiver) if endpoint.pool else None
            if kept is not None:
                return kept
            for idle in self._pool.clear():
                idle.close()
        connection.start(endpoint, body, receiver, reused=False)
        return connection

    async def _connect(self, origin: Origin, by: Instant) -> Connection:
        limit = min(origin.connect_timeout_s, max(0.001, by - self._env.now()))
        try:
            context = self._context(origin) if origin.scheme == "https" else None
        except OSError as e:  # ssl.SSLError is one
            raise LbdError(here.untrusted(e, f"ca_file {origin.ca_file}: {e.strerror or e}")) from None
        try:
            async with asyncio.timeout(limit):
                sock = await self._race(origin)
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self, origin),
                    sock=sock,
                    ssl=context,
                    server_hostname=origin.host if context is not None else None,
                )
        except TimeoutError:
            text = f"no connection to {origin.authority} within {limit:.2f} s"
            raise LbdError(Failure(FailureKind.CONNECT_TIMEOUT, text)) from None
        except ssl.SSLError as e:
            raise LbdError(here.untrusted(e, f"TLS with {origin.authority}: {e.reason or e}")) from None
        except (OSError, UnicodeError) as e:
            raise LbdError(here.unreached(e, origin.authority)) from None
        return connection

    async def _race(self, origin: Origin) -> socket.socket:
        """Return a connected socket: the first of the name's addresses that answers (RFC 8305). Raises OSError."""
        infos = await self.resolve(origin.host, origin.port)
        delay = STAGGER if len(infos) > 1 else None
        task = asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        sock = await aiohappyeyeballs.start_connection(
            infos, happy_eyeballs_delay=delay, interleave=1, loop=self._loop, socket_factory=self._socket
        )
        if task is not None and task.cancelling() > cancelled:  # lost, where it came while the slower ones were stopped
            sock.close()
            raise asyncio.CancelledError
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _socket(self, info: aiohappyeyeballs.AddrInfoType) -> socket.socket:
        made = sockets.new(info)
        self.taken()
        return made

    def _context(self, origin: Origin) -> ssl.SSLContext:
        file = origin.ca_file
        changed = 0 if file is None else Path(file).stat().st_mtime_ns  # authorities are replaced while lbd runs
        known = self._contexts.get(file)
        if known is not None and known[0] == changed:
            return known[1]
        context = ssl.create_default_context(cafile=file)
        context.set_alpn_protocols(["http/1.1"])
        self._contexts[file] = (changed, context)
        return context

    def idle(self, connection: Connection, keepalive_s: float) -> None:
        """Take a connection into the pool."""
        surplus = self._pool.put(connection.origin, connection, self._env.now() + keepalive_s)
        if surplus is not None:
            surplus.close()
        if not self._sweeping:
            self._sweeping = True
            self._env.call_at(self._env.now() + SWEEP_EVERY, self._sweep)

    def _sweep(self) -> None:
        for connection in self._pool.expired(self._env.now()):
            connection.close()
        self._sweeping = len(self._pool) > 0
        if self._sweeping:
            self._env.call_at(self._env.now() + SWEEP_EVERY, self._sweep)

    def gone(self, connection: Connection) -> None:
        """Forget an idle connection that the server closed."""
        self._pool.drop(connection.origin, connection)

    async def close(self) -> None:
        """Close every idle connection; running exchanges are their owners' to cancel."""
        for connection in self._pool.clear():
            connection.close()
