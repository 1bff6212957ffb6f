"""Whoever was accepted before a withdrawal does not get in by a handshake that lasts longer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from lbd.daemon.entrance import MOST, MOST_BUSY, Entrance
from tests.fakes.trust import Authority
from tests.fakes.wire import LOOPS, on, until


class Echo(asyncio.Protocol):
    """Sends back what it is sent, and ends with it."""

    made = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        type(self).made += 1
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


async def echoed(port: int, context: ssl.SSLContext | None, sock: socket.socket | None = None) -> bytes:
    """Return what comes back on a connection, which may be nothing."""
    where = {"host": "127.0.0.1", "port": port} if sock is None else {"sock": sock}
    named = {"server_hostname": "127.0.0.1"} if context is not None else {}
    reader, writer = await asyncio.open_connection(**where, ssl=context, **named)  # type: ignore[arg-type]
    try:
        writer.write(b"well")
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_handshake_that_outlasts_a_withdrawal_lets_nobody_in(loop: str, tmp_path: Path) -> None:
    """Nothing is made for it; whoever comes later, or stands already, is served."""
    own = Authority(tmp_path)
    server = own.server("own", "IP:127.0.0.1")
    trust = ssl.create_default_context(cafile=str(own.ca))

    async def main() -> None:
        entrance, accepted, Echo.made = Entrance(Echo), 0, 0

        def counting() -> asyncio.Protocol:
            nonlocal accepted
            accepted += 1
            return entrance()

        listener = await asyncio.get_running_loop().create_server(counting, "127.0.0.1", 0, ssl=server)
        port = int(listener.sockets[0].getsockname()[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        with socket.create_connection(("127.0.0.1", port)) as early:
            await until(lambda: accepted == 2 and Echo.made == 1)
            entrance.withdraw()
            early.setblocking(False)
            assert await echoed(port, trust, early) == b""
        assert Echo.made == 1
        writer.write(b"stands")
        assert await reader.read() == b"stands"
        writer.close()
        assert await echoed(port, trust) == b"well"
        listener.close()

    on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_without_tls_whoever_connects_stands_at_once(loop: str) -> None:
    """And every byte reaches what was made for it."""

    async def main() -> None:
        entrance = Entrance(Echo)
        entrance.withdraw()
        listener = await asyncio.get_running_loop().create_server(entrance, "127.0.0.1", 0)
        port = int(listener.sockets[0].getsockname()[1])
        assert await echoed(port, None) == b"well"
        listener.close()

    on(loop, main())


class Seat:
    """A connection that stands; a busy one stays when it is asked to leave."""

    def __init__(self, *, busy: bool) -> None:
        self.busy = busy
        self.gone = False

    def close(self) -> None:
        self.gone = self.gone or not self.busy

    def force_close(self) -> None:
        self.gone = True


@pytest.mark.parametrize("busy", [False, True])
def test_where_there_are_too_many_the_oldest_leave(busy: bool) -> None:
    """Who waits at once, who is being answered only where they take too much; never the newcomer."""
    seats: list[Seat] = []
    entrance = Entrance(Echo, lambda: [s for s in seats if not s.gone])
    for n in range(3 * (MOST + MOST_BUSY)):
        seats.append(Seat(busy=busy))
        entrance.make_room()
        standing = [s for s in seats if not s.gone]
        assert standing == seats[-len(standing) :]
        assert len(standing) == min(n + 1, MOST + MOST_BUSY if busy else MOST)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_crowd_that_says_nothing_keeps_nobody_out(loop: str) -> None:
    """Of aiohttp's server: connections without a request, with half a one, and with half a body."""
    head = b"POST / HTTP/1.1\r\nHost: h\r\n"

    async def main() -> None:
        async def answered(request: web.Request) -> web.Response:
            return web.Response(body=await request.read())

        runner = web.ServerRunner(web.Server(answered))
        await runner.setup()
        served = runner.server
        assert served is not None
        entrance = Entrance(served, lambda: served.connections)
        listener = await asyncio.get_running_loop().create_server(entrance, "127.0.0.1", 0)
        port = int(listener.sockets[0].getsockname()[1])
        crowd = []
        for n in range(2 * (MOST + MOST_BUSY)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write((b"", head, head + b"Content-Length: 9\r\n\r\nx")[n % 3])
            crowd.append(writer)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"Content-Length: 4\r\nConnection: close\r\n\r\nwell")
        assert (await reader.read()).endswith(b"well")
        crowd.append(writer)
        await until(lambda: len(served.connections) <= MOST + MOST_BUSY)
        for writer in crowd:
            writer.close()
        listener.close()
        await runner.cleanup()

    on(loop, main())
