"""A client's connection: HTTP/1.1 on ``asyncio.Protocol`` and httptools, one request at a time.

Measured beside aiohttp's low-level server, which costs 25 us a request before anything is done for it, this
costs about half, and a relayed chunk is one write to the transport. The parser (llhttp, Node's) is the one
that aiohttp compiles in too; what strangers may make it hold is bounded here: head, body, time, pipelining.

A connection owns the task of its running request and cancels it when the client leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import httptools

from lbd.ingress.crowd import Room, Standing
from lbd.ingress.inbound import Inbound
from lbd.ingress.repeat import Repeat, learn
from lbd.ingress.reply import HttpReply
from lbd.model.failure import Failure, FailureKind
from lbd.model.peer import STRANGER, Peer, names
from lbd.model.units import Instant, Seconds
from lbd.ports import Env

KEEPALIVE: Seconds = 75.0
HEAD_TIME: Seconds = 20.0  # for a request head to arrive, once it has begun
BODY_TIME: Seconds = 60.0  # for a body to arrive
TAKE_TIME: Seconds = 30.0  # for a client to take ``LEAST_TAKEN`` bytes of an answer that has piled up before it
LEAST_TAKEN = 16 * 1024
PARTING: Seconds = 1.0  # at the end, for the next request of a client that was not told that it is the last
LINGER: Seconds = 2.0  # after a refusal, for the client to read it before the rest of its body is cut off
MOST_HEAD = 64 * 1024
MOST_FIELDS = 128
MOST_MISSES = 4  # a client whose heads differ as often as this in a row is not worth looking for a repetition
MOST_READ = 256 * 1024  # bytes that one read may bring, the end of another request included
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


Handle = Callable[[Inbound, HttpReply], Awaitable[None]]


class Host(Protocol):
    """The listener that a connection came to, as far as it needs it."""

    handle: Handle
    env: Env
    max_body: Callable[[], int]
    closing: bool
    room: Room

    def connected(self, connection: Connection) -> None: ...

    def left(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    """A client's connection."""

    __slots__ = (
        "__weakref__",
        "_begun",
        "_body",
        "_body_size",
        "_gathered",
        "_head_size",
        "_inbound",
        "_latest",
        "_lingering",
        "_loop",
        "_misses",
        "_offered",
        "_parser",
        "_pending",
        "_repeat",
        "_reply",
        "_server",
        "_since",
        "_stuck",
        "_task",
        "_transport",
        "_url",
        "_waits",
        "full",
        "on_pause",
        "on_resume",
        "peer",
        "under",
    )

    def __init__(self, server: Host) -> None:
        self._server = server
        # asking for the running loop is a system call each time, to see whether the process was forked
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._inbound: Inbound | None = None  # being received
        self._latest: Inbound | None = None  # received last
        self._repeat: Repeat | None = None
        self._misses = 0
        self._offered: Inbound | None = None  # offers another protocol, and its body is not read yet
        self._pending: list[Inbound] = []  # received while another is served
        self._task: asyncio.Task[None] | None = None
        self._reply: HttpReply | None = None
        self._url = b""
        self._body: list[bytes] = []
        self._body_size = 0
        self._head_size = 0
        self._gathered: tuple[Inbound | None, int, int] = (None, 0, 0)
        self._since: Instant = 0.0  # when the connection went idle, or the message began
        self._stuck: tuple[Instant, int] = (0.0, 0)  # since when the client takes nothing, and of how much
        self._begun = False
        self._lingering = False
        self._waits = False  # the client asked, while another request was served, whether to send its body
        self.full = False
        self.peer = STRANGER
        self.under = 0  # how often the listener had withdrawn what it let in when it was accepted
        self.on_pause: Callable[[], object] | None = None
        self.on_resume: Callable[[], object] | None = None

    # --- asyncio -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._parser = httptools.HttpRequestParser(self)  # not before: of a handshake that fails nothing may be left
        if transport.get_extra_info("sslcontext") is not None:
            self.peer = Peer(secure=True, names=names(transport.get_extra_info("peercert")))
        self._since = self._server.env.now()
        self._server.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._server.left(self)
        self._drop_body()
        for inbound in self._pending:
            self._server.room.release(inbound.held)
        self._pending = []
        self.on_pause = self.on_resume = None
        # what holds this connection is let go of, for nothing else would before the cycle collector comes by
        del self._parser
        self._reply = None
        if self._task is not None:
            self._task.cancel()

    def eof_received(self) -> bool:
        """Take the end of what a client sends as its leaving, like nginx.

        A full close looks the same until an answer is written to it, and until then it would hold a provider's slot.
        """
        return False

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        begun = self._begun
        if self._repeat is not None and not begun:
            inbound = self._repeat.read(data, self._server.max_body())
            if inbound is not None:
                self._misses = 0
                self._take_in(inbound)
                return
            self._misses += 1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as e:
            rest = data[e.args[0] :]
        except httptools.HttpParserError as e:
            cause = e.__context__
            if isinstance(cause, _Enough):
                self._refuse(cause.failure)
            else:
                self._refuse(Failure(FailureKind.BAD_REQUEST, f"not an HTTP/1.1 request: {e}", code="bad_http"))
            return
        else:
            if self._begun:
                self._unfinished(len(data))
            elif not begun and self._latest is not None and self._misses < MOST_MISSES:
                self._repeat = learn(data, self._latest)
            self._latest = None
            return
        self._decline(rest)

    def _unfinished(self, size: int) -> None:
        """Bound what the parser gathers without a word: a field, or a trailer, that never ends."""
        of, seen, body = self._gathered
        if of is not self._inbound or body != self._body_size:
            seen = 0
        seen += size
        self._gathered = (self._inbound, seen, self._body_size)
        if seen > MOST_HEAD + MOST_READ:
            self._refuse(Failure(FailureKind.TOO_LARGE, f"a request head over {MOST_HEAD} bytes", status=431))

    def _decline(self, rest: bytes) -> None:
        """Decline an offer to speak something else (h2c) by answering in HTTP/1.1.

        The parser takes the body for the other protocol already, so the request is read again without the offer.
        """
        offered, self._offered = self._offered, None
        self._parser = httptools.HttpRequestParser(self)
        if offered is None:
            return
        if offered.method == "CONNECT" or offered.refusal is not None:
            offered.keep_alive = False  # what follows was meant for the tunnel
            self._received(offered)
        else:
            self.data_received(offered.head(self._url) + rest)

    def _take_in(self, inbound: Inbound) -> None:
        """Serve a request that was read without the parser."""
        refusal = self._server.room.grow(0, len(inbound.body))
        if refusal is None:
            inbound.held = len(inbound.body)
        else:
            inbound.refusal, inbound.body = refusal, b""
        self._received(inbound)

    def _drop_body(self) -> None:
        """Forget what came of a body that is not complete."""
        self._server.room.release(self._body_size)
        self._body, self._body_size = [], 0

    def pause_writing(self) -> None:
        self.full = True
        self._stuck = self._server.env.now(), self._unsent()
        if self.on_pause is not None:
            self.on_pause()

    def _unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        self.full = False
        if self.on_resume is not None:
            self.on_resume()

    # --- httptools -----------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._inbound = Inbound()
        self._url = b""
        self._head_size = 0
        self._begun = True
        self._since = self._server.env.now()

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field."""
        self._head_size += len(name) + len(value) + 4
        if self._head_size > MOST_HEAD:
            self._count(0)
        inbound = self._inbound
        if inbound is not None and inbound.add(name, value) > MOST_FIELDS:
            raise _Enough(Failure(FailureKind.TOO_LARGE, f"more than {MOST_FIELDS} header fields", status=431))

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MOST_HEAD:
            raise _Enough(Failure(FailureKind.TOO_LARGE, f"a request head over {MOST_HEAD} bytes", status=431))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        inbound = self._inbound
        if inbound is None:
            return
        inbound.method = self._parser.get_method().decode("latin-1")
        path, _, query = self._url.partition(b"?")
        inbound.path, inbound.query = path.decode("latin-1"), query.decode("latin-1")
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise _Enough(Failure(FailureKind.BAD_REQUEST, f"HTTP/{version} is not spoken here", code="bad_http"))
        inbound.old = version == "1.0"
        if (unsure := inbound.unsure_end()) is not None:
            raise _Enough(unsure)
        told = inbound.field(b"content-length")
        if told is not None and int(told) > self._server.max_body():
            raise _Enough(self._too_large())
        if inbound.field(b"host") is None and not inbound.old and inbound.refusal is None:
            inbound.refusal = Failure(FailureKind.BAD_REQUEST, "an HTTP/1.1 request needs a Host header")
        expect = inbound.field(b"expect")
        if expect is not None and expect.lower() == b"100-continue" and not inbound.old:  # RFC 9110, 10.1.1
            self._waits = True
            if not self._busy():
                self._go_on()

    def _go_on(self) -> None:
        """Ask for the body that the client holds back."""
        self._waits = False
        self.write(_CONTINUE)

    def on_chunk_header(self) -> None:
        """A chunk of the body begins, or the trailers do."""
        if self._inbound is not None and not self._inbound.closed:
            self._inbound.close()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        size = self._body_size + len(data)
        if size > self._server.max_body():
            raise _Enough(self._too_large())
        refusal = self._server.room.grow(self._body_size, size)
        if refusal is not None:
            raise _Enough(refusal)
        self._body_size = size
        self._body.append(data)
        self._waits = False

    def _too_large(self) -> Failure:
        limit = self._server.max_body()
        text = f"the body is larger than limits.max_body_bytes, {limit}"
        return Failure(FailureKind.TOO_LARGE, text, code="body_too_large")

    def on_message_complete(self) -> None:
        """The request is complete: serve it, or keep it while another one is being served."""
        inbound, self._inbound = self._inbound, None
        if inbound is None:
            return
        inbound.keep_alive = self._parser.should_keep_alive()
        self._latest = inbound
        body = self._body
        inbound.body = body[0] if len(body) == 1 else b"".join(body)
        inbound.held = self._body_size
        self._body, self._body_size = [], 0
        self._begun = False
        if self._parser.should_upgrade():
            self._offered = inbound
        else:
            self._waits = False
            self._received(inbound)

    def _received(self, inbound: Inbound) -> None:
        if self._task is None:
            self._serve(inbound)
        else:
            self._wait(inbound)

    def _wait(self, inbound: Inbound) -> None:
        """Keep a request while another is served: pipelining is allowed, and answered in order."""
        self._pending.append(inbound)
        if self._transport is not None:  # one that waits stops the reading
            self._transport.pause_reading()

    def _busy(self) -> bool:
        return self._task is not None

    # --- serving -------------------------------------------------------------------------------------

    def _serve(self, inbound: Inbound) -> None:
        server = self._server
        inbound.arrived, inbound.room, inbound.peer = server.env.now(), server.room, self.peer
        keep_alive = inbound.keep_alive and not server.closing
        reply = self._reply = HttpReply(self, old=inbound.old, keep_alive=keep_alive)
        self._task = self._loop.create_task(self._run(inbound, reply))

    async def _run(self, inbound: Inbound, reply: HttpReply) -> None:
        try:
            await self._server.handle(inbound, reply)
        except asyncio.CancelledError:
            if self._transport is not None:
                raise
            # the client has left. Nobody asks the task, which would keep the error, whose frames know the task
        finally:
            self._task = None
            self._server.room.release(inbound.held)
            self.on_pause = self.on_resume = None
            if reply.started and not reply.ended:
                reply.abort()
        self._next(reply)

    def _next(self, reply: HttpReply) -> None:
        transport = self._transport
        if transport is None:
            return
        if not reply.keep_alive:
            transport.close()
            return
        self._since = self._server.env.now()
        if self._server.closing:  # only now: the head of this answer said that another request may come
            self._server.env.call_at(self._since + PARTING, self.close_if_idle)
        if self._pending:
            inbound = self._pending.pop(0)
            if self._pending:
                self._serve(inbound)
                return
            transport.resume_reading()
            if self._lingering:
                self._task = self._loop.create_task(self._linger(inbound))
            else:
                self._serve(inbound)
        elif self._waits:
            self._go_on()

    def _refuse(self, failure: Failure) -> None:
        """Answer what cannot be parsed, then let the client read that before the connection is closed."""
        self._lingering = True  # nothing after it can be understood
        self._drop_body()
        self._since = self._server.env.now()
        # as far as its head was read: whose envelope it is answered in goes by its path
        inbound = Inbound() if self._inbound is None else self._inbound.again(b"")
        inbound.refusal = failure
        inbound.keep_alive = False
        inbound.arrived = self._since
        if self._busy():
            self._wait(inbound)
        else:
            self._task = self._loop.create_task(self._linger(inbound))

    async def _linger(self, inbound: Inbound) -> None:
        reply = HttpReply(self, old=False, keep_alive=False)
        try:
            await self._server.handle(inbound, reply)
        finally:
            self._task = None
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def write(self, data: bytes) -> None:
        """Write to the client, if it is still there."""
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    @property
    def idle_since(self) -> Instant | None:
        """Since when nothing has been answered here, None while something is."""
        return self._since if self._task is None else None

    @property
    def expects(self) -> bool:
        """Tell whether a request is answered here, or may be here and not be read yet; for half a head not for long."""
        transport, inbound = self._transport, self._inbound
        if self._task is not None or transport is None or transport.is_closing() or self._lingering:
            return self._task is not None
        half = self._begun and inbound is not None and not inbound.method
        return not half or self._server.env.now() - self._since < PARTING

    @property
    def standing(self) -> Standing:
        """Return what is lost with it, while nothing is being answered."""
        return Standing.BEGUN if self._begun else Standing.NEW if self._reply is None else Standing.IDLE

    def end_soon(self) -> None:
        """Let the answer that is under way be the last; without one, close at once."""
        if self._task is None or self._reply is None:
            self.abort()
        else:
            self._reply.keep_alive = False

    def part(self) -> None:
        """Let the answer that is under way be the last, if its head can still say so; else the next one will."""
        if self._task is not None and self._reply is not None and not self._reply.started:
            self._reply.keep_alive = False

    def close_if_idle(self) -> None:
        """Close a connection on which nothing is under way."""
        if self._task is None and not self._begun and self._transport is not None:
            self._transport.close()

    def sweep(self, now: Instant) -> None:
        """Close what is idle, has taken too long to ask, or does not take its answer."""
        if self.full and self._is_stuck(now):
            self.abort()
        if self._task is not None:
            return
        waited = now - self._since
        if self._lingering:
            if waited > LINGER:
                self.abort()
        elif self._begun:
            in_head = not self._body and self._inbound is not None and not self._inbound.method
            if waited > (HEAD_TIME if in_head else BODY_TIME):
                self._refuse(Failure(FailureKind.BAD_REQUEST, "the request took too long to arrive", status=408))
        elif waited > KEEPALIVE:
            self.abort()  # not close(): that would wait for a client that never reads its last answer

    def _is_stuck(self, now: Instant) -> bool:
        """Tell whether the client has taken next to nothing for long: meanwhile it holds a provider's slot."""
        since, before = self._stuck
        unsent = self._unsent()
        if unsent > before - LEAST_TAKEN:
            return now - since > TAKE_TIME
        self._stuck = now, unsent
        return False


class _Enough(Exception):
    """Raised out of a parser callback: a bound is broken."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
