"""Listeners come and go; whoever connects while there is none is served by the next one."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop

from lbd.daemon import listen
from lbd.daemon.accepting import AGAIN, Accepting
from tests.fakes.descriptors import exhausted
from tests.fakes.trust import Authority
from tests.fakes.wire import a_moment, until

Work = Callable[[Accepting, int], Awaitable[None]]


class Greeter(asyncio.Protocol):
    """Says hello, and no more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(b"hello")  # type: ignore[attr-defined]
        transport.close()


def spawned(_name: str, work: Coroutine[Any, Any, None]) -> object:
    return asyncio.get_running_loop().create_task(work)


def accepting(work: Work, *addresses: str) -> None:
    """Do something with one on these addresses; by default a free port of loopback."""

    async def main() -> None:
        sockets = [sock for address in addresses or ("127.0.0.1:0",) for sock in listen.bind(address)]
        made = Accepting(Greeter, sockets, spawned)
        try:
            await work(made, int(sockets[0].getsockname()[1]))
        finally:
            made.end()

    uvloop.run(main())


async def greeted(port: int, context: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()


def test_who_connects_while_it_is_shut_waits_and_is_served() -> None:
    """Nobody is refused, and nobody greeted meanwhile; shutting twice is shutting."""

    async def work(of: Accepting, port: int) -> None:
        await of.begin(None)
        assert of.accepts and await greeted(port) == b"hello"
        of.turn(open_=False)
        of.turn(open_=False)
        assert of.accepts, "not inside the accept that may have called it"
        await until(lambda: not of.accepts)
        waiting = [asyncio.ensure_future(greeted(port)) for _ in range(20)]
        await a_moment(0.05)
        assert not any(w.done() for w in waiting)
        of.turn(open_=True)
        assert await asyncio.gather(*waiting) == [b"hello"] * 20

    accepting(work)


def test_what_is_asked_last_holds() -> None:
    """Opened and shut in one breath, in either order."""

    async def work(of: Accepting, port: int) -> None:
        await of.begin(None)
        of.turn(open_=False)
        of.turn(open_=True)
        await a_moment(0.02)
        assert of.accepts and await greeted(port) == b"hello"
        of.turn(open_=False)
        await until(lambda: not of.accepts)
        of.turn(open_=True)
        of.turn(open_=False)
        await a_moment(0.02)
        assert not of.accepts
        await of.begin(None)  # nor does a reload open it
        assert not of.accepts

    accepting(work)


def test_a_certificate_is_taken_while_it_is_shut(tmp_path: Path) -> None:
    """And spoken with when it opens; unix sockets never speak TLS."""
    own = Authority(tmp_path)
    server = own.server("own", "IP:127.0.0.1")

    async def work(of: Accepting, port: int) -> None:
        await of.begin(None)
        of.turn(open_=False)
        await until(lambda: not of.accepts)
        await of.begin(server)
        of.turn(open_=True)
        await until(lambda: of.accepts)
        assert await greeted(port, ssl.create_default_context(cafile=str(own.ca))) == b"hello"
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        assert await reader.read() == b"hello"
        writer.close()

    accepting(work, "127.0.0.1:0", f"unix:{tmp_path}/s")


def test_without_a_descriptor_it_goes_on_as_before() -> None:
    """What was opened for it is closed again."""

    async def work(of: Accepting, port: int) -> None:
        await of.begin(None)
        with exhausted() as held:
            for sock in of._sockets[1:]:  # enough for one of two
                assert sock
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with pytest.raises(OSError, match="Too many open files"):
                await of.begin(context)
            assert of.context is None and of.accepts
            assert held
        assert await greeted(port) == b"hello"

    accepting(work, "127.0.0.1:0", "127.0.0.1:0")


def test_it_opens_later_where_no_descriptor_was_left_to_open_with() -> None:
    """What is under way may take the last ones just then; who waits is served as soon as there is one."""

    async def work(of: Accepting, port: int) -> None:
        await of.begin(None)
        of.turn(open_=False)
        await until(lambda: not of.accepts)
        of.turn(open_=True)
        with exhausted():
            await a_moment(0.05)
            assert not of.accepts
        assert await greeted(port) == b"hello"

    accepting(work)


def test_it_does_not_open_later_where_it_was_shut_meanwhile() -> None:
    """The last word holds."""

    async def work(of: Accepting, _port: int) -> None:
        await of.begin(None)
        of.turn(open_=False)
        await until(lambda: not of.accepts)
        of.turn(open_=True)
        with exhausted():
            await a_moment(0.05)
            of.turn(open_=False)
        await a_moment(2 * AGAIN)
        assert not of.accepts

    accepting(work)


def test_what_is_shut_while_a_listener_is_made_stays_shut() -> None:
    """A loop may take its time to make one."""

    async def main() -> None:
        sockets = [*listen.bind("127.0.0.1:0"), *listen.bind("127.0.0.1:0")]
        of = Accepting(Greeter, sockets, spawned)
        asyncio.get_running_loop().call_soon(partial(of.turn, open_=False))
        await of.begin(None)
        await a_moment(0.02)
        assert not of.accepts
        of.end()

    asyncio.run(main())


def test_after_the_end_nothing_is_listened_on() -> None:
    """Whatever was asked just before, or is asked later."""

    async def work(of: Accepting, port: int) -> None:
        await of.begin(None)
        of.turn(open_=False)
        await until(lambda: not of.accepts)
        of.turn(open_=True)
        of.end()
        of.turn(open_=True)
        await of.begin(None)
        await a_moment(0.02)
        assert not of.accepts
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) != 0

    accepting(work)
