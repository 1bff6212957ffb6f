"""lbd's own HTTP/1.1 client: ``asyncio.Protocol`` and httptools, one connection one exchange at a time.

It exists because a balancer needs from its client what no client library tells: exact phases, a verdict on
stale keep-alive connections, cancellation that closes at once, and bytes by callback. aiohttp's client costs
a third of a request's CPU; this one costs a write and a parse.

A request lost on a *reused* connection at once, before any byte of an answer, is ``stale_keepalive``: the server had
given the connection up. Whoever sent it sends it again on a fresh one. What is lost later was being worked on.
"""

from __future__ import annotations

import asyncio
import re
import select
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohappyeyeballs
import httptools

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.units import Instant
from lbd.ports import Endpoint, Env, Origin, Receiver
from lbd.upstream import here, sockets
from lbd.upstream.headers import RawHeaders
from lbd.upstream.inflate import BadEncoding, Inflate, inflate
from lbd.upstream.names import Names
from lbd.upstream.pool import Pool

SWEEP_EVERY = 1.0
SHORT_OF = 1.0  # seconds that a new connection waits for a descriptor or a port
TRY_AGAIN = 0.05
STAGGER = 0.25  # seconds until the next address of a name is tried beside the one before
# Close a little before the server does: its clock starts when it has sent the last byte, ours when that came.
KEEPALIVE_MARGIN = 1.0
MOST_HEAD = 256 * 1024  # bytes of an answer's head; beyond it the provider is broken
_TIMEOUT = re.compile(rb"timeout=(\d+)")
_NO_BODY = frozenset({204, 304})
_NOT_HEARD = 408  # of a request that was sent at once: what an idle connection was given up with
_AT_ONCE = 1.0  # second
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"keep-alive"})


def head_bytes(endpoint: Endpoint, length: int) -> bytes:
    """Return the request head. Header values were checked when the configuration was read."""
    prefix = _prefix(endpoint if endpoint.like is None else endpoint.like)
    return b"%b%d\r\n%b\r\n" % (prefix, length, endpoint.own)


_prefixes: dict[int, tuple[Endpoint, bytes]] = {}


def _prefix(endpoint: Endpoint) -> bytes:
    # endpoints are few and live as long as a configuration; hashing one costs more than building this once
    known = _prefixes.get(id(endpoint))
    if known is not None and known[0] is endpoint:
        return known[1]
    if len(_prefixes) > 4096:
        _prefixes.clear()
    lines = [f"{endpoint.method} {endpoint.path} HTTP/1.1", f"host: {endpoint.origin.authority}"]
    lines += [f"{name}: {value}" for name, value in endpoint.headers]
    prefix = "\r\n".join(lines).encode("latin-1") + b"\r\ncontent-length: "
    if endpoint.lasting:
        _prefixes[id(endpoint)] = (endpoint, prefix)
    return prefix


