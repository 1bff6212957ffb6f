"""One answer to a client in HTTP/1.1: whole, or in chunks as they come."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

_STATUS = {int(s): b"HTTP/1.1 %d %b\r\n" % (s, s.phrase.encode()) for s in HTTPStatus}
_LAST_CHUNK = b"0\r\n\r\n"


class Line(Protocol):
    """A client's connection, as far as an answer needs it."""

    full: bool
    on_pause: Callable[[], object] | None
    on_resume: Callable[[], object] | None

    def write(self, data: bytes) -> None:
        """Send bytes, if the client is still there."""

    def abort(self) -> None:
        """Close at once."""


class HttpReply:
    """One answer. Implements :class:`lbd.ports.Reply`."""

    __slots__ = ("_chunked", "_connection", "_old", "ended", "keep_alive", "started")

    def __init__(self, connection: Line, *, old: bool, keep_alive: bool) -> None:
        self._connection = connection
        self._old = old
        self._chunked = not old
        self.keep_alive = keep_alive
        self.started = False
        self.ended = False

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer. ``headers`` are encoded lines, each with its line end."""
        self.started = self.ended = True
        end = b"content-length: %d\r\n\r\n" if self.keep_alive and not self._old else self._other_end()
        self._connection.write(b"%b%b%b%b" % (_status(status), headers, end % len(body), body))

    def send_head(self, status: int, headers: bytes, length: int) -> None:
        """Answer HEAD: what ``send`` would, less the body."""
        self.started = self.ended = True
        self._connection.write(b"%b%b%b" % (_status(status), headers, self._other_end() % length))

    def _other_end(self) -> bytes:
        how = b"keep-alive" if self.keep_alive else b"close"
        return b"content-length: %d\r\nconnection: " + how + b"\r\n\r\n"

    def start(self, status: int, headers: bytes) -> None:
        """Send the head of a streamed answer."""
        self.started = True
        if self._old:
            self.keep_alive = False  # without chunks the end of the connection is the end of the answer
        more = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        if not self.keep_alive:
            more += b"connection: close\r\n"
        self._connection.write(b"%b%b%b\r\n" % (_status(status), headers, more))

    def write(self, data: bytes) -> None:
        """Send a piece of a streamed answer."""
        if data:
            self._connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self, data: bytes = b"") -> None:
        """Send the last piece and finish."""
        if self.ended:
            return
        self.ended = True
        connection = self._connection
        connection.on_pause = connection.on_resume = None
        if not self._chunked:
            connection.write(data)
        elif data:
            connection.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))
        else:
            connection.write(_LAST_CHUNK)

    def flow(self, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        """Say whom to stop while the client cannot take more."""
        connection = self._connection
        connection.on_pause, connection.on_resume = pause, resume
        if connection.full:
            pause()

    def abort(self) -> None:
        """Close the connection: a streamed answer that cannot be finished must not look finished."""
        self.keep_alive = False
        self._connection.abort()


class Bare:
    """Answers HEAD: everything but the body."""

    def __init__(self, reply: HttpReply) -> None:
        self._reply = reply

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send the head, with the length that the body has."""
        self._reply.send_head(status, headers, len(body))


def _status(status: int) -> bytes:
    return _STATUS.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status
