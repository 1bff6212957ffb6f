"""A connection to a provider where no wire is needed: what it writes, when it is kept, and what it calls a failure.

What the bytes of an answer come to is the contract suite's (tests/contract/test_transports.py).
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from lbd.model.failure import FailureKind, LbdError
from lbd.ports import Endpoint, Origin
from lbd.upstream.connection import KEEPALIVE_MARGIN, LOST_AFTER, MOST_HEAD, Connection
from lbd.upstream.request_head import head_bytes
from tests.fakes.bench import ENDPOINT, OK, ORIGIN, Bench
from tests.fakes.wire import LOOPS, Ear, on


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Return a bench on the running loop."""
    made = Bench()
    yield made
    await made.client.close()


@pytest.mark.parametrize("size", [0, 65_535, 65_536, 200_000])
async def test_head_and_body_are_written_as_one(bench: Bench, size: int) -> None:
    """Small bodies in one piece with the head, large ones without copying them."""
    connection, pipe = bench.connection()
    connection.start(ENDPOINT, b"x" * size, Ear(), reused=False)
    assert pipe.written == head_bytes(ENDPOINT, size) + b"x" * size


@pytest.mark.parametrize(
    ("field", "kept"),
    [
        (b"keep-alive: timeout=5, max=100", 5 - KEEPALIVE_MARGIN),
        (b"Keep-Alive: max=100, timeout=3", 3 - KEEPALIVE_MARGIN),
        (b"keep-alive: timeout=0", 0.0),
        (b"keep-alive: timeout=600", 15.0),
        (b"keep-alive: max=1", 15.0),
        (b"keep-alive: timeout=abc", 15.0),
    ],
)
async def test_a_server_that_announces_a_shorter_time_is_believed(bench: Bench, field: bytes, kept: float) -> None:
    """Less a margin: its clock started before ours."""
    bench.idle(b"HTTP/1.1 200 OK\r\n" + field + b"\r\ncontent-length: 2\r\n\r\nhi")
    if kept:
        bench.env.advance(kept - 0.01)
        assert bench.client._pool.take(ORIGIN, bench.env.now()) is not None
        bench.idle(b"HTTP/1.1 200 OK\r\n" + field + b"\r\ncontent-length: 2\r\n\r\nhi")
        bench.env.advance(kept + 0.001)
    assert bench.client.reuse(ENDPOINT, b"", Ear()) is None