class Connection(asyncio.Protocol):
    """One connection. Idle in the pool, or carrying one exchange."""

    __slots__ = (
        "_body",
        "_chunked",
        "_client",
        "_complete",
        "_encoding",
        "_fields",
        "_got",
        "_head",
        "_head_size",
        "_headers_done",
        "_inflate",
        "_keep",
        "_keepalive",
        "_length",
        "_parser",
        "_paused",
        "_poll",
        "_pool_after",
        "_receiver",
        "_reused",
        "_sent_at",
        "_status",
        "_transport",
        "origin",
    )

    def __init__(self, client: Client, origin: Origin) -> None:
        self._client = client
        self.origin = origin
        self._transport: asyncio.Transport | None = None
        self._poll: Callable[[int], object] = lambda _: None
        self._parser = httptools.HttpResponseParser(self)
        # with servers that end lines in bare line feeds; folded fields are refused, as a gateway may (RFC 9112, 5.2)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._fields: dict[bytes, bytes] = {}
        self._receiver: Receiver | None = None
        self._keepalive: float = origin.keepalive_s
        self._reused = False
        self._sent_at: Instant = 0.0  # where it had been kept
        self._paused = False
        self._clear(pool_after=True)

    def _clear(self, *, pool_after: bool) -> None:
        self._head: RawHeaders | None = None
        self._head_size = 0
        self._body: list[bytes] = []
        self._got = False
        self._headers_done = False
        self._complete = False
        self._keep = False
        self._length = False
        self._chunked = False
        self._status = 0
        self._encoding = b""
        self._inflate: Inflate | None = None
        self._pool_after = pool_after

    # --- asyncio -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        sock = transport.get_extra_info("socket")
        if sock is not None:
            poll = select.poll()
            poll.register(sock.fileno(), select.POLLIN)
            self._poll = poll.poll

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:  # an unasked word on an idle connection: a time-out notice, as a rule
            self.close()
            return
        self._got = True
        had_head = self._headers_done
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as e:
            if not self._complete:
                if self._headers_done:
                    self._deliver(receiver, had_head)  # what stands before the fault in the same read is good
                if self._receiver is not receiver:
                    return
                cause = e.__context__
                text = str(cause) if isinstance(cause, BadEncoding) else f"the answer is not HTTP/1.1: {e}"
                self._fail(FailureKind.BAD_BODY, text)
                return
            self._keep = False  # the answer is whole; nobody asked for what follows it
        if had_head or self._headers_done:
            self._deliver(receiver, had_head)
            return
        self._head_size += len(data)
        if self._head_size > MOST_HEAD:
            self._fail(FailureKind.BAD_BODY, f"the answer's head is larger than {MOST_HEAD} bytes")

    def _deliver(self, receiver: Receiver, had_head: bool) -> None:
        if not had_head and self._head is not None:
            if self._status == _NOT_HEARD and self._given_up():
                self._fail(FailureKind.STALE, "the server had given up the kept connection")
                return
            receiver.head(self._status, self._head)
        body = self._body
        if body and self._receiver is receiver:
            data = body[0] if len(body) == 1 else b"".join(body)
            self._body = []
            if self._inflate is not None:
                try:
                    data = self._inflate.feed(data)
                except BadEncoding as e:
                    self._fail(FailureKind.BAD_BODY, str(e))
                    return
            if data:
                receiver.data(data)
        if self._complete and self._receiver is receiver:
            self._finish(receiver)

    @property
    def _at_once(self) -> bool:
        """Tell whether what comes now may have been on its way when the request was sent on a kept connection."""
        return self._reused and self._client.now() < self._sent_at + _AT_ONCE

    def _given_up(self) -> bool:
        """Tell whether a 408 says that the connection was given up, and nothing of the request."""
        fields = {} if self._head is None else self._head.fields
        return self._at_once and b"close" in fields.get(b"connection", b"").lower()

    def _finish(self, receiver: Receiver) -> None:
        self._receiver = None
        transport = self._transport
        reusable = (
            self._pool_after
            and transport is not None
            and not transport.is_closing()
            and self._keep
            and self._status != _NOT_HEARD  # it may have been sent before the request, whose answer is still to come
            and not transport.get_write_buffer_size()
        )
        if reusable:
            self._unpause()
            self._client.idle(self, self._keepalive)
        else:
            self.close()
        receiver.end()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        receiver, self._receiver = self._receiver, None
        self._transport = None
        del self._parser  # which holds this connection: else both would stay until the cycle collector comes by
        if receiver is None:
            self._client.gone(self)
            return
        if self._headers_done and not self._length and not self._chunked and exc is None:
            receiver.end()  # a body without a length ends with the connection
            return
        if not self._got and self._at_once:
            kind, text = FailureKind.STALE, "the server had closed the kept connection"
        elif not self._headers_done:
            kind, text = FailureKind.RESET, "the connection was closed before an answer came"
        else:
            kind, text = FailureKind.BROKEN_STREAM, "the connection was closed in the middle of the answer"
        receiver.failed(here.shortage(exc) or Failure(kind, f"{text}: {exc}" if exc else text))

    # --- httptools -----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of an answer, or of what comes after one unasked."""
        if self._complete:
            raise _Unasked
        self._fields = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field."""
        name = name.lower()
        known = self._fields.get(name)
        self._fields[name] = value if known is None else known + b", " + value
        if name not in _FRAMING:
            return
        if name == b"content-length":
            self._length = True
        elif name == b"transfer-encoding":
            self._chunked = b"chunked" in value.lower()
        elif name == b"content-encoding":
            self._encoding = value
        elif name == b"keep-alive" and (told := _TIMEOUT.search(value)):
            self._keepalive = min(self._keepalive, max(0.0, int(told[1]) - KEEPALIVE_MARGIN))

    def on_headers_complete(self) -> None:
        """The head is complete; an interim one (1xx) is skipped."""
        status = self._parser.get_status_code()
        if status < 200:
            self._length = self._chunked = False
            self._encoding = b""
            return
        self._status = status
        self._headers_done = True
        if status in _NO_BODY:
            self._length = True
        if self._encoding:
            self._inflate = inflate(self._encoding)
            if self._inflate is not None:
                del self._fields[b"content-encoding"]
                self._fields.pop(b"content-length", None)
        self._head = RawHeaders(self._fields)
        if self._chunked:
            self._fields = {}  # trailers come yet, and are no headers

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """The answer is complete."""
        if self._headers_done:
            self._complete = True
            self._keep = self._parser.should_keep_alive()  # only true in here

    # --- exchange ------------------------------------------------------------------------------------

    @property
    def spoken(self) -> bool:
        """Tell whether an idle one was closed, or has anything to read: what comes unasked would be the next answer.

        The loop has not looked since its last round; on a busy host that is some milliseconds ago.
        """
        return bool(self._poll(0))

    def start(self, endpoint: Endpoint, body: bytes, receiver: Receiver, *, reused: bool) -> None:
        """Send a request."""
        transport = self._transport
        if transport is None:
            raise LbdError(Failure(FailureKind.STALE if reused else FailureKind.RESET, "the connection is closed"))
        self._clear(pool_after=endpoint.pool)
        self._receiver = receiver
        self._reused = reused
        if reused:
            self._sent_at = self._client.now()
        head = head_bytes(endpoint, len(body))
        if len(body) < 65536:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    def _fail(self, kind: FailureKind, text: str) -> None:
        receiver, self._receiver = self._receiver, None
        self.close()
        if receiver is not None:
            receiver.failed(Failure(kind, text, status=self._status or None))

    def cancel(self) -> None:
        """Stop the exchange and close at once; its receiver hears nothing more."""
        if self._receiver is not None:
            self._receiver = None
            self.close()

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading."""
        if self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self._unpause()

    def _unpause(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()


class _Unasked(Exception):
    """Raised out of a parser callback: bytes follow the answer."""


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
