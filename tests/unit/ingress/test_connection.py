"""A client's connection on a real socket: what strangers may send, how long they may take, what they get."""

from __future__ import annotations

import asyncio
import gc

import pytest

from lbd.ingress.connection import (
    BODY_TIME,
    HEAD_TIME,
    KEEPALIVE,
    LEAST_SENT,
    LINGER,
    TAKE_TIME,
    Connection,
)
from lbd.ingress.crowd import LARGE_BODIES, SMALL
from lbd.ingress.inbound import Inbound
from lbd.ingress.reply import HttpReply
from tests.fakes.caller import Caller, Listening, after, get, request
from tests.fakes.wire import LOOPS, a_moment, on, until

loops = pytest.mark.parametrize("loop", LOOPS)


# --- keep-alive ---------------------------------------------------------------------------------------


@loops
def test_nothing_after_the_last_request_is_read(loop: str) -> None:
    """Connection: close means it, also for what was pipelined behind."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(get("/1", "Connection: close") + get("/2"))
            assert (await caller.answer()).json["path"] == "/1"
            assert await caller.closed() == b""
            assert [i.path for i in listening.handled] == ["/1"]

    on(loop, main())


@loops
def test_a_client_that_never_reads_does_not_hold_its_connection_for_ever(loop: str) -> None:
    """Its last answer is thrown away when the keep-alive time is over, whether it wanted to stay or not."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            reply.send(200, b"", b"x" * 30_000_000)

        for field in ("Connection: keep-alive", "Connection: close"):
            async with Listening(handle) as listening:
                caller = await listening.caller()
                await caller.send(get("/x", field))
                await until(lambda: listening.handled)
                await a_moment(0.01)
                assert listening.server.connections
                listening.sweep(KEEPALIVE + 1)
                await until(lambda: not listening.server.connections)

    on(loop, main())


# --- clients that leave -------------------------------------------------------------------------------


@loops
@pytest.mark.parametrize("how", ["close", "reset", "half"])
@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_leaves_cancels_its_request(how: str, begun: bool, loop: str) -> None:
    """Within a turn of the loop: whatever works for it is stopped."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            if begun:
                reply.start(200, b"")
                reply.write(b"x")
            await asyncio.get_running_loop().create_future()

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(request())
            await until(lambda: listening.handled)
            began = asyncio.get_running_loop().time()
            if how == "close":
                await caller.close()
            elif how == "reset":
                caller.reset()
            else:
                caller.writer.write_eof()
            await until(lambda: listening.cancelled)
            assert asyncio.get_running_loop().time() - began < 0.1
            await until(lambda: not listening.server.connections)

    on(loop, main())


@loops
def test_a_client_that_leaves_in_the_middle_of_its_request_leaves_nothing(loop: str) -> None:
    """Head or body half sent: no handler is called."""

    async def main() -> None:
        async with Listening() as listening:
            for sent in (
                b"POST /x HT",
                request()[:-1],
                request("POST", "/x", None, "Transfer-Encoding: chunked") + b"5\r\nab",
            ):
                caller = await listening.caller()
                await caller.send(sent)
                await until(lambda: listening.server.connections)
                await caller.close()
                await until(lambda: not listening.server.connections)
            assert not listening.handled

    on(loop, main())


# --- refusals -----------------------------------------------------------------------------------------


@loops
def test_after_a_refusal_the_client_has_a_moment_to_read_it(loop: str) -> None:
    """The connection is half closed; who goes on sending is cut off after LINGER seconds."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(request("POST", "/x", None, "Content-Length: 5000000"))
            assert (await caller.answer()).status == 413
            await caller.closed()
            assert len(listening.server.connections) == 1
            listening.sweep(LINGER - 0.1)
            await a_moment(0.005)
            assert len(listening.server.connections) == 1
            listening.sweep(0.2)
            await until(lambda: not listening.server.connections)

    on(loop, main())


@loops
def test_a_refusal_waits_for_the_answers_before_it(loop: str) -> None:
    """Junk behind a request does not cost that request its answer."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            if inbound.refusal is not None:
                reply.send(400, b"", b"no")
                return
            reply.start(200, b"")
            await a_moment(0.01)
            reply.end(inbound.path.encode())

        async with Listening(handle) as listening:
            for sent in (get("/1") + b"junk\r\n\r\n", get("/1") + get("/2") + b"\0\0\0"):
                caller = await listening.caller()
                await caller.send(sent)
                for n in range(sent.count(b"GET")):
                    assert (await caller.answer()).body == b"/%d" % (n + 1)
                answer = await caller.answer()
                assert answer.status == 400 and answer.headers["connection"] == "close"
                assert await caller.closed() == b""
            caller = await listening.caller()
            await caller.send(get("/1"))
            await until(lambda: listening.handled[-1].path == "/1")
            await caller.send(b"junk\r\n\r\n" + get("/smuggled"))
            assert (await caller.answer()).body == b"/1"
            assert (await caller.answer()).status == 400
            assert not [i for i in listening.handled if i.path == "/smuggled"]

    on(loop, main())


# --- time ---------------------------------------------------------------------------------------------


@loops
def test_a_head_that_drips_is_refused(loop: str) -> None:
    """Slow-loris: the time is for the whole head, not for each byte."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            for byte in (b"G", b"E", b"T", b" ", b"/"):
                await caller.send(byte, pause=0.002)
                listening.sweep(HEAD_TIME / 5)
            await caller.send(b"x", pause=0.002)
            assert listening.server.connections
            listening.sweep(1)
            answer = await caller.answer()
            assert answer.status == 408 and answer.headers["connection"] == "close"
            assert await caller.closed() == b""

    on(loop, main())


