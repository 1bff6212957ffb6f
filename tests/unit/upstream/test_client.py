"""lbd's own HTTP/1.1 client where no wire is needed: what it writes, keeps, closes, and calls a failure.

What the bytes of an answer come to is the contract suite's (tests/contract/test_transports.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.ports import Endpoint, Origin
from lbd.upstream import client as module
from lbd.upstream.client import KEEPALIVE_MARGIN, MOST_HEAD, SWEEP_EVERY, Client, Connection, head_bytes
from tests.fakes.env import FakeEnv
from tests.fakes.wire import Ear, until

ORIGIN = Origin("http", "h", 8000, keepalive_s=15.0)
ENDPOINT = Endpoint(ORIGIN, "POST", "/v1/chat/completions", (("authorization", "Bearer k"), ("accept", "x")))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class Pipe(asyncio.Transport):
    """The loop's side of a connection."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent = 0
        self.aborted = False
        self.reading = True
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing or self.aborted

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class Bench:
    """A client, and connections of it that stand already."""

    def __init__(self) -> None:
        self.env = FakeEnv()
        self.client = Client(self.env)

    def connection(self, origin: Origin = ORIGIN) -> tuple[Connection, Pipe]:
        connection, pipe = Connection(self.client, origin), Pipe()
        connection.connection_made(pipe)
        return connection, pipe

    def idle(self, answer: bytes = OK, origin: Origin = ORIGIN) -> tuple[Connection, Pipe]:
        """Return a connection that has served a request."""
        connection, pipe = self.connection(origin)
        ear = Ear()
        connection.start(ENDPOINT, b"", ear, reused=False)
        connection.data_received(answer)
        assert ear.ended
        pipe.written = b""
        return connection, pipe


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Return a bench on the running loop."""
    made = Bench()
    yield made
    await made.client.close()


def test_a_request_head_is_the_endpoints_lines_and_the_length() -> None:
    """Written once for each endpoint; only the length changes."""
    head = head_bytes(ENDPOINT, 12)
    assert head == (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: h:8000\r\nauthorization: Bearer k\r\naccept: x\r\n"
        b"content-length: 12\r\n\r\n"
    )
    assert head_bytes(ENDPOINT, 3).endswith(b"content-length: 3\r\n\r\n")


def test_remembered_heads_are_bounded_and_never_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are remembered by identity, which a new endpoint may inherit from one that is gone."""
    monkeypatch.setattr(module, "_prefixes", {})
    for n in range(5000):
        endpoint = Endpoint(ORIGIN, "POST", f"/{n}", ())
        assert head_bytes(endpoint, 0).startswith(b"POST /%d HTTP/1.1\r\n" % n)
    assert len(module._prefixes) <= 4097


def test_what_was_made_for_one_request_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signed head is never asked for again."""
    monkeypatch.setattr(module, "_prefixes", {})
    assert head_bytes(Endpoint(ORIGIN, "POST", "/x", (), lasting=False), 0).startswith(b"POST /x HTTP/1.1\r\n")
    assert not module._prefixes


@pytest.mark.parametrize("size", [0, 65_535, 65_536, 200_000])
async def test_head_and_body_are_written_as_one(bench: Bench, size: int) -> None:
    """Small bodies in one piece with the head, large ones without copying them."""
    connection, pipe = bench.connection()
    connection.start(ENDPOINT, b"x" * size, Ear(), reused=False)
    assert pipe.written == head_bytes(ENDPOINT, size) + b"x" * size


async def test_without_an_idle_connection_there_is_nothing_to_reuse(bench: Bench) -> None:
    """The caller opens one then."""
    assert bench.client.reuse(ENDPOINT, b"", Ear()) is None


async def test_an_idle_connection_is_reused_by_the_same_origin_only(bench: Bench) -> None:
    """At once, in the same call."""
    connection, pipe = bench.idle()
    other = Endpoint(Origin("http", "other", 8000), "POST", "/", ())
    assert bench.client.reuse(other, b"", Ear()) is None
    ear = Ear()
    assert bench.client.reuse(ENDPOINT, b"{}", ear) is connection
    assert pipe.written.endswith(b"\r\n\r\n{}")
    assert bench.client.reuse(ENDPOINT, b"{}", Ear()) is None
    connection.data_received(OK)
    assert ear.ended and ear.body == b"hi"


async def test_a_kept_connection_is_given_up_at_the_origins_keep_alive_time(bench: Bench) -> None:
    """Then it is not used again, and closed by the next sweep."""
    _, pipe = bench.idle()
    bench.env.advance(14.9)
    assert len(bench.client._pool) == 1 and not pipe.aborted
    bench.env.advance(0.1)
    assert bench.client.reuse(ENDPOINT, b"", Ear()) is None
    bench.env.advance(SWEEP_EVERY)
    assert pipe.aborted


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


async def test_the_sweep_runs_while_there_is_something_to_sweep(bench: Bench) -> None:
    """An idle daemon has no timer of the pool's."""
    bench.idle()
    bench.env.advance(60)
    assert not [t for _, _, t in bench.env._timers if not t.cancelled]
    bench.idle()
    assert [t for _, _, t in bench.env._timers if not t.cancelled]