async def test_what_is_closed_is_not_left_for_the_cycle_collector(bench: Bench) -> None:
    """A connection and its parser hold each other."""

    def left() -> int:
        return sum(type(o) is Connection for o in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = left()
        connection, _ = bench.idle()
        assert left() == before + 1
        connection.connection_lost(None)
        del connection
        assert left() == before
    finally:
        gc.enable()


async def test_a_request_lost_on_a_kept_connection_before_any_byte_is_stale(bench: Bench) -> None:
    """With FIN or with RST; on a new connection, after a byte, or after a second of work, it is a reset."""
    for error in (None, ConnectionResetError("reset")):
        for reused, byte, after_s, kind in (
            (True, b"", 0.0, FailureKind.STALE),
            (True, b"", 0.9, FailureKind.STALE),
            (True, b"", 1.0, FailureKind.RESET),
            (True, b"H", 0.0, FailureKind.RESET),
            (False, b"", 0.0, FailureKind.RESET),
        ):
            connection, _ = bench.connection()
            ear = Ear()
            connection.start(ENDPOINT, b"", ear, reused=reused)
            bench.env.advance(after_s)
            if byte:
                connection.data_received(byte)
            connection.connection_lost(error)
            assert ear.kind is kind


async def test_starting_on_a_closed_connection_says_so(bench: Bench) -> None:
    """Nothing was sent: stale where it had been kept."""
    for reused, kind in ((True, FailureKind.STALE), (False, FailureKind.RESET)):
        connection, _ = bench.connection()
        connection.connection_lost(None)
        with pytest.raises(LbdError) as caught:
            connection.start(ENDPOINT, b"", Ear(), reused=reused)
        assert caught.value.failure.kind is kind


async def test_a_connection_with_unsent_bytes_is_not_kept(bench: Bench) -> None:
    """The server answered before it had read everything: the rest would be taken for the next request."""
    connection, pipe = bench.connection()
    ear = Ear()
    connection.start(ENDPOINT, b"x" * 100_000, ear, reused=False)
    pipe.unsent = 50_000
    connection.data_received(OK)
    assert ear.ended and pipe.aborted
    assert len(bench.client._pool) == 0


async def test_a_connection_that_is_closing_is_not_kept(bench: Bench) -> None:
    """The end of the answer and the server's FIN may come in one read."""
    connection, pipe = bench.connection()
    ear = Ear()
    connection.start(ENDPOINT, b"", ear, reused=False)
    pipe.closing = True
    connection.data_received(OK)
    assert ear.ended and len(bench.client._pool) == 0


async def test_a_word_on_an_idle_connection_closes_it(bench: Bench) -> None:
    """It is no answer to anything."""
    connection, pipe = bench.idle()
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
    assert pipe.aborted


@pytest.mark.parametrize("unasked", [OK, b"\r\n", b"HTTP/1.1 408 Request Timeout\r\n", None])
async def test_what_came_unasked_since_the_loop_looked_is_no_answer_to_the_next_request(
    bench: Bench, unasked: bytes | None
) -> None:
    """An answer too many would be told to somebody else; of a close there is nothing to learn by sending."""
    client, peers = bench.client, []
    listener = socket.create_server(("127.0.0.1", 0))
    origin = Origin("http", *listener.getsockname())
    endpoint = Endpoint(origin, "POST", "/", ())
    made = []
    for _ in "ab":
        ear = Ear()
        made.append(await client.open(endpoint, b"", ear, by=bench.env.now() + 3.0))
        peers.append(listener.accept()[0])
        peers[-1].sendall(OK)
        await ear.done.wait()
    if unasked is None:
        peers[1].close()
    else:
        peers[1].sendall(unasked)
    ear = Ear()
    assert client.reuse(endpoint, b"", ear) is made[0]
    peers[0].sendall(OK)
    await ear.done.wait()
    assert ear.body == b"hi" and ear.failure is None
    for end in (*peers, listener):
        end.close()


@pytest.mark.parametrize(
    ("kept", "field", "after_s", "kind"),
    [
        (True, b"Connection: Close\r\n", 0.9, FailureKind.STALE),
        (True, b"Connection: Close\r\n", 1.0, None),
        (True, b"", 0.0, None),
        (False, b"connection: close\r\n", 0.0, None),
    ],
)
async def test_a_kept_connection_given_up_with_408_is_stale(
    bench: Bench, kept: bool, field: bytes, after_s: float, kind: FailureKind | None
) -> None:
    """RFC 9110, 15.5.9: it was sent for want of a request. Nor is one kept whose answer may still come."""
    connection, pipe = bench.idle() if kept else bench.connection()
    ear = Ear()
    if kept:
        assert bench.client.reuse(ENDPOINT, b"", ear) is connection
    else:
        connection.start(ENDPOINT, b"", ear, reused=False)
    bench.env.advance(after_s)
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n%bcontent-length: 0\r\n\r\n" % field)
    assert (ear.kind, ear.ended) == (kind, kind is None)
    assert pipe.aborted
    assert len(bench.client._pool) == 0


class Kernel:
    """A socket that tells how often the kernel has sent the same again for nothing."""

    def __init__(self, retransmits: int) -> None:
        self.retransmits = retransmits

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO)
        return bytes([1, 0, self.retransmits, 0, 0, 0, 0, 0])[:size]


