"""The API listener on aiohttp's low-level server: its parser takes what strangers send, lbd writes the answer.

aiohttp parses and keeps connections; the answer goes to the transport directly, one write for a whole answer
and one for each slice of a stream, since awaiting ``StreamResponse.write`` for each chunk is most of what a
relayed chunk costs. This is the only module that touches aiohttp's internals (``RequestHandler``), and the
version it was tested with is bounded in pyproject.toml.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http import HttpVersion10
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Instant, Seconds
from lbd.ports import Env

BODY_TIME: Seconds = 60.0  # for a request body to arrive
KEEPALIVE: Seconds = 75.0
_REASON = {int(s): s.phrase for s in HTTPStatus}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_PREFIX = "x-lbd-"


class Connection(RequestHandler):
    """A client's connection. Tells the running answer when the client cannot take more."""

    __slots__ = ("on_pause", "on_resume")

    def __init__(self, manager: web.Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.on_pause: Callable[[], object] | None = None
        self.on_resume: Callable[[], object] | None = None

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        super().pause_writing()
        if self.on_pause is not None:
            self.on_pause()

    def resume_writing(self) -> None:
        """There is room again."""
        super().resume_writing()
        if self.on_resume is not None:
            self.on_resume()


class HttpReply:
    """One answer. Implements :class:`lbd.ports.Reply`."""

    __slots__ = ("_chunked", "_connection", "_old", "ended", "keep_alive", "started")

    def __init__(self, connection: Connection, *, old: bool, keep_alive: bool) -> None:
        self._connection = connection
        self._old = old  # HTTP/1.0: no chunks
        self._chunked = not old
        self.keep_alive = keep_alive
        self.started = False
        self.ended = False

    def _head(self, status: int, headers: Sequence[tuple[str, str]], last: str) -> bytes:
        self.started = True
        lines = [f"HTTP/1.1 {status} {_REASON.get(status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append(last)
        if not self.keep_alive:
            lines.append("connection: close")
        elif self._old:
            lines.append("connection: keep-alive")
        lines.append("\r\n")
        return "\r\n".join(lines).encode("latin-1", "replace")

    def _write(self, data: bytes) -> None:
        transport = self._connection.transport
        if transport is not None:
            transport.write(data)

    def send(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Send a whole answer."""
        self._write(self._head(status, headers, f"content-length: {len(body)}") + body)
        self.ended = True

    def start(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Send the head of a streamed answer."""
        if self._old:
            self.keep_alive = False  # without chunks the end of the connection is the end of the answer
        self._write(self._head(status, headers, "transfer-encoding: chunked" if self._chunked else "x-lbd-end: close"))

    def write(self, data: bytes) -> None:
        """Send a piece of a streamed answer."""
        if data:
            self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self, data: bytes = b"") -> None:
        """Send the last piece and finish."""
        if self.ended:
            return
        self.ended = True
        connection = self._connection
        connection.on_pause = connection.on_resume = None
        if not self._chunked:
            self._write(data)
        elif data:
            self._write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))
        else:
            self._write(_LAST_CHUNK)

    def flow(self, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        """Say whom to stop while the client cannot take more."""
        connection = self._connection
        connection.on_pause, connection.on_resume = pause, resume
        if connection.writing_paused:
            pause()

    def abort(self) -> None:
        """Close the connection: a streamed answer that cannot be finished must not look finished."""
        self.keep_alive = False
        transport = self._connection.transport
        if transport is not None:
            transport.abort()

    # what aiohttp asks of a response when the handler returns it: everything is written already

    async def prepare(self, _request: object) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self) -> None:
        """Nothing is left to write."""


class Inbound:
    """A request as the pipeline sees it."""

    __slots__ = ("_headers", "_message", "_payload", "arrived", "method", "path", "query")

    def __init__(self, request: web.BaseRequest, arrived: Instant) -> None:
        message = request._message
        self._headers = message.headers
        self._message = message
        self._payload: StreamReader = request.content
        self.arrived = arrived
        self.method = message.method
        self.path, _, self.query = message.path.partition("?")

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        return self._headers.get(name)

    def wishes(self) -> Mapping[str, str]:
        """Return the ``x-lbd-*`` headers, without their prefix."""
        out: dict[str, str] | None = None
        for name, value in self._headers.items():
            if name[:6].lower() == _PREFIX:
                out = out or {}
                out[name[6:].lower()] = value
        return out or _NO_WISHES

    async def read(self, limit: int) -> bytes | Failure:
        """Return the body, decompressed; at most ``limit`` bytes, within ``BODY_TIME``."""
        told = self._headers.get("content-length")
        if told is not None and int(told) > limit:
            return _too_large(limit)
        payload = self._payload
        try:
            data = await payload.readany() if payload.is_eof() else await self._slowly(limit)
            if isinstance(data, Failure) or (payload.at_eof() and len(data) <= limit):
                return data
            return _too_large(limit)
        except TimeoutError:
            return Failure(
                FailureKind.BAD_REQUEST, f"the body did not arrive within {BODY_TIME:g} s", status=408
            )
        except (RequestPayloadError, web.HTTPException, ValueError) as e:
            return Failure(FailureKind.BAD_REQUEST, f"the body cannot be read: {e}")

    async def _slowly(self, limit: int) -> bytes | Failure:
        parts: list[bytes] = []
        size = 0
        async with asyncio.timeout(BODY_TIME):
            while not self._payload.at_eof():
                part = await self._payload.readany()
                size += len(part)
                if size > limit:
                    return _too_large(limit)
                parts.append(part)
        return b"".join(parts)


_NO_WISHES: Mapping[str, str] = {}


def _too_large(limit: int) -> Failure:
    return Failure(
        FailureKind.TOO_LARGE, f"the body is larger than limits.max_body_bytes, {limit}", code="body_too_large"
    )


Handle = Callable[[Inbound, HttpReply], Awaitable[None]]


class Server(web.Server):
    """Makes a :class:`Connection` for each client; ``handle`` gets every request and answers it."""

    def __init__(self, handle: Handle, env: Env) -> None:
        super().__init__(
            self._serve,  # type: ignore[arg-type]
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=KEEPALIVE,
            tcp_keepalive=True,
        )
        self._handle = handle
        self._env = env

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    async def _serve(self, request: web.BaseRequest) -> HttpReply:
        message = request._message
        connection: Connection = request.protocol  # type: ignore[assignment]
        reply = HttpReply(
            connection, old=message.version <= HttpVersion10, keep_alive=not message.should_close
        )
        if "expect" in message.headers and message.headers["expect"].lower() == "100-continue":
            reply._write(_CONTINUE)
        try:
            await self._handle(Inbound(request, self._env.now()), reply)
        finally:
            connection.on_pause = connection.on_resume = None
            if reply.started and not reply.ended:
                reply.abort()
        return reply
