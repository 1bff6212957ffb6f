"""The API listener on a real loopback socket, and a client that speaks to it in raw bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import NamedTuple, Self

import orjson

from lbd.ingress.inbound import Inbound
from lbd.ingress.reply import HttpReply
from lbd.ingress.server import Server
from lbd.model.failure import Failure
from lbd.ports import Env
from tests.fakes.env import FakeEnv
from tests.fakes.wire import PATIENCE, a_moment

Handle = Callable[[Inbound, HttpReply], Awaitable[None]]


class Answer(NamedTuple):
    """An answer as it came; ``headers`` in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return dict(orjson.loads(self.body))


class Caller:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes, pause: float | None = None) -> None:
        """Send these pieces; with a pause, each in a packet of its own."""
        for piece in pieces:
            self.writer.write(piece)
            if pause is not None:
                await self.writer.drain()
                await a_moment(pause)
        await self.writer.drain()

    async def answer(self, *, bare: bool = False) -> Answer:
        """Read one answer. ``bare``: to a HEAD request."""
        return await asyncio.wait_for(self._answer(bare=bare), PATIENCE)

    async def _answer(self, *, bare: bool) -> Answer:
        line, *fields = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        pairs = [f.split(": ", 1) for f in fields]
        headers = {k.lower(): v for k, v in pairs}
        assert len(headers) == len(pairs), f"a field twice: {fields}"
        version, status = line.split(" ")[:2]
        assert version == "HTTP/1.1"
        if int(status) < 200 or bare:
            return Answer(int(status), headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            assert "content-length" not in headers
            return Answer(int(status), headers, await self._chunks())
        if "content-length" in headers:
            return Answer(int(status), headers, await self.reader.readexactly(int(headers["content-length"])))
        assert headers.get("connection") == "close"
        return Answer(int(status), headers, await self.reader.read())

    async def _chunks(self) -> bytes:
        pieces = []
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            pieces.append(await self.reader.readexactly(size))
            assert await self.reader.readexactly(2) == b"\r\n"
        assert await self.reader.readexactly(2) == b"\r\n"
        return b"".join(pieces)

    async def closed(self) -> bytes:
        """Wait until the server closes; returns what it sent before."""
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE)
        except ConnectionError:
            return b""

    @property
    def eof(self) -> bool:
        return self.reader.at_eof()

    def reset(self) -> None:
        """Go away without a word."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def echo(inbound: Inbound, reply: HttpReply) -> None:
    """Answer with what was understood."""
    if inbound.refusal is not None:
        failure: Failure = inbound.refusal
        status = failure.status or failure.row.status
        reply.send(status, b"content-type: application/json\r\n", orjson.dumps({"why": failure.message}))
        return
    told = {
        "method": inbound.method,
        "path": inbound.path,
        "query": inbound.query,
        "body": inbound.body.decode("latin-1"),
        "wishes": dict(inbound.wishes()),
        "host": inbound.header("host"),
        "cookie": inbound.header("cookie"),
        "keep_alive": inbound.keep_alive,
    }
    reply.send(200, b"content-type: application/json\r\n", orjson.dumps(told))


def after(go_on: asyncio.Event) -> Handle:
    """Return what answers with path and body, once it may."""

    async def handle(inbound: Inbound, reply: HttpReply) -> None:
        await go_on.wait()
        reply.send(200, b"", inbound.path.encode() + inbound.body)

    return handle


class Listening:
    """The listener, its time in the test's hands."""

    def __init__(self, handle: Handle = echo, *, max_body: int = 1000, real: Env | None = None) -> None:
        self.env = FakeEnv()
        self.handled: list[Inbound] = []
        self.cancelled = 0
        self._handle = handle
        self.server = Server(self._watch, real or self.env, lambda: max_body)
        self.port = 0
        self._listener: asyncio.Server | None = None
        self._callers: list[Caller] = []

    async def _watch(self, inbound: Inbound, reply: HttpReply) -> None:
        self.handled.append(inbound)
        try:
            await self._handle(inbound, reply)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.get_running_loop().create_server(self.server, "127.0.0.1", 0, backlog=2048)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        for caller in self._callers:
            await caller.close()
        self.server.abort()
        await a_moment()
        await a_moment()
        assert error is not None or not self.server.connections, "a connection is left"

    async def caller(self) -> Caller:
        """Connect a client."""
        caller = Caller(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**20))
        self._callers.append(caller)
        return caller

    async def ask(self, *pieces: bytes, pause: float | None = None) -> Answer:
        """Make one request on a connection of its own."""
        caller = await self.caller()
        await caller.send(*pieces, pause=pause)
        return await caller.answer()

    def sweep(self, seconds: float) -> None:
        """Let time pass, and sweep."""
        self.env.advance(seconds)
        for connection in tuple(self.server.connections):
            connection.sweep(self.env.now())


def request(
    method: str = "POST",
    path: str = "/x",
    body: bytes | None = b"{}",
    *fields: str,
    version: str = "1.1",
    host: str = "h",
) -> bytes:
    """Return a request's bytes; with a body, its length is told."""
    lines = [f"{method} {path} HTTP/{version}"]
    if host:
        lines.append(f"Host: {host}")
    lines += fields
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def get(path: str = "/x", *fields: str, version: str = "1.1") -> bytes:
    return request("GET", path, None, *fields, version=version)


def chunked(body: bytes, size: int = 5, trailer: bytes = b"") -> bytes:
    """Return a body in chunks of this size."""
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


def chunks(path: str, body: bytes, *fields: str, trailer: bytes = b"") -> bytes:
    """Return a request whose body comes in chunks."""
    return request("POST", path, None, "Transfer-Encoding: chunked", *fields) + chunked(body, trailer=trailer)
