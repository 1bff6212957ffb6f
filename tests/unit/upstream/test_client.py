"""lbd's own HTTP/1.1 client: which connections it makes, keeps, uses again and closes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.ports import Endpoint, Origin
from lbd.upstream import client as module
from lbd.upstream.client import SWEEP_EVERY
from tests.fakes.bench import ENDPOINT, OK, Bench
from tests.fakes.wire import Ear, until


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """Return a bench on the running loop."""
    made = Bench()
    yield made
    await made.client.close()


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
