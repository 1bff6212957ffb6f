"""A raw server on loopback: its script says byte for byte what to send, when, and how to close.

And the other side of a transport: an ``Ear`` that notes what came and insists on the order that the port
promises. ``on`` runs a test on asyncio's loop or on uvloop, which the daemon uses.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import uvloop

from lbd.app import RealEnv
from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.ports import Endpoint, Exchange, Origin, Transport

T = TypeVar("T")
LOOPS = ("asyncio", "uvloop")
PATIENCE = 5.0  # of a test, before it says that something hangs


def on(kind: str, main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` on a loop of this kind; afterwards nothing may be left open."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if kind == "uvloop" else None) as runner:
        out = runner.run(asyncio.wait_for(main, 60))
    gc.collect(0)
    return out


async def a_moment(seconds: float = 0.0) -> None:
    """Let the loop run, at least over one reading of its sockets."""
    await RealEnv().sleep(seconds)


async def until(true: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = asyncio.get_running_loop().time() + patience
    while not true():
        assert asyncio.get_running_loop().time() < end, "waited in vain"
        await a_moment(0.001)


class Request(NamedTuple):
    """A request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes


class Conn:
    """One accepted connection, in the hands of the script."""

    def __init__(self, wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.wire = wire
        self.number = len(wire.connections)
        self.gone_at: float | None = None
        self.sent = 0
        self._reader = reader
        self._writer = writer

    async def head(self) -> tuple[str, dict[str, str]]:
        """Read a request's head; raises EOFError where the peer closes instead."""
        try:
            raw = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EOFError from None
        line, *fields = raw.decode("latin-1").split("\r\n")[:-2]
        return line, {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}

    async def request(self) -> Request:
        """Read a whole request."""
        line, headers = await self.head()
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        self.wire.requests.append(Request(line, headers, body))
        return self.wire.requests[-1]

    async def send(self, data: bytes) -> None:
        """Send, and wait until the kernel has taken all but some kilobytes of it."""
        self._writer.write(data)
        await self._writer.drain()
        self.sent += len(data)

    async def gone(self) -> str:
        """Wait until the peer closes; ``eof`` or ``reset``."""
        how = "eof"
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            how = "reset"
        self.gone_at = asyncio.get_running_loop().time()
        return how

    def half_close(self) -> None:
        """Send FIN, and read on."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Close with RST: whatever was on its way is lost."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        """Close with FIN."""
        self._writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()


Script = Callable[[Conn], Awaitable[None]]


class Wire:
    """The server. When a script returns, its connection is closed; what it raises fails the test."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.connections: list[Conn] = []
        self.requests: list[Request] = []
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._errors: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await a_moment()
        if error is None and self._errors:
            raise self._errors[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        conn = Conn(self, reader, writer)
        self.connections.append(conn)
        try:
            await self.script(conn)
        except (EOFError, ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as e:
            self._errors.append(e)
        finally:
            self._tasks.discard(task)
            try:
                await asyncio.shield(conn.close())
            except asyncio.CancelledError:
                writer.transport.abort()

    def endpoint(
        self, *, path: str = "/v1/chat/completions", pool: bool = True, method: str = "POST", **origin: Any
    ) -> Endpoint:
        """Return an endpoint at this server."""
        scheme = "https" if self._tls is not None else "http"
        where = Origin(**{"scheme": scheme, "host": "127.0.0.1", "port": self.port, **origin})
        return Endpoint(
            where, method, path, (("content-type", "application/json"), ("accept-encoding", "identity")), pool
        )


@dataclass
class Ear:
    """Implements ``lbd.ports.Receiver``. Calls out of order are errors."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False
    failure: Failure | None = None
    cancelled: bool = False
    on_head: Callable[[], object] = lambda: None
    on_data: Callable[[bytes], object] = lambda _chunk: None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        assert not self.status, "two heads"
        self._open()
        self.status = status
        self.headers = dict(headers)
        self.on_head()

    def data(self, chunk: bytes) -> None:
        assert self.status, "data before the head"
        self._open()
        assert chunk, "nothing, told as data"
        assert type(chunk) is bytes
        self.chunks.append(chunk)
        self.body += chunk
        self.on_data(chunk)

    def end(self) -> None:
        assert self.status, "an end without a head"
        self._open()
        self.ended = True
        self.done.set()

    def failed(self, failure: Failure) -> None:
        self._open()
        self.failure = failure
        self.done.set()

    def _open(self) -> None:
        assert not self.cancelled, "a call after cancel"
        assert not self.ended and self.failure is None, "a call after the end"

    @property
    def kind(self) -> FailureKind | None:
        return None if self.failure is None else self.failure.kind

    async def finished(self) -> Self:
        await asyncio.wait_for(self.done.wait(), PATIENCE)
        return self


async def start(
    transport: Transport, endpoint: Endpoint, ear: Ear, body: bytes = b"{}", *, fresh: bool = False, by_s: float = 5.0
) -> Exchange | None:
    """Send a request the way an attempt does: on an idle connection if there is one."""
    exchange = None if fresh else transport.reuse(endpoint, body, ear)
    if exchange is None:
        try:
            return await transport.open(endpoint, body, ear, by=RealEnv().now() + by_s)
        except LbdError as e:
            ear.failed(e.failure)
    return exchange


async def ask(transport: Transport, endpoint: Endpoint, body: bytes = b"{}") -> Ear:
    """Make one exchange to its end; a stale connection is told to nobody, as an attempt does."""
    for fresh in (False, True):
        ear = Ear()
        await start(transport, endpoint, ear, body, fresh=fresh)
        await ear.finished()
        if ear.kind is not FailureKind.STALE:
            break
    return ear