@loops
@pytest.mark.parametrize("how", ["Content-Length: 500", "Transfer-Encoding: chunked"])
def test_a_body_that_drips_is_refused(how: str, loop: str) -> None:
    """It has more time than a head, and an end."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(request("POST", "/x", None, how))
            await caller.send(b"1\r\nx\r\n" if "chunked" in how else b"x", pause=0)
            await until(lambda: any(c._reading._body for c in listening.server.connections))
            listening.sweep(HEAD_TIME + 1)
            await a_moment(0.005)
            assert not listening.handled
            listening.sweep(BODY_TIME - HEAD_TIME)
            assert (await caller.answer()).status == 408

    on(loop, main())


@loops
def test_a_large_body_may_come_slowly(loop: str) -> None:
    """A minute is enough for a small one; pictures over a thin line take longer, and come all the time."""

    async def main() -> None:
        async with Listening(max_body=10 * LEAST_SENT) as listening:
            caller = await listening.caller()
            await caller.send(request("POST", "/x", None, f"Content-Length: {9 * LEAST_SENT}"))
            for n in range(1, 9):
                await caller.send(b"x" * LEAST_SENT)
                await until(lambda n=n: any(c._reading.size == n * LEAST_SENT for c in listening.server.connections))
                listening.sweep((BODY_TIME + 7) / 8)
            await caller.send(b"x" * LEAST_SENT)
            assert (await caller.answer()).status == 200
            await caller.send(request("POST", "/x", None, f"Content-Length: {9 * LEAST_SENT}") + b"x" * LEAST_SENT)
            await until(lambda: any(c._reading.size for c in listening.server.connections))
            listening.sweep(BODY_TIME + 2)
            assert (await caller.answer()).status == 408

    on(loop, main())


@loops
def test_a_request_behind_a_long_one_has_its_time_from_its_turn_on(loop: str) -> None:
    """Its body was not even asked for before."""

    async def main() -> None:
        go_on = asyncio.Event()
        async with Listening(after(go_on)) as listening:
            caller = await listening.caller()
            await caller.send(get("/long") + request("POST", "/next", b"{}", "Expect: 100-continue")[:-2])
            await until(lambda: any(c._reading.waits for c in listening.server.connections))
            listening.sweep(BODY_TIME + 1)
            go_on.set()
            assert (await caller.answer()).body == b"/long" and (await caller.answer()).status == 100
            listening.sweep(BODY_TIME - 1)
            await caller.send(b"{}")
            assert (await caller.answer()).body == b"/next{}"

    on(loop, main())


@loops
def test_an_idle_connection_is_closed_after_the_keep_alive_time(loop: str) -> None:
    """Before its first request and after an answer; without a word."""

    async def main() -> None:
        async with Listening() as listening:
            fresh, used = await listening.caller(), await listening.caller()
            await used.send(get())
            await used.answer()
            listening.sweep(KEEPALIVE - 1)
            await a_moment(0.005)
            assert len(listening.server.connections) == 2
            await used.send(get())
            await used.answer()
            listening.sweep(2)
            assert await fresh.closed() == b""
            assert len(listening.server.connections) == 1
            listening.sweep(KEEPALIVE)
            assert await used.closed() == b""

    on(loop, main())


@loops
def test_how_long_an_idle_connection_stands_can_be_changed(loop: str) -> None:
    """Some balancers keep theirs for ten minutes, and answer for a request that was lost."""

    async def main() -> None:
        async with Listening() as listening:
            kept = [600.0]
            listening.server.keepalive = lambda: kept[0]
            caller = await listening.caller()
            await caller.send(request())
            await caller.answer()
            listening.sweep(599)
            await caller.send(request())
            assert (await caller.answer()).status == 200
            kept[0] = 5.0
            listening.sweep(6)
            assert await caller.closed() == b""

    on(loop, main())


@loops
def test_a_request_under_way_is_never_swept(loop: str) -> None:
    """How long it may take is the flight's to say."""

    async def main() -> None:
        go = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            await go.wait()
            reply.send(200, b"", b"late")

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(get())
            await until(lambda: listening.handled)
            listening.sweep(10_000)
            go.set()
            assert (await caller.answer()).body == b"late"

    on(loop, main())


