"""The connections of the API listener together: which are closed, when, and at the end."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from lbd.app import RealEnv
from lbd.ingress import server as module
from lbd.ingress.connection import KEEPALIVE, PARTING
from lbd.ingress.crowd import GRACE
from lbd.ingress.gate import Spare
from lbd.ingress.inbound import Inbound
from lbd.ingress.reply import HttpReply
from tests.fakes.caller import Listening, a_moment, get, request
from tests.fakes.trust import Authority
from tests.fakes.wire import LOOPS, on, until

loops = pytest.mark.parametrize("loop", LOOPS)


def test_the_sweep_runs_every_second_for_ever() -> None:
    """One loop for all connections."""

    class Env:
        def __init__(self) -> None:
            self.slept: list[float] = []

        def now(self) -> float:
            return 5.0

        async def sleep(self, seconds: float) -> None:
            self.slept.append(seconds)
            if len(self.slept) > 3:
                raise asyncio.CancelledError

    class Connection:
        swept: list[float] = []

        def sweep(self, now: float) -> None:
            self.swept.append(now)

    async def main() -> None:
        env = Env()
        server = module.Server(None, env, lambda: 1)  # type: ignore[arg-type]
        server.connections.add(Connection())  # type: ignore[arg-type]
        with pytest.raises(asyncio.CancelledError):
            await server.sweep()
        assert env.slept == [module.SWEEP_EVERY] * 4 and Connection.swept == [5.0] * 3

    asyncio.run(main())


# --- the end ------------------------------------------------------------------------------------------


@loops
def test_a_graceful_end_loses_no_request_of_a_kept_connection(loop: str) -> None:
    """What is idle may ask once more, and is told that it was the last; what is silent for a moment is closed."""

    async def main() -> None:
        async with Listening() as listening:
            server = listening.server
            used, idle, new, half, slow = [await listening.caller() for _ in range(5)]
            for caller in (used, idle):
                await caller.send(get())
                await caller.answer()
            await half.send(get("/half")[:-3])
            await slow.send(request(body=b"abc")[:-1])
            await until(lambda: sum(c._reading.begun for c in server.connections) == 2 and len(server.connections) == 5)
            server.part()
            listening.env.advance(PARTING - 0.1)
            assert server.expects
            for caller in (used, new):
                await caller.send(get())
                assert (await caller.answer()).headers["connection"] == "close"
                assert await caller.closed() == b""
            assert len(server.connections) == 3
            listening.env.advance(0.2)
            listening.env.advance(module.A_TURN)
            assert await idle.closed() == b""
            assert len(server.connections) == 2 and server.expects, "a body is on its way"
            await slow.send(b"c")
            assert (await slow.answer()).headers["connection"] == "close"
            assert await slow.closed() == b""
            assert not server.expects, "the rest of a head is not waited for"
            await half.send(get("/half")[-3:])
            assert (await half.answer()).headers["connection"] == "close"
            assert await half.closed() == b""

    on(loop, main())


@loops
def test_at_the_end_an_answer_says_that_it_is_the_last_or_another_request_may_follow(loop: str) -> None:
    """One that has not begun says so; after one whose head had said otherwise the client may ask, for a moment."""

    async def main() -> None:
        go = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            if inbound.path != "/unary":
                reply.start(200, b"")
            await go.wait()
            if reply.started:
                reply.end(b"end")
            else:
                reply.send(200, b"", b"end")

        async with Listening(handle) as listening:
            server = listening.server
            unary, stream, silent = [await listening.caller() for _ in range(3)]
            await unary.send(get("/unary"))
            for caller in (stream, silent):
                await caller.send(get("/stream"))
            await until(lambda: len(listening.handled) == 3)
            server.part()
            listening.env.advance(2 * PARTING)
            go.set()
            answer = await unary.answer()
            assert answer.body == b"end" and answer.headers["connection"] == "close"
            assert await unary.closed() == b""
            for caller in (stream, silent):
                answer = await caller.answer()
                assert answer.body == b"end" and "connection" not in answer.headers
            await a_moment()
            assert len(server.connections) == 2 and server.expects
            await stream.send(get("/unary"))
            assert (await stream.answer()).headers["connection"] == "close"
            assert await stream.closed() == b""
            listening.env.advance(PARTING)
            listening.env.advance(module.A_TURN)
            assert await silent.closed() == b"" and not server.expects

    on(loop, main())


@loops
def test_who_has_connected_only_after_the_end_began_has_a_moment_to_ask(loop: str) -> None:
    """Its handshake took that long. One that stays silent would hold up the end for as long as a drain may take."""

    async def main() -> None:
        async with Listening() as listening:
            server = listening.server
            server.part()
            listening.env.advance(2 * PARTING)
            asking, silent = [await listening.caller() for _ in range(2)]
            await until(lambda: len(server.connections) == 2)
            assert server.expects
            await asking.send(get())
            assert (await asking.answer()).headers["connection"] == "close"
            listening.env.advance(PARTING)
            listening.env.advance(module.A_TURN)
            assert await silent.closed() == b"" and not server.expects

    on(loop, main())


@pytest.mark.parametrize("before", [0.0, 2 * PARTING])
@loops
def test_a_connection_that_was_accepted_and_is_not_made_yet_is_expected_for_a_moment(loop: str, before: float) -> None:
    """An end that comes between the two would turn its request away; a slow handshake may be about to end."""

    async def main() -> None:
        async with Listening() as listening:
            server = listening.server
            accepted = server()
            listening.env.advance(before)
            server.part()
            assert server.expects and not server.connections
            listening.env.advance(PARTING)
            listening.env.advance(module.A_TURN)
            assert not server.expects, "its handshake hangs"
            del accepted

    on(loop, main())


@loops
def test_a_request_that_came_while_the_process_stood_still_is_read_before_its_connection_is_closed(loop: str) -> None:
    """Timers may be told of first, and what lies in the socket would be cut off with a reset."""

    async def main() -> None:
        async with Listening() as listening:
            server = listening.server
            callers = [await listening.caller() for _ in range(2)]
            await until(lambda: len(server.connections) == 2)
            server.part()
            for caller in callers:
                caller.writer.write(get())
                assert server.expects, "it is silent, and may ask yet"
            listening.env.advance(PARTING)
            for caller in callers:
                assert (await caller.answer()).headers["connection"] == "close"
                assert await caller.closed() == b""
            assert not server.expects

    on(loop, main())


@loops
def test_the_hard_end_closes_everything(loop: str) -> None:
    """And cancels what runs."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            await asyncio.get_running_loop().create_future()

        async with Listening(handle) as listening:
            callers = [await listening.caller() for _ in range(3)]
            for caller in callers[1:]:
                await caller.send(get())
            await until(lambda: len(listening.handled) == 2)
            listening.server.abort()
            for caller in callers:
                await caller.closed()
            await until(lambda: listening.cancelled == 2)

    on(loop, main())


