"""Names are looked up once for all who ask, and one whose servers are silent keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from lbd.upstream import names
from lbd.upstream.names import KEPT, MOST, STUCK, Names
from tests.fakes.env import FakeEnv
from tests.fakes.wire import LOOPS, a_moment, on, until

REAL = socket.getaddrinfo
HERE = ("192.0.2.7", 80)


class Resolver:
    """What is asked for names: those that begin with "dead" stay unanswered until ``released``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.threads: set[threading.Thread] = set()
        self.released = threading.Event()

    def __call__(self, host: str, port: int, **more: Any) -> Any:
        if more.get("flags"):
            return REAL(host, port, **more)
        self.asked.append(host)
        self.threads.add(threading.current_thread())
        if host.startswith("dead"):
            assert self.released.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", HERE)]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    made = Resolver()
    monkeypatch.setattr(names.socket, "getaddrinfo", made)
    yield made
    made.released.set()
    for thread in made.threads:
        thread.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_needs_nobody(host: str, resolver: Resolver) -> None:
    """Not even a thread."""
    env = FakeEnv()

    async def main() -> Any:
        return await Names(env, asyncio.get_running_loop()).of(host, 80)

    assert [info[4][:2] for info in on("uvloop", main())] == [(host, 80)]
    assert not resolver.asked


@pytest.mark.parametrize("kind", LOOPS)
def test_a_name_without_an_answer_keeps_nobody_waiting_and_is_asked_for_once(kind: str, resolver: Resolver) -> None:
    """However many ask for it; they may leave, and who stays hears the end of it."""
    env = FakeEnv()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        found = Names(env, loop)
        asking = [loop.create_task(found.of(f"dead{i % 10}.example", 80)) for i in range(100)]
        await a_moment()
        assert (await asyncio.wait_for(found.of("well.example", 80), 5))[0][4] == HERE
        for task in asking[:50]:
            task.cancel()
        await asyncio.wait(asking[:50])
        assert all(task.cancelled() for task in asking[:50]) and not any(task.done() for task in asking[50:])
        await until(lambda: len(resolver.asked) == 11)
        resolver.released.set()
        told = await asyncio.gather(*asking[50:], return_exceptions=True)
        assert {type(e) for e in told} == {socket.gaierror}
        assert len(resolver.asked) == 11
        assert not found._running

    on(kind, main())


def test_a_lookup_that_is_stuck_is_left_to_itself(resolver: Resolver) -> None:
    """The name may be there again: newcomers have another lookup, a few at a time."""
    env = FakeEnv()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        found = Names(env, loop)
        asking = []
        for n in range(1, MOST + 3):
            for _ in range(3):
                asking.append(loop.create_task(found.of("dead.example", 80)))
                await a_moment()
            await until(lambda n=n: len(resolver.asked) == min(n, MOST))  # type: ignore[misc]
            env.advance(STUCK * 1.01)
        resolver.released.set()
        assert len(await asyncio.gather(*asking, return_exceptions=True)) == 3 * (MOST + 2)
        assert not found._running and len(resolver.asked) == MOST

    on("uvloop", main())


def test_without_a_thread_it_is_this_hosts_fault(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is left of it."""
    env = FakeEnv()

    class NoThread(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    async def main() -> None:
        found = Names(env, asyncio.get_running_loop())
        with monkeypatch.context() as patched:
            patched.setattr(names.threading, "Thread", NoThread)
            with pytest.raises(OSError, match="no thread") as told:
                await found.of("well.example", 80)
        assert told.value.errno == errno.ENOMEM and not found._running
        assert (await found.of("well.example", 80))[0][4] == HERE

    on("uvloop", main())


def test_a_lookup_may_end_after_its_loop(resolver: Resolver) -> None:
    """The daemon does not wait for it."""
    env = FakeEnv()

    async def main() -> None:
        asking = asyncio.get_running_loop().create_task(Names(env, asyncio.get_running_loop()).of("dead.example", 80))
        await until(lambda: resolver.asked)
        asking.cancel()
        await asyncio.wait({asking})

    on("uvloop", main())
    assert all(thread.is_alive() and thread.daemon for thread in resolver.threads)


async def test_what_cannot_be_a_name_says_so(resolver: Resolver) -> None:
    """As the standard library does."""
    with pytest.raises(UnicodeError):
        await Names(FakeEnv(), asyncio.get_running_loop()).of("a" * 64 + ".example", 80)
    assert not resolver.asked


class Moody:
    """A resolver that finds, fails, says that there is no such name, or says nothing, as it is told."""

    def __init__(self) -> None:
        self.now: Any = HERE
        self.silent = threading.Event()

    def __call__(self, host: str, port: int, **more: Any) -> Any:
        if more.get("flags"):
            return REAL(host, port, **more)
        if self.now is None:
            assert self.silent.wait(20)
        if isinstance(self.now, int):
            raise socket.gaierror(self.now, "as it was told")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", self.now or HERE)]


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> Iterator[Moody]:
    made = Moody()
    monkeypatch.setattr(names.socket, "getaddrinfo", made)
    yield made
    made.silent.set()


@pytest.mark.parametrize("said", [socket.EAI_AGAIN, socket.EAI_FAIL, None])
async def test_what_was_found_serves_on_while_the_resolver_is_ill(said: int | None, moody: Moody) -> None:
    """It fails or says nothing; who was never found is not found then."""
    env = FakeEnv()
    found = Names(env, asyncio.get_running_loop())
    assert (await found.of("well.example", 80))[0][4] == HERE
    moody.now = said
    for _ in range(3):
        env.advance(STUCK * 1.01)
        assert (await asyncio.wait_for(found.of("well.example", 80), 20))[0][4] == HERE
    if said is not None:
        with pytest.raises(socket.gaierror):
            await found.of("new.example", 80)
        env.advance(KEPT)
        with pytest.raises(socket.gaierror):
            await found.of("well.example", 80)


async def test_what_the_resolver_says_now_is_believed(moody: Moody) -> None:
    """Another address is gone to at once, and a name that is no more is forgotten."""
    found = Names(FakeEnv(), asyncio.get_running_loop())
    await found.of("well.example", 80)
    moody.now = ("192.0.2.8", 80)
    assert (await found.of("well.example", 80))[0][4] == moody.now
    for moody.now in (socket.EAI_NONAME, socket.EAI_AGAIN):
        with pytest.raises(socket.gaierror) as told:
            await found.of("well.example", 80)
        assert told.value.errno == moody.now
