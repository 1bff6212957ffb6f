"""The transport on aiohttp's client: for providers behind a proxy, for probes, and as the yardstick that the
own client is compared with.
"""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.units import Instant
from lbd.ports import Endpoint, Env, Origin, Receiver
from lbd.upstream import here, sockets
from lbd.upstream.headers import RawHeaders
from lbd.upstream.inflate import BadEncoding, Inflate, inflate
from lbd.upstream.names import Names

MOST_FIELD = 64 * 1024
MOST_FIELDS = 256


class Spawn(Protocol):
    """Starts a task that somebody owns."""

    def __call__(self, name: str, work: Coroutine[Any, Any, None], /) -> asyncio.Task[None]:
        """Run ``work``."""


class _Exchange:
    """One request under way: a task that pumps the answer to its receiver."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.readable = asyncio.Event()
        self.readable.set()
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()

    def check(self) -> None:
        """End the task here if a callback has cancelled it: waiting for data that is there does not suspend it."""
        if self.cancelled:
            raise asyncio.CancelledError

    def pause(self) -> None:
        self.readable.clear()

    def resume(self) -> None:
        self.readable.set()

    def look(self) -> None:
        """See nothing: the connection is aiohttp's."""


class AiohttpTransport:
    """A :class:`lbd.ports.Transport`; connections are pooled by aiohttp."""

    def __init__(self, env: Env, spawn: Spawn) -> None:
        self._env = env
        self._spawn = spawn
        self._sessions: dict[tuple[Origin, bool], aiohttp.ClientSession] = {}
        self._resolver = _Resolver(env)

    def session(self, origin: Origin, *, pool: bool) -> aiohttp.ClientSession:
        """Return the session for an origin: its time-outs, trust and keep-alive are the origin's own."""
        session = self._sessions.get((origin, pool))
        if session is None:
            context = True if origin.ca_file is None else _trusting(origin.ca_file)
            trace = aiohttp.TraceConfig()
            trace.on_connection_reuseconn.append(_mark_reused)
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    ssl=context,
                    ttl_dns_cache=30,
                    socket_factory=sockets.new,
                    resolver=self._resolver,
                    **({"keepalive_timeout": origin.keepalive_s} if pool else {"force_close": True}),
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=origin.connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # done here, as the own client does it
                max_line_size=MOST_FIELD,
                max_field_size=MOST_FIELD,
                max_headers=MOST_FIELDS,
                trace_configs=[trace],
                trust_env=False,
            )
            self._sessions[origin, pool] = session
        return session

    def reuse(self, endpoint: Endpoint, body: bytes, receiver: Receiver) -> _Exchange | None:  # noqa: ARG002
        """Always None: which of its connections are idle is aiohttp's own business."""
        return None

    async def open(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, by: Instant) -> _Exchange:  # noqa: ARG002
        """Start a task that makes the request. aiohttp picks the connection; its own bound is the origin's."""
        exchange = _Exchange()
        exchange.task = self._spawn("upstream", self._pump(endpoint, body, receiver, exchange))
        return exchange

    async def _pump(self, endpoint: Endpoint, body: bytes, receiver: Receiver, exchange: _Exchange) -> None:
        while True:
            failure = await self._try(endpoint, body, receiver, exchange)
            if failure is None:
                return
            if failure.kind is not FailureKind.STALE:
                receiver.failed(failure)
                return
            # the server had given up the kept connection, and aiohttp has thrown it away; so this ends with a new one

    async def _try(self, endpoint: Endpoint, body: bytes, receiver: Receiver, exchange: _Exchange) -> Failure | None:
        """Make the request once; a Failure where the receiver has not heard how it ended."""
        origin = endpoint.origin
        seen = SimpleNamespace(reused=False)
        answered = False
        try:
            async with self.session(origin, pool=endpoint.pool).request(
                endpoint.method,
                URL(
                    f"{origin.scheme}://{origin.authority}{endpoint.path}", encoded=True
                ),  # a signature covers its form
                data=io.BytesIO(body) if body else None,  # sent in pieces: aiohttp warns of large ones in one
                headers=_headers(endpoint),
                proxy=origin.proxy,
                allow_redirects=False,
                trace_request_ctx=seen,
            ) as response:
                answered = True
                await _relay(response, receiver, exchange)
        except LbdError as e:
            return e.failure
        except UnicodeError as e:
            return here.unreached(e, origin.authority)
        except (aiohttp.ClientError, OSError, TimeoutError, BadEncoding) as e:
            return failure_of(e, answered=answered, reused=seen.reused)
        receiver.end()
        return None

    async def close(self) -> None:
        """Close every session."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


def _headers(endpoint: Endpoint) -> dict[str, str]:
    fields = dict(endpoint.headers)
    for line in endpoint.own.decode("latin-1").splitlines():
        name, _, value = line.partition(": ")
        fields[name] = value
    return fields


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as e:  # ssl.SSLError is one
        raise LbdError(Failure(FailureKind.TLS, f"ca_file {ca_file}: {e.strerror or e}")) from None


class _Resolver(AbstractResolver):
    """Addresses for aiohttp, as lbd's own client finds them."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._names: Names | None = None  # once there is a loop

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if self._names is None:
            self._names = Names(self._env, asyncio.get_running_loop())
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [
            ResolveResult(hostname=host, host=_numeric(address), port=port, family=of, proto=protocol, flags=flags)
            for of, _, protocol, _, address in await self._names.of(host, port)
            if family in (socket.AF_UNSPEC, of)
        ]

    async def close(self) -> None:
        """Nothing is kept."""


