"""A connection to a provider: HTTP/1.1 on ``asyncio.Protocol`` and httptools, one exchange at a time.

A request lost on a *reused* connection at once, before any byte of an answer, is ``stale_keepalive``: the server had
given the connection up. Whoever sent it sends it again on a fresh one. What is lost later was being worked on.
"""

from __future__ import annotations

import asyncio
import re
import select
import socket
from collections.abc import Callable
from typing import Protocol

import httptools

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.units import Instant, Seconds
from lbd.ports import Endpoint, Origin, Receiver
from lbd.upstream import here
from lbd.upstream.headers import RawHeaders
from lbd.upstream.inflate import BadEncoding, Inflate, inflate
from lbd.upstream.request_head import head_bytes

# Close a little before the server does: its clock starts when it has sent the last byte, ours when that came.
KEEPALIVE_MARGIN = 1.0
MOST_HEAD = 256 * 1024  # bytes of an answer's head; beyond it the provider is broken
_TIMEOUT = re.compile(rb"timeout=(\d+)")
_NO_BODY = frozenset({204, 304})
_NOT_HEARD = 408  # of a request that was sent at once: what an idle connection was given up with
_AT_ONCE = 1.0  # second
LOST_AFTER = 2  # time-outs of what was sent last with nothing acknowledged between, the second at 0.6 s or later
_RETRANSMITS = 2  # the byte of struct tcp_info that counts them
_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"content-encoding", b"keep-alive"})


class Home(Protocol):
    """Where idle connections are kept."""

    now: Callable[[], Instant]

    def idle(self, connection: Connection, keepalive_s: Seconds) -> None:
        """Keep one that has done its exchange."""

    def gone(self, connection: Connection) -> None:
        """Forget one that was closed while it was kept."""


class Connection(asyncio.Protocol):
    """One connection. Idle in the pool, or carrying one exchange."""

    __slots__ = (
        "_body",
        "_chunked",
        "_complete",
        "_encoding",
        "_fields",
        "_got",
        "_head",
        "_head_size",
        "_headers_done",
        "_home",
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

    def __init__(self, home: Home, origin: Origin) -> None:
        self._home = home
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
        return self._reused and self._home.now() < self._sent_at + _AT_ONCE

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
            self._home.idle(self, self._keepalive)
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
            self._home.gone(self)
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
            self._sent_at = self._home.now()
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

    def look(self) -> None:
        """Let the request fail as stale if the other side acknowledges nothing of it, however often it is sent again.

        A path may forget a kept connection without a word; the kernel goes on for a quarter of an hour.
        """
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        if self._reused and not self._got and sock is not None and hasattr(socket, "TCP_INFO"):
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RETRANSMITS + 1)
            if info[_RETRANSMITS] >= LOST_AFTER:
                self._fail(FailureKind.STALE, "the kept connection is lost: nothing that is sent on it gets through")

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
