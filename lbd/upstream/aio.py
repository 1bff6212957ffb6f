"""The transport on aiohttp's client: for providers behind a proxy, for probes, and as the yardstick that the
own client is compared with.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any, Protocol

import aiohttp

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Instant
from lbd.ports import Endpoint, Env, Origin, Receiver


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

    def pause(self) -> None:
        self.readable.clear()

    def resume(self) -> None:
        self.readable.set()


class AiohttpTransport:
    """A :class:`lbd.ports.Transport`; connections are pooled by aiohttp."""

    def __init__(self, env: Env, spawn: Spawn) -> None:
        self._env = env
        self._spawn = spawn
        self._sessions: dict[Origin, aiohttp.ClientSession] = {}

    def session(self, origin: Origin) -> aiohttp.ClientSession:
        """Return the session for an origin: its time-outs, trust and keep-alive are the origin's own."""
        session = self._sessions.get(origin)
        if session is None:
            context: ssl.SSLContext | bool = True
            if origin.ca_file is not None:
                context = ssl.create_default_context(cafile=origin.ca_file)
            trace = aiohttp.TraceConfig()
            trace.on_connection_reuseconn.append(_mark_reused)
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, ssl=context, keepalive_timeout=origin.keepalive_s, ttl_dns_cache=30
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=origin.connect_timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
                trace_configs=[trace],
                trust_env=False,
            )
            self._sessions[origin] = session
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
        origin = endpoint.origin
        seen = SimpleNamespace(reused=False)
        headers = dict(endpoint.headers)
        if not endpoint.pool:
            headers["connection"] = "close"
        answered = False
        try:
            async with self.session(origin).request(
                endpoint.method,
                f"{origin.scheme}://{origin.authority}{endpoint.path}",
                data=body or None,
                headers=headers,
                proxy=origin.proxy,
                allow_redirects=False,
                trace_request_ctx=seen,
            ) as response:
                answered = True
                receiver.head(response.status, {k.lower(): v for k, v in response.headers.items()})
                async for chunk in response.content.iter_any():
                    receiver.data(chunk)
                    await exchange.readable.wait()
            if not exchange.cancelled:
                receiver.end()
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            if not exchange.cancelled:
                receiver.failed(failure_of(e, answered=answered, reused=seen.reused))

    async def close(self) -> None:
        """Close every session."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


async def _mark_reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.reused = True


def failure_of(error: BaseException, *, answered: bool, reused: bool) -> Failure:
    """Return what an exception of aiohttp's client means. Nothing above this module knows those exceptions."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failure(FailureKind.CONNECT_TIMEOUT, text)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return Failure(FailureKind.TLS, text)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError):
        return Failure(FailureKind.CONNECT, text)
    if answered:
        return Failure(FailureKind.BROKEN_STREAM, text)
    if isinstance(error, aiohttp.ClientResponseError):
        return Failure(FailureKind.BAD_BODY, text)
    return Failure(FailureKind.STALE if reused else FailureKind.RESET, text)
