"""Whoever was accepted before a withdrawal does not get in by a handshake that lasts longer."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from lbd.daemon.entrance import Entrance
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