def _numeric(address: tuple[Any, ...]) -> str:
    return socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]


async def _relay(response: aiohttp.ClientResponse, receiver: Receiver, exchange: _Exchange) -> None:
    fields: dict[bytes, bytes] = {}
    for raw, value in response.raw_headers:
        name = raw.lower()
        fields[name] = value if name not in fields else fields[name] + b", " + value
    decoder = _decoder(response.status, fields)
    receiver.head(response.status, RawHeaders(fields))
    exchange.check()
    async for chunk in response.content.iter_any():
        data = chunk if decoder is None else decoder.feed(chunk)
        if data:
            receiver.data(data)
        exchange.check()
        await exchange.readable.wait()


def _decoder(status: int, fields: dict[bytes, bytes]) -> Inflate | None:
    if status < 200:
        raise BadEncoding(f"HTTP {status}: an offer to speak something else than HTTP/1.1")
    decoder = inflate(fields.get(b"content-encoding", b""))
    if decoder is not None:
        del fields[b"content-encoding"]
        fields.pop(b"content-length", None)
    return decoder


async def _mark_reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.reused = True


def failure_of(error: BaseException, *, answered: bool, reused: bool) -> Failure:
    """Return what an exception of aiohttp's client means. Nothing above this module knows those exceptions."""
    text = f"{type(error).__name__}: {error}"
    nameless = isinstance(error, aiohttp.ClientConnectorDNSError)
    lacking = here.shortage(error) or (here.no_descriptor() if nameless else None)
    if lacking is not None or nameless:
        return lacking or Failure(FailureKind.DNS, text)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failure(FailureKind.CONNECT_TIMEOUT, text)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Failure(FailureKind.TLS, text)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientHttpProxyError):
        return Failure(FailureKind.CONNECT, text)
    if isinstance(error, BadEncoding):
        return Failure(FailureKind.BAD_BODY, str(error))
    if answered:
        return Failure(FailureKind.BROKEN_STREAM, text)
    if isinstance(error, aiohttp.ClientResponseError):
        return Failure(FailureKind.BAD_BODY, text)
    return Failure(FailureKind.STALE if reused else FailureKind.RESET, text)