# --- all clients together -----------------------------------------------------------------------------


@loops
def test_a_client_that_does_not_take_its_answer_is_left(loop: str) -> None:
    """Its flight ends with it, and frees the provider's slot; one that reads slowly is served to the end."""

    async def main() -> None:
        async def handle(_inbound: Inbound, reply: HttpReply) -> None:
            reply.start(200, b"")
            for _ in range(64):
                reply.write(b"x" * 1_000_000)
            await asyncio.Event().wait()

        async with Listening(handle) as listening:
            caller = await listening.caller()
            caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await caller.send(get())
            await until(lambda: any(c.full for c in listening.server.connections))
            listening.sweep(TAKE_TIME - 1)
            assert listening.server.connections
            caller.writer.transport.resume_reading()  # type: ignore[attr-defined]
            (connection,) = listening.server.connections
            before = connection._unsent()
            await until(lambda: len(await_buffer(caller)) > 0 and connection._unsent() <= before - 16 * 1024)
            caller.writer.transport.pause_reading()  # type: ignore[attr-defined]
            listening.sweep(TAKE_TIME - 1)
            assert listening.server.connections, "it has taken something"
            for _ in range(3):
                await a_moment()
                listening.sweep(TAKE_TIME + 1)
            await until(lambda: not listening.server.connections)
            await until(lambda: listening.cancelled == 1)

    on(loop, main())


def await_buffer(caller: Caller) -> bytearray:
    """Return what has come for a caller and was not read."""
    return caller.reader._buffer  # type: ignore[attr-defined,no-any-return]


@loops
def test_large_bodies_are_bounded_together_and_small_ones_pass(loop: str) -> None:
    """Half-sent ones count; when they are gone, or answered, there is room again."""

    async def main() -> None:
        size = 200_000

        async with Listening(max_body=size) as listening:
            callers = [await listening.caller() for _ in range(20)]
            for caller in callers:
                await caller.send(request(body=b"x" * size)[:-1])
            await until(lambda: listening.server.room.held > 7 * (size - SMALL))
            refused = [c for c in callers if c.reader._buffer]  # type: ignore[attr-defined]
            while len(refused) < 20 - LARGE_BODIES * size // (size - SMALL):
                await a_moment()
                refused = [c for c in callers if c.reader._buffer]  # type: ignore[attr-defined]
            assert {(await c.answer()).status for c in refused} == {503}
            assert (await listening.ask(request(body=b"{}"))).status == 200
            waiting = [c for c in callers if c not in refused]
            await waiting[0].send(b"x")
            assert (await waiting[0].answer()).status == 200
            for caller in waiting[1:]:
                caller.reset()
            await until(lambda: listening.server.room.held == 0)
            for _ in range(3):  # also those that the parser does not see
                assert (await listening.ask(request(body=b"x" * size))).status == 200
            assert listening.server.room.held == 0

    on(loop, main())


@loops
def test_a_repeated_head_with_a_large_body_is_counted_too(loop: str) -> None:
    """What is read without the parser is held all the same."""

    async def main() -> None:
        held: list[int] = []

        async with Listening(max_body=200_000) as listening:

            async def handle(_inbound: Inbound, reply: HttpReply) -> None:
                held.append(listening.server.room.held)
                reply.send(200, b"", b"")

            listening._handle = handle
            caller = await listening.caller()
            for body in (b"{}", b"{}", b"x" * 100_000):
                await caller.send(request(body=body))
                assert (await caller.answer()).status == 200
            assert held == [0, 0, 100_000 - SMALL]
            assert listening.server.room.held == 0
            listening.server.room.held = 10**9
            await caller.send(request(body=b"x" * 100_000))
            answered = await caller.answer()
            assert answered.status in (200, 503)
            listening.server.room.held = 0

    on(loop, main())


@loops
def test_nothing_of_a_connection_is_left_for_the_cycle_collector(loop: str) -> None:
    """Of one that was asked on and closed, and of one whose client left while it waited for its answer."""

    async def slow(inbound: Inbound, reply: HttpReply) -> None:
        task = asyncio.current_task()  # whoever connects looks at it
        if inbound.path == "/slow":
            await asyncio.Event().wait()
        assert task is not None
        reply.send(200, b"", b"")

    async def main() -> None:
        async with Listening(slow) as listening:
            gc.disable()
            try:
                for path in ("/fast", "/slow", "/never"):
                    caller = await listening.caller()
                    sent = request(path=path)
                    await caller.send(sent[: -5 if path == "/never" else None])
                    if path == "/fast":
                        await caller.answer()
                    else:
                        await a_moment(0.05)
                    await caller.close()
                await until(lambda: not listening.server.connections)
                await until(lambda: not [o for o in gc.get_objects() if type(o) is Connection])
            finally:
                gc.enable()

    gc.collect()
    on(loop, main())