@pytest.mark.parametrize(
    ("reused", "byte", "retransmits", "lost"),
    [
        (True, b"", LOST_AFTER, True),
        (True, b"", LOST_AFTER - 1, False),
        (True, b"H", LOST_AFTER, False),
        (False, b"", LOST_AFTER, False),
    ],
)
async def test_a_kept_connection_that_nothing_gets_through_is_stale_where_somebody_looks(
    bench: Bench, reused: bool, byte: bytes, retransmits: int, lost: bool
) -> None:
    """A router has forgotten it: no FIN, no RST, and nothing acknowledged of what the kernel sends again and again."""
    connection, pipe = bench.connection()
    ear = Ear()
    connection.start(ENDPOINT, b"", ear, reused=reused)
    bench.env.advance(3.0)
    if byte:
        connection.data_received(byte)
    connection.look()  # there is no socket to ask
    pipe._extra["socket"] = Kernel(retransmits)
    connection.look()
    assert ear.kind is (FailureKind.STALE if lost else None)
    assert pipe.is_closing() == lost


@pytest.mark.parametrize("kind", LOOPS)
def test_the_kernel_is_asked_of_the_sockets_of_every_loop(kind: str) -> None:
    """And says of a connection that is well that nothing is lost."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        made = Bench()
        endpoint = replace(ENDPOINT, origin=Origin("http", "127.0.0.1", port, 3.0, 15.0))
        connection = await made.client.open(endpoint, b"", Ear(), by=made.env.now() + 60.0)
        connection.cancel()
        connection = await made.client.open(endpoint, b"", Ear(), by=made.env.now() + 60.0)
        connection._receiver, ear = None, Ear()
        connection.start(endpoint, b"", ear, reused=True)
        connection.look()
        assert ear.kind is None and not connection._transport.is_closing()  # type: ignore[union-attr]
        connection.cancel()
        server.close()
        await made.client.close()

    on(kind, main())


async def test_a_head_is_bounded(bench: Bench) -> None:
    """A server that sends fields for ever is cut off; interim answers do not start the count again."""
    for piece in (b"x-a: " + b"a" * 1000 + b"\r\n", b"HTTP/1.1 103 X\r\nlink: a\r\n\r\n" * 40):
        connection, pipe = bench.connection()
        ear = Ear()
        connection.start(ENDPOINT, b"", ear, reused=False)
        connection.data_received(b"HTTP/1.1 200 OK\r\n" if piece.startswith(b"x") else piece)
        sent = 0
        while not ear.done.is_set():
            connection.data_received(piece)
            sent += len(piece)
            assert sent < MOST_HEAD + 2 * len(piece)
        assert ear.kind is FailureKind.BAD_BODY and pipe.aborted
        assert ear.failure is not None and str(MOST_HEAD) in ear.failure.message


async def test_pausing_twice_or_resuming_what_reads_is_harmless(bench: Bench) -> None:
    """The client's side may say so as often as it likes; the end of an exchange takes a pause back."""
    connection, pipe = bench.connection()
    connection.resume()
    connection.start(ENDPOINT, b"", Ear(), reused=False)
    connection.pause()
    connection.pause()
    assert not pipe.reading
    connection.resume()
    connection.resume()
    assert pipe.reading
    connection.pause()
    connection.data_received(OK)
    assert pipe.reading and len(bench.client._pool) == 1


async def test_cancelling_what_is_over_does_not_close_the_kept_connection(bench: Bench) -> None:
    """It may carry somebody else's request by then."""
    connection, pipe = bench.idle()
    connection.cancel()
    assert not pipe.aborted
    connection.pause()
    connection.connection_lost(None)
    connection.cancel()
    connection.pause()
    connection.resume()


async def test_a_receiver_that_cancels_from_its_head_hears_nothing_more(bench: Bench) -> None:
    """Though body and end came in the same read."""
    connection, pipe = bench.connection()
    ear = Ear()

    def stop() -> None:
        connection.cancel()
        ear.cancelled = True

    ear.on_head = stop
    connection.start(ENDPOINT, b"", ear, reused=False)
    connection.data_received(OK)
    assert pipe.aborted and not ear.chunks and not ear.ended