@loops
def test_a_thousand_idle_connections_cost_little_and_go_quietly(loop: str) -> None:
    """A few kilobytes each; others are served meanwhile; the sweep takes them all."""

    async def main() -> None:
        async with Listening() as listening:
            callers = await asyncio.gather(*(listening.caller() for _ in range(1000)))
            await until(lambda: len(listening.server.connections) == 1000)
            assert (await listening.ask(get())).status == 200
            began = asyncio.get_running_loop().time()
            listening.sweep(1)
            assert asyncio.get_running_loop().time() - began < 0.05
            listening.sweep(KEEPALIVE)
            await until(lambda: not listening.server.connections)
            for caller in callers:
                caller.writer.transport.abort()
        gc.collect()

    on(loop, main())


# --- all clients together -----------------------------------------------------------------------------


@loops
def test_the_longest_idle_are_closed_for_newcomers(loop: str) -> None:
    """Where there may be three connections, the fourth takes the place of the first; who is served stays."""

    async def main() -> None:
        go_on = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            if inbound.path == "/slow":
                await go_on.wait()
            reply.send(200, b"", b"")

        async with Listening(handle) as listening:
            listening.server.gate.places = 3
            served = await listening.caller()
            await served.send(get("/slow"))
            await until(lambda: len(listening.handled) == 1)
            idle = []
            for _ in range(4):
                listening.env.advance(1)
                idle.append(await listening.caller())
                await until(lambda: len(listening.server.connections) <= 3)
            assert [await c.reader.read(1) if i < 2 else None for i, c in enumerate(idle)] == [b"", b"", None, None]
            go_on.set()
            assert (await served.answer()).status == 200
            await idle[-1].send(get())
            assert (await idle[-1].answer()).status == 200

    on(loop, main())


