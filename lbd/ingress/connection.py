"""A client's connection: HTTP/1.1 on ``asyncio.Protocol`` and httptools, one request at a time.

Measured beside aiohttp's low-level server, which costs 25 us a request before anything is done for it, this
costs about half, and a relayed chunk is one write to the transport. How long strangers may take, and how much may
wait for its turn, is bounded here; what they may send, where it is read.

A connection owns the task of its running request and cancels it when the client leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from lbd.ingress import reading
from lbd.ingress.crowd import Standing
from lbd.ingress.inbound import Inbound
from lbd.ingress.reading import Reading
from lbd.ingress.reply import HttpReply
from lbd.model.failure import Failure, FailureKind
from lbd.model.peer import STRANGER, Peer, names
from lbd.model.units import Instant, Seconds

KEEPALIVE: Seconds = 75.0  # unless somebody says otherwise
HEAD_TIME: Seconds = 20.0  # for a request head to arrive, once it has begun
BODY_TIME: Seconds = 60.0  # for a body to arrive, and for each ``LEAST_SENT`` bytes of it a second more
LEAST_SENT = 32 * 1024
TAKE_TIME: Seconds = 30.0  # for a client to take ``LEAST_TAKEN`` bytes of an answer that has piled up before it
LEAST_TAKEN = 16 * 1024
PARTING: Seconds = 1.0  # at the end, for the next request of a client that was not told that it is the last
LINGER: Seconds = 2.0  # after a refusal, for the client to read it before the rest of its body is cut off
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


Handle = Callable[[Inbound, HttpReply], Awaitable[None]]


class Host(reading.Host, Protocol):
    """The listener that a connection came to, as far as it needs it."""

    handle: Handle
    keepalive: Callable[[], Seconds]
    closing: bool

    def connected(self, connection: Connection) -> None: ...

    def left(self, connection: Connection) -> None: ...

    def soon(self, close: Callable[[], None]) -> None: ...


class Connection(asyncio.Protocol):
    """A client's connection."""

    __slots__ = (
        "__weakref__",
        "_lingering",
        "_loop",
        "_pending",
        "_reading",
        "_reply",
        "_server",
        "_since",
        "_stuck",
        "_task",
        "_transport",
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
        self._pending: list[Inbound] = []  # received while another is served
        self._task: asyncio.Task[None] | None = None
        self._reply: HttpReply | None = None
        self._since: Instant = 0.0  # when the connection went idle
        self._stuck: tuple[Instant, int] = (0.0, 0)  # since when the client takes nothing, and of how much
        self._lingering = False
        self.full = False
        self.peer = STRANGER
        self.under = 0  # how often the listener had withdrawn what it let in when it was accepted
        self.on_pause: Callable[[], object] | None = None
        self.on_resume: Callable[[], object] | None = None

    # --- asyncio -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        # not before: of a handshake that fails nothing may be left
        self._reading = Reading(self._server, self._received, self._asked)
        if transport.get_extra_info("sslcontext") is not None:
            self.peer = Peer(secure=True, names=names(transport.get_extra_info("peercert")))
        self._since = self._server.env.now()
        self._server.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._server.left(self)
        self._reading.close()
        for inbound in self._pending:
            self._server.room.release(inbound.held)
        self._pending = []
        self.on_pause = self.on_resume = None
        self._reply = None  # which knows this connection: else both would stay until the cycle collector comes by
        if self._task is not None:
            self._task.cancel()

    def eof_received(self) -> bool:
        """Take the end of what a client sends as its leaving, like nginx.

        A full close looks the same until an answer is written to it, and until then it would hold a provider's slot.
        """
        return False

    def data_received(self, data: bytes) -> None:
        failure = None if self._lingering else self._reading.feed(data)
        if failure is not None:
            self._refuse(failure)

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

    def _asked(self) -> None:
        """Say that the body may come, once it is this request's turn."""
        if self._task is None:
            self._reading.waits = False
            self.write(_CONTINUE)

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
            self._server.soon(self.close_if_idle)
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
        elif self._reading.waits:
            self._asked()

    def _refuse(self, failure: Failure) -> None:
        """Answer what cannot be parsed, then let the client read that before the connection is closed."""
        self._lingering = True  # nothing after it can be understood
        self._since = self._server.env.now()
        inbound = self._reading.drop()  # whose envelope it is answered in goes by its path
        inbound.refusal = failure
        inbound.keep_alive = False
        inbound.arrived = self._since
        if self._task is not None:
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
        return self._waiting_since if self._task is None else None

    @property
    def _waiting_since(self) -> Instant:
        return max(self._since, self._reading.since)  # one that began behind another has had no turn until that ended

    @property
    def expects(self) -> bool:
        """Tell whether a request is answered here, or may come, at the end; for half a head not for long."""
        transport = self._transport
        if self._task is not None or transport is None or transport.is_closing() or self._lingering:
            return self._task is not None
        return not self._reading.in_head or self._server.env.now() - self._reading.since < PARTING

    @property
    def standing(self) -> Standing:
        """Return what is lost with it, while nothing is being answered."""
        return Standing.BEGUN if self._reading.begun else Standing.NEW if self._reply is None else Standing.IDLE

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
        if self._task is None and not self._reading.begun and self._transport is not None:
            self._transport.close()

    def sweep(self, now: Instant) -> None:
        """Close what is idle, has taken too long to ask, or does not take its answer."""
        if self.full and self._is_stuck(now):
            self.abort()
        if self._task is not None:
            return
        waited = now - self._waiting_since
        if self._lingering:
            if waited > LINGER:
                self.abort()
        elif self._reading.begun:
            if waited > (HEAD_TIME if self._reading.in_head else BODY_TIME + self._reading.size / LEAST_SENT):
                self._refuse(Failure(FailureKind.BAD_REQUEST, "the request took too long to arrive", status=408))
        elif waited > self._server.keepalive():
            self.abort()  # not close(): that would wait for a client that never reads its last answer

    def _is_stuck(self, now: Instant) -> bool:
        """Tell whether the client has taken next to nothing for long: meanwhile it holds a provider's slot."""
        since, before = self._stuck
        unsent = self._unsent()
        if unsent > before - LEAST_TAKEN:
            return now - since > TAKE_TIME
        self._stuck = now, unsent
        return False