async def test_what_the_server_closes_while_idle_is_forgotten(bench: Bench) -> None:
    """And nobody is told: no request was lost."""
    connection, _ = bench.idle()
    assert connection.eof_received() is False
    connection.connection_lost(None)
    assert len(bench.client._pool) == 0


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


async def test_too_many_idle_connections_close_the_oldest(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst leaves no more open than the bound."""
    monkeypatch.setattr("lbd.upstream.pool.MOST_IDLE", 3)
    pipes = [bench.idle()[1] for _ in range(5)]
    assert [p.aborted for p in pipes] == [True, True, False, False, False]


async def test_closing_the_client_closes_what_is_idle(bench: Bench) -> None:
    """What runs belongs to whoever runs it."""
    _, idle = bench.idle()
    running, busy = bench.connection()
    running.start(ENDPOINT, b"", Ear(), reused=False)
    await bench.client.close()
    assert idle.aborted and not busy.aborted


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


async def test_connecting_takes_no_longer_than_what_is_left(bench: Bench) -> None:
    """The shorter of the origin's connect time-out and the caller's instant."""
    stuck = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = stuck.sockets[0].getsockname()[1]

    async def never(*_: object, **__: object) -> None:
        await asyncio.get_running_loop().create_future()

    bench.client._race = never  # type: ignore[method-assign]
    origin = Origin("http", "127.0.0.1", port, connect_timeout_s=5.0)
    with pytest.raises(LbdError) as caught:
        await bench.client.open(Endpoint(origin, "POST", "/", ()), b"", Ear(), by=bench.env.now() + 0.02)
    assert caught.value.failure.kind is FailureKind.CONNECT_TIMEOUT
    assert f"127.0.0.1:{port}" in caught.value.failure.message
    stuck.close()
    await stuck.wait_closed()


async def test_a_descriptor_is_told_of_before_the_connection_stands(bench: Bench) -> None:
    """Whoever watches over those that are left would else hear of the last one too late."""
    told: list[str] = []
    bench.client.taken = lambda: told.append("taken")
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        endpoint = Endpoint(Origin("http", "127.0.0.1", port), "GET", "/", ())
        task = asyncio.get_running_loop().create_task(bench.client.open(endpoint, b"", Ear(), by=bench.env.now() + 5))
        await until(lambda: told)
        (await task).close()
    assert told == ["taken"]


async def test_who_is_stopped_while_the_slower_addresses_are_given_up_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race waits for the losers' end then, and forgets what came meanwhile; the winner is closed."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    start, loop = module.aiohappyeyeballs.start_connection, asyncio.get_running_loop()
    made: list[socket.socket] = []
    waiting = loop.create_future()

    async def slow(*args: Any, **kwargs: Any) -> socket.socket:
        made.append(await start(*args, **kwargs))
        with contextlib.suppress(asyncio.CancelledError):
            waiting.set_result(None)
            await loop.create_future()
        return made[0]

    monkeypatch.setattr(module.aiohappyeyeballs, "start_connection", slow)
    async with server:
        endpoint = Endpoint(Origin("http", "127.0.0.1", server.sockets[0].getsockname()[1]), "GET", "/", ())
        task = loop.create_task(bench.client.open(endpoint, b"", Ear(), by=bench.env.now() + 5))
        await waiting
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()
    assert made[0].fileno() == -1