@loops
def test_where_all_are_served_newcomers_wait_and_nobody_is_closed(loop: str) -> None:
    """The gate is shut at the one too many, who is served too, and opens when some are gone; each is told once."""

    async def main() -> None:
        go_on = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            await go_on.wait()
            reply.send(200, b"", b"")

        async with Listening(handle) as listening:
            server, turns = listening.server, []
            server.gate.places = 3
            server.gate.turned = lambda: turns.append(server.gate.open)
            callers = []
            for n in range(1, 5):
                callers.append(await listening.caller())
                await callers[-1].send(get())
                await until(lambda n=n: len(listening.handled) == n)
            assert turns == [False]
            listening.env.advance(20 * GRACE)
            assert len(server.connections) == 4 and turns == [False]
            go_on.set()
            for caller in callers:
                assert (await caller.answer()).status == 200
            assert turns == [False], "they are still there"
            listening.env.advance(GRACE)  # idle connections make way for who waits
            await until(lambda: turns == [False, True])
            assert len(server.connections) == 2, "no more of them than it takes"

    on(loop, main())


@loops
def test_a_newcomer_is_given_the_time_to_ask(loop: str) -> None:
    """It may have connected in a crowd: it is not closed for others at once, and when it has asked not at all."""

    async def main() -> None:
        go_on = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            await go_on.wait()
            reply.send(200, b"", b"")

        async with Listening(handle) as listening:
            server = listening.server
            server.gate.places = 3
            callers = []
            for n in range(1, 5):
                callers.append(await listening.caller())
                await until(lambda n=n: len(server.connections) == n)
            assert not server.gate.open
            listening.env.advance(GRACE / 2)
            await callers[0].send(get())
            await until(lambda: listening.handled)
            listening.env.advance(GRACE / 2)
            await until(lambda: len(server.connections) == 1)
            assert server.gate.open
            listening.env.advance(10 * GRACE)
            go_on.set()
            assert (await callers[0].answer()).status == 200
            assert [await c.closed() for c in callers[1:]] == [b"", b"", b""]

    on(loop, main())


class Scarce(Spare):
    """Descriptors that there are, or are not, as a test says."""

    there = True

    def take(self) -> bool:
        return self.there

    def left(self) -> bool:  # type: ignore[override]
        return self.there


@loops
def test_without_a_descriptor_the_longest_idle_make_way_and_newcomers_wait(loop: str) -> None:
    """Noticed at the accept that took the last one, or told by whoever found none for a provider."""

    async def main() -> None:
        async with Listening() as listening:
            server = listening.server
            spare = server.gate.spare = Scarce()
            spare.most = 1
            idle = []
            for _ in range(3):
                idle.append(await listening.caller())
                await idle[-1].send(get())
                await idle[-1].answer()
                listening.env.advance(1)
            spare.there = False
            idle.append(await listening.caller())
            await until(lambda: len(server.connections) == 2)
            assert not server.gate.open and [await c.closed() for c in idle[:2]] == [b"", b""]
            assert not idle[2].eof and not idle[3].eof
            assert not spare._held
            server.make_room()  # while it is shut, once is enough
            spare.there = True
            listening.env.advance(GRACE)
            assert server.gate.open
            server.make_room()
            assert not server.gate.open
            listening.server.closing = True
            spare.there = False
            listening.env.advance(2 * GRACE)
            assert not listening.env._timers, "nobody is let in any more"

    on(loop, main())


@loops
def test_while_descriptors_are_wanting_the_idle_go_turn_by_turn(loop: str) -> None:
    """Else newcomers would wait for as long as others hold what they do not use."""

    async def main() -> None:
        async with Listening() as listening:
            server = listening.server
            spare = server.gate.spare = Scarce()
            spare.most = 1
            idle = []
            for _ in range(6):
                idle.append(await listening.caller())
                await idle[-1].send(get())
                await idle[-1].answer()
                listening.env.advance(1)
            told: list[int] = []
            server.scarce = lambda: told.append(len(server.connections))
            spare.there = False
            server.look_ahead()
            await until(lambda: len(server.connections) == 4)
            listening.env.advance(GRACE)
            await until(lambda: len(server.connections) == 1)
            assert told == [6, 4], "as long as it lasts"
            assert not idle[5].eof and not server.gate.open
            spare.there = True
            listening.env.advance(GRACE)
            assert server.gate.open

    on(loop, main())


