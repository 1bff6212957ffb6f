"""Clients that a daemon must bear: idle ones by the thousand, slow ones, huge bodies, readers that do not read."""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from lbd.ingress.crowd import GRACE, LARGE_BODIES, LEAST_CONNECTIONS, most_connections
from tests.e2e.conftest import Daemon, started
from tests.fakes.crowd import CHAT, Crowd, ask, chat, others, resident
from tests.fakes.stub_provider import StubProvider
from tests.fakes.trust import Authority

MIB = 1 << 20
SOON = 0.25  # seconds for an ordinary request on a machine that others use too
MOST = 10_000


@pytest.fixture(scope="module")
def stub() -> Iterator[StubProvider]:
    """A provider that answers at once."""
    with StubProvider("p") as running:
        yield running


@pytest.fixture
def daemon(stub: StubProvider, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon before it."""
    config = {"providers": [stub.config()], "probes": {"completion": "never"}, "limits": {"max_body_bytes": 4 * MIB}}
    with started(tmp_path, config) as running:
        yield running


def pid(daemon: Daemon) -> int:
    assert daemon.process is not None
    return daemon.process.pid


def test_thousands_of_idle_connections_cost_little_and_slow_nobody_down(daemon: Daemon) -> None:
    """As many as half of the descriptors, up to 10,000: a few kilobytes each."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(MOST, most_connections() - 100, soft - 500)

    async def main() -> None:
        await others(daemon.api)
        before = resident(pid(daemon))
        async with Crowd(daemon.api) as crowd:
            assert await crowd.many(count) == count
            took = await others(daemon.api)
            assert took[len(took) // 2] < SOON / 5 and took[-1] < 2 * SOON, took[-5:]
            assert resident(pid(daemon)) - before < 8 * 1024 * count
            assert crowd.closed() == 0

    asyncio.run(main())


def test_more_connections_than_there_may_be_close_the_oldest(stub: StubProvider, tmp_path: Path) -> None:
    """With few descriptors newcomers are served all the same, and no accept fails."""
    places = (1024 - 256) // 2

    async def main(running: Daemon) -> None:
        async with Crowd(running.api) as crowd:
            assert await crowd.many(2000) == 2000
            took = await others(running.api, 20)
            assert took[10] < SOON and took[-1] < 2000 / places * GRACE + 2 * SOON, "one turn a placeful"
            await asyncio.sleep(0.2)
            assert crowd.closed() >= 2000 - places

    scarce(stub, tmp_path, 1024, main)


def test_where_all_places_are_taken_by_requests_the_next_ones_wait(stub: StubProvider, tmp_path: Path) -> None:
    """Nobody is turned away, and nobody who is idle is kept for it: three times as many as there is room for."""

    async def main(running: Daemon) -> None:
        async with Crowd(running.api) as crowd:
            assert await crowd.many(40, chat()) == 40  # and stay, to ask again
            sent = chat(user="first=0.3 gap=0 tokens=2")
            told = await asyncio.gather(*(ask(running.api, sent) for _ in range(3 * LEAST_CONNECTIONS)))
            assert {status for status, _ in told} == {200}
            assert (await ask(running.api))[0] == 200
            for reader, _ in crowd.open:
                assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200 "), "answered, then closed"
        assert "newcomers_wait" in running.log()

    scarce(stub, tmp_path, 256, main)


def test_without_a_descriptor_newcomers_wait_and_are_not_cut_off(stub: StubProvider, tmp_path: Path) -> None:
    """Connections that never finish a handshake take all there are: nobody can tell whom to close. It takes a while."""
    own = Authority(tmp_path)
    own.server("api", "IP:127.0.0.1")
    context = ssl.create_default_context(cafile=str(own.ca))
    tls = {"tls": {"cert_file": str(tmp_path / "api.pem"), "key_file": str(tmp_path / "api.key")}}

    async def main(running: Daemon) -> None:
        assert (await ask(running.api, tls=context))[0] == 200
        async with Crowd(running.api) as crowd:
            assert await crowd.many(400) == 400
            waiting = [asyncio.ensure_future(ask(running.api, tls=context)) for _ in range(5)]
            await asyncio.sleep(1)
            assert not any(w.done() for w in waiting) and crowd.closed() == 0
        assert [status for status, _ in await asyncio.wait_for(asyncio.gather(*waiting), 15)] == [200] * 5
        assert "newcomers_wait" in running.log()

    scarce(stub, tmp_path, 256, main, **tls)


def scarce(
    stub: StubProvider, folder: Path, most: int, main: Callable[[Daemon], Coroutine[Any, Any, None]], **more: Any
) -> None:
    """Do something with a daemon that may open so many descriptors; none of them is missed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        few = {"limits": {"queue_size": max(1, (most - 256) // 3)}}  # for which these are enough
        running = Daemon(folder, {"providers": [stub.config()], "probes": {"completion": "never"}, **few, **more})
        running.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        asyncio.run(main(running))
    finally:
        assert running.stop() == 0
    assert "Too many open files" not in running.log(), "no accept failed; that few are left is told"


def test_slow_requests_slow_nobody_down(daemon: Daemon) -> None:
    """A thousand that have sent half a head, and as many half a body; they are closed when their time is up."""

    async def main() -> None:
        before = resident(pid(daemon))
        async with Crowd(daemon.api) as crowd:
            assert await crowd.many(1000, b"POST /v1/chat/completions HTTP/1.1\r\nhost: loc") == 1000
            assert await crowd.many(1000, chat()[:-20]) == 1000
            took = await others(daemon.api)
            assert took[-1] < 2 * SOON, took[-5:]
            assert resident(pid(daemon)) - before < 16 * 1024 * 2000

    asyncio.run(main())


def test_huge_bodies_are_bounded_together(daemon: Daemon) -> None:
    """Forty clients with 4 MiB each of which the last byte never comes: memory is bounded, small requests pass."""

    async def main() -> None:
        before = resident(pid(daemon))
        async with Crowd(daemon.api) as crowd:
            head = f"{CHAT}content-length: {4 * MIB}\r\n\r\n".encode()
            assert await crowd.many(40, head + b"x" * (4 * MIB - 1)) == 40
            await asyncio.sleep(0.2)
            took = await others(daemon.api, 20)
            assert took[-1] < 2 * SOON, took[-5:]
            assert resident(pid(daemon)) - before < (LARGE_BODIES + 8) * 4 * MIB
            refused = [r for r, _ in crowd.open if b" 503 " in bytes(r._buffer[:32])]  # type: ignore[attr-defined]
            assert len(refused) >= 40 - LARGE_BODIES - 1
        await asyncio.sleep(0.2)
        body = chat(padding="x" * 3 * MIB)
        assert (await ask(daemon.api, body))[0] == 200, "there is room again"

    asyncio.run(main())


def test_readers_that_do_not_read_hold_little_and_slow_nobody_down(daemon: Daemon) -> None:
    """Their streams are held back at the provider, not gathered here."""

    async def main() -> None:
        before = resident(pid(daemon))
        async with Crowd(daemon.api) as crowd:
            for _ in range(10):
                assert await crowd.connect()
                crowd.open[-1][1].transport.pause_reading()  # type: ignore[attr-defined]
                crowd.open[-1][1].write(chat(stream=True, user="tokens=20000"))
            await asyncio.sleep(1)
            took = await others(daemon.api)
            assert took[len(took) // 2] < SOON, took[-5:]
            assert resident(pid(daemon)) - before < 10 * 2 * MIB

    asyncio.run(main())
