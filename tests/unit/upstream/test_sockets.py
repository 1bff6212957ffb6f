"""Sockets of which a transport took the descriptor over never close that number again, and all others do."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import struct

import pytest

from lbd.app import RealEnv
from lbd.loops.exporting import Export
from lbd.loops.posting import Post
from lbd.model.failure import FailureKind, LbdError
from lbd.model.secret import Secret
from lbd.model.tracing import TracesSpec
from lbd.ports import Endpoint, Origin
from lbd.upstream import sockets
from lbd.upstream.aio import AiohttpTransport
from lbd.upstream.client import Client
from tests.fakes.descriptors import exhausted
from tests.fakes.wire import LOOPS, Ear, a_moment, on


class Late(Client):
    """A client that goes on with a connected socket only when the other side's RST is there."""

    made: sockets.Socket | None = None
    node = 0

    async def _race(self, origin: Origin) -> socket.socket:
        sock = await super()._race(origin)
        assert isinstance(sock, sockets.Socket)
        self.made, self.node = sock, inode(sock.fileno())
        await a_moment(0.02)
        return sock


def inode(fd: int) -> int:
    """Return what tells one open socket from another; 0: no such descriptor."""
    try:
        return os.fstat(fd).st_ino
    except OSError:
        return 0


def resetting() -> asyncio.Protocol:
    """Return what resets its connection as soon as it stands."""

    class Resets(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            """Reset it."""
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()  # type: ignore[attr-defined]

    return Resets()


@pytest.mark.parametrize("kind", LOOPS)
def test_a_greeting_that_was_reset_closes_nobody_elses_descriptor(kind: str) -> None:
    """The number that the socket had is another's by the time that it is collected."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(resetting, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = Late(RealEnv())
        endpoint = Endpoint(Origin("https", "127.0.0.1", port, 2.0, 5.0), "POST", "/", (), True)
        with pytest.raises(LbdError) as told:
            await client.open(endpoint, b"{}", Ear(), by=client._env.now() + 2)
        assert told.value.failure.kind is FailureKind.CONNECT, told.value.failure
        await a_moment(0.02)
        sock, client.made = client.made, None
        assert sock is not None
        number = sock.fileno()  # -1: the loop has had the socket forget its number itself
        others: list[int] = []
        while number != -1 and not inode(number) and len(others) < 100:
            others.append(os.open(os.devnull, os.O_RDONLY))
        del sock, told
        gc.collect()
        lost = [fd for fd in others if not os.path.exists(f"/proc/self/fd/{fd}")]
        for fd in others:
            if fd not in lost:
                os.close(fd)
        server.close()
        await server.wait_closed()
        assert inode(number) != client.node, "the transport has not closed it"
        assert not lost

    on(kind, main())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_socket_that_nobody_took_over_is_closed_when_it_is_collected() -> None:
    """As any other is."""
    made = sockets.new((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1)))
    number = made.fileno()
    node = inode(number)
    assert node
    del made
    gc.collect()
    assert inode(number) != node  # the number may be somebody else's by now


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_kernel_asks_whether_the_other_side_is_there(family: socket.AddressFamily) -> None:
    """Well before any router forgets a connection on which nothing is said while an answer is thought about."""
    made = sockets.new((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", 1)))
    assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, every, count = (
        made.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle <= 60 and 5 < idle + every * count <= 60 and count > 1


def test_one_that_got_no_descriptor_says_so_and_nothing_else() -> None:
    """It is collected half-made; what goes wrong there fails a test."""
    with exhausted(), pytest.raises(OSError, match="Too many open files"):
        sockets.new((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1)))
    gc.collect()


def test_every_client_makes_its_connections_from_them() -> None:
    """Those of aiohttp, too: it hands its sockets to the loop in the same way."""

    async def main() -> None:
        transport = AiohttpTransport(RealEnv(), lambda _, work: asyncio.get_running_loop().create_task(work))
        session = transport.session(Origin("https", "127.0.0.1", 1, 1.0, 1.0), pool=True)
        post, export = Post(), Export()
        url = "http://127.0.0.1:9/"
        await post(Secret(url), b"{}")
        await export(TracesSpec(Secret(url)), b"", RealEnv().wall(), 1.0)
        for made in (session, post._session, export._session):
            assert made is not None
            assert made.connector._socket_factory is sockets.new  # type: ignore[union-attr]
        await transport.close()
        await post.close()
        await export.close()

    on("uvloop", main())