@loops
def test_who_would_not_be_let_in_any_more_is_let_go_of(loop: str) -> None:
    """At once, or after the answer that is under way."""

    async def main() -> None:
        go_on = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            if inbound.path == "/slow":
                await go_on.wait()
            reply.send(200, b"", b"")

        async with Listening(handle) as listening:
            busy, new, used, half = [await listening.caller() for _ in range(4)]
            await busy.send(get("/slow"))
            await used.send(get())
            await used.answer()
            await half.send(get()[:-3])
            await until(lambda: sum(c._reading.begun for c in listening.server.connections) == 1)
            listening.server.withdraw()
            assert [await c.closed() for c in (new, used, half)] == [b"", b"", b""]
            go_on.set()
            assert (await busy.answer()).headers["connection"] == "close"
            assert await busy.closed() == b""

    on(loop, main())


# --- handshakes -----------------------------------------------------------------------------------------


def test_strangers_in_the_middle_of_a_handshake_hold_a_part_of_the_places(tmp_path: Path) -> None:
    """Who says nothing is no connection yet, and holds a descriptor; newcomers wait until half of them are gone."""
    own = Authority(tmp_path)
    context = own.server("own", "IP:127.0.0.1")

    async def main() -> None:
        async def handle(_inbound: Inbound, reply: HttpReply) -> None:
            reply.send(200, b"", b"well")

        server = module.Server(handle, RealEnv(), lambda: 1)
        server.gate.places, server.gate.spare = 8, Plenty()
        listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=context)
        port = listener.sockets[0].getsockname()[1]
        silent = []
        for count in range(1, 6):
            silent.append(await asyncio.open_connection("127.0.0.1", port))
            await until(lambda count=count: len(server._coming) == count)  # type: ignore[misc]
            assert server.gate.open == (count < 5)
        for left in (4, 3):
            silent.pop()[1].close()
            await until(lambda left=left: len(server._coming) == left)  # type: ignore[misc]
            server._shed_again()
            assert not server.gate.open
        silent.pop()[1].close()
        await until(lambda: server.gate.open)
        trust = ssl.create_default_context(cafile=str(own.ca))
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
        writer.write(get())
        assert (await reader.readuntil(b"well")).startswith(b"HTTP/1.1 200 ")
        assert len(server._coming) == 2 and len(server.connections) == 1
        for _, other in (*silent, (reader, writer)):
            other.close()
        await until(lambda: not server._coming and not server.connections)
        listener.close()

    on("uvloop", main())


def test_a_handshake_that_went_untold_is_over_after_its_time() -> None:
    """Whatever the loop makes of it: newcomers do not wait for ever."""

    class Env:
        at = 0.0
        timers: list[Callable[[], object]] = []

        def now(self) -> float:
            return self.at

        def call_at(self, _when: float, call: Callable[[], object]) -> None:
            self.timers.append(call)

    async def main() -> None:
        env = Env()
        server = module.Server(None, env, lambda: 1)  # type: ignore[arg-type]
        server.gate.places, server.gate.spare = 8, Plenty()
        kept = [server() for _ in range(5)]
        assert not server.gate.open and len(kept) == 5
        env.at = module.HANDSHAKE
        env.timers.pop()()
        assert not server.gate.open
        env.at += 0.001
        env.timers.pop()()
        assert server.gate.open and not env.timers

    asyncio.run(main())


def test_a_gate_that_was_open_in_between_is_looked_at_a_turn_after_it_was_shut_again() -> None:
    """Not when the turn before is over: who came meanwhile could not have asked by then, and would get a second."""

    class Env:
        at = 0.0
        timers: list[tuple[float, Callable[[], object]]] = []

        def now(self) -> float:
            return self.at

        def call_at(self, when: float, call: Callable[[], object]) -> None:
            self.timers.append((when, call))

    async def main() -> None:
        env, spare = Env(), Plenty()
        server = module.Server(None, env, lambda: 1)  # type: ignore[arg-type]
        server.gate.spare = spare
        server._shut()
        env.at = 0.1
        server._look()
        assert server.gate.open
        server._shut()
        spare.there = False
        ((env.at, look),) = env.timers
        look()
        assert [when for when, _ in env.timers] == [GRACE, 0.1 + GRACE]
        env.at = 0.1 + GRACE
        look()
        assert env.timers[-1][0] == 0.1 + 2 * GRACE

    asyncio.run(main())


class Plenty(Spare):
    """There is always a descriptor, until there is none."""

    there = True

    def take(self) -> bool:
        return self.there
