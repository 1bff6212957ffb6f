"""An answer on the wire: its length or its chunks, whether the connection stays, and a client that is slow or gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lbd.ingress.inbound import Inbound
from lbd.ingress.reply import HttpReply
from tests.fakes.caller import Listening, get, request
from tests.fakes.wire import LOOPS, a_moment, on, until

loops = pytest.mark.parametrize("loop", LOOPS)


class Sink:
    """A connection that notes what is written to it."""

    def __init__(self) -> None:
        self.sent = b""
        self.aborted = False
        self.full = False
        self.on_pause: Callable[[], object] | None = None
        self.on_resume: Callable[[], object] | None = None

    def write(self, data: bytes) -> None:
        self.sent += data

    def abort(self) -> None:
        self.aborted = True


def reply(*, old: bool = False, keep_alive: bool = True) -> tuple[HttpReply, Sink]:
    sink = Sink()
    return HttpReply(sink, old=old, keep_alive=keep_alive), sink  # type: ignore[arg-type]


# --- whole answers ------------------------------------------------------------------------------------

WHOLE = [
    (False, True, b""),
    (False, False, b"connection: close\r\n"),
    (True, True, b"connection: keep-alive\r\n"),
    (True, False, b"connection: close\r\n"),
]


@pytest.mark.parametrize(("old", "keep_alive", "said"), WHOLE)
def test_a_whole_answer_is_head_length_and_body(old: bool, keep_alive: bool, said: bytes) -> None:
    """In one write. That an HTTP/1.1 connection stays goes without saying, and costs every answer bytes."""
    answer, sink = reply(old=old, keep_alive=keep_alive)
    answer.send(200, b"x-a: 1\r\n", b"hello")
    assert sink.sent == b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 5\r\n" + said + b"\r\nhello"
    assert answer.started and answer.ended and answer.keep_alive is keep_alive


def test_an_empty_answer_has_a_length_too() -> None:
    """Or the client would wait for a body."""
    answer, sink = reply()
    answer.send(404, b"", b"")
    assert sink.sent == b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize(("old", "keep_alive", "said"), WHOLE)
def test_head_is_answered_as_get_less_the_body(old: bool, keep_alive: bool, said: bytes) -> None:
    """Length included; what becomes of the connection is said each time."""
    answer, sink = reply(old=old, keep_alive=keep_alive)
    answer.send_head(200, b"x-a: 1\r\n", 5)
    said = said or b"connection: keep-alive\r\n"
    assert sink.sent == b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 5\r\n" + said + b"\r\n"
    assert answer.started and answer.ended and answer.keep_alive is keep_alive


@loops
def test_a_head_answer_tells_the_length_and_sends_no_body(loop: str) -> None:
    """Or the next answer on the connection would begin with it."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            if inbound.method == "HEAD":
                reply.send_head(200, b"x-a: 1\r\n", 5)
            else:
                reply.send(200, b"", b"hello")

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(request("HEAD", "/x", None) + get())
            answer = await caller.answer(bare=True)
            assert answer.status == 200 and answer.headers["content-length"] == "5" and answer.headers["x-a"] == "1"
            assert (await caller.answer()).body == b"hello"

    on(loop, main())


@loops
def test_a_status_that_nobody_knows_is_sent_all_the_same(loop: str) -> None:
    """Providers' own."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            reply.send(int(inbound.path[1:]), b"", b"")

        async with Listening(handle) as listening:
            for status in (499, 529, 599, 404):
                assert (await listening.ask(get(f"/{status}"))).status == status

    on(loop, main())


def test_a_status_without_a_phrase_gets_one() -> None:
    """Some clients cannot do without."""
    answer, sink = reply()
    answer.send(529, b"", b"")
    assert sink.sent.startswith(b"HTTP/1.1 529 Unknown\r\n")


# --- streamed answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("last", [b"", b"three"])
def test_a_streamed_answer_goes_out_in_chunks(last: bytes) -> None:
    """Each piece at once; an empty piece would be the last chunk, so it is none; the end comes once."""
    answer, sink = reply()
    answer.start(200, b"x-a: 1\r\n")
    assert sink.sent == b"HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\n\r\n"
    assert answer.started and not answer.ended
    sink.sent = b""
    answer.write(b"one")
    assert sink.sent == b"3\r\none\r\n"
    answer.write(b"")
    assert sink.sent == b"3\r\none\r\n"
    answer.write(b"x" * 300)
    assert sink.sent == b"3\r\none\r\n12c\r\n" + b"x" * 300 + b"\r\n"
    sink.sent = b""
    answer.end(last)
    answer.end(b"again")
    assert sink.sent == (b"5\r\nthree\r\n" if last else b"") + b"0\r\n\r\n"
    assert answer.ended and answer.keep_alive


def test_a_streamed_answer_says_that_the_connection_goes() -> None:
    """Chunks have an end of their own all the same."""
    answer, sink = reply(keep_alive=False)
    answer.start(200, b"")
    answer.end()
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    assert sink.sent == head + b"0\r\n\r\n"


@pytest.mark.parametrize("keep_alive", [True, False])
def test_http_1_0_gets_no_chunks_and_the_end_of_the_connection(keep_alive: bool) -> None:
    """Also where it asked for the connection to stay: nothing else could tell the end of the answer."""
    answer, sink = reply(old=True, keep_alive=keep_alive)
    answer.start(200, b"")
    assert sink.sent == b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
    sink.sent = b""
    answer.write(b"one")
    answer.write(b"")
    answer.end(b"two")
    assert sink.sent == b"onetwo"
    assert answer.keep_alive is False


@loops
@pytest.mark.parametrize(("version", "whole"), [("1.1", b"onetwothree"), ("1.0", b"onetwothree")])
def test_a_streamed_answer_is_chunked_or_ends_with_the_connection(version: str, whole: bytes, loop: str) -> None:
    """HTTP/1.0 knows no chunks."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            reply.start(200, b"content-type: text/event-stream\r\n")
            reply.write(b"one")
            reply.write(b"")
            await a_moment(0.001)
            reply.write(b"two")
            reply.end(b"three" if inbound.path == "/x" else b"")
            reply.end(b"again")
            assert reply.started and reply.ended

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(get("/x", "Connection: keep-alive", version=version))
            answer = await caller.answer()
            assert answer.body == whole and answer.headers["content-type"] == "text/event-stream"
            if version == "1.1":
                assert answer.headers["transfer-encoding"] == "chunked"
                await caller.send(get("/y"))
                assert (await caller.answer()).body == b"onetwo"
            else:
                assert answer.headers["connection"] == "close" and "transfer-encoding" not in answer.headers

    on(loop, main())


@loops
def test_a_streamed_answer_that_is_not_finished_does_not_look_finished(loop: str) -> None:
    """The handler ended without end(): no last chunk, the connection breaks."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            reply.start(200, b"")
            reply.write(b"half")
            await a_moment(0.005)

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(get())
            sent = await caller.closed()
            assert b"4\r\nhalf\r\n" in sent and not sent.endswith(b"0\r\n\r\n")

    on(loop, main())


@loops
def test_an_answer_that_is_given_up_after_its_head_breaks_the_connection(loop: str) -> None:
    """What was written has gone out, no last chunk comes after it, and nothing behind it is served."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            reply.start(200, b"")
            reply.write(b"half")
            await a_moment(0.005)
            reply.abort()
            reply.write(b"late")
            reply.end(b"later")
            assert not reply.keep_alive

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(get("/1") + get("/2"))
            sent = await caller.closed()
            assert sent.endswith(b"\r\n\r\n4\r\nhalf\r\n")
            await until(lambda: not listening.server.connections)
            assert [i.path for i in listening.handled] == ["/1"]

    on(loop, main())


# --- the connection -----------------------------------------------------------------------------------


@loops
@pytest.mark.parametrize(
    ("version", "field", "kept"),
    [
        ("1.1", (), True),
        ("1.1", ("Connection: keep-alive",), True),
        ("1.1", ("Connection: close",), False),
        ("1.1", ("Connection: foo, Close",), False),
        ("1.0", (), False),
        ("1.0", ("Connection: keep-alive",), True),
        ("1.0", ("Connection: close",), False),
    ],
)
def test_the_connection_stays_or_goes_as_the_client_said(
    version: str, field: tuple[str, ...], kept: bool, loop: str
) -> None:
    """HTTP/1.1 stays unless told otherwise, HTTP/1.0 the other way round; what is done is said."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(request("POST", "/x", b"{}", *field, version=version))
            answer = await caller.answer()
            assert answer.status == 200
            if not kept:
                assert answer.headers["connection"] == "close"
                assert await caller.closed() == b""
                return
            if version == "1.0":
                assert answer.headers["connection"] == "keep-alive"
            await caller.send(get(version=version))
            assert (await caller.answer()).status == 200

    on(loop, main())


# --- slow clients, and gone ones ----------------------------------------------------------------------


@loops
def test_a_slow_reader_stops_its_own_source_and_memory_stays_bounded(loop: str) -> None:
    """Paused and resumed as the client reads; every byte arrives in order."""
    calls: list[str] = []

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            go = asyncio.Event()
            go.set()

            def pause() -> None:
                calls.append("pause")
                go.clear()

            def resume() -> None:
                calls.append("resume")
                go.set()

            reply.start(200, b"")
            reply.flow(pause, resume)
            for n in range(400):
                await go.wait()
                reply.write(b"%08d" % n * 8192)
            reply.end()

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(get())
            await until(lambda: calls)
            await a_moment(0.05)
            (connection,) = listening.server.connections
            transport: Any = connection._transport
            assert calls[-1] == "pause" and connection.full
            assert transport.get_write_buffer_size() <= 1024 * 1024
            answer = await caller.answer()
            assert answer.body == b"".join(b"%08d" % n * 8192 for n in range(400))
            assert calls.count("pause") == calls.count("resume") >= 1
            assert connection.on_pause is None and connection.on_resume is None

    on(loop, main())


@loops
def test_who_writes_to_a_client_that_is_full_already_is_told_at_once(loop: str) -> None:
    """The first write may have filled it before anybody could be stopped."""
    calls: list[str] = []

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            reply.start(200, b"")
            reply.write(b"x" * 20_000_000)
            reply.flow(lambda: calls.append("pause"), lambda: calls.append("resume"))
            assert calls == ["pause"]
            reply.end()

        async with Listening(handle) as listening:
            answer = await listening.ask(get())
            assert len(answer.body) == 20_000_000
            assert calls == ["pause"], "nobody is told after the end"

    on(loop, main())


def test_nobody_is_stopped_before_the_client_is_full_or_after_the_end() -> None:
    """The next answer on the connection has another source."""
    calls: list[str] = []
    answer, sink = reply()
    answer.start(200, b"")
    answer.flow(lambda: calls.append("pause"), lambda: calls.append("resume"))
    assert not calls and sink.on_pause is not None and sink.on_resume is not None
    sink.on_pause()
    sink.on_resume()
    assert calls == ["pause", "resume"]
    answer.end()
    assert sink.on_pause is None and sink.on_resume is None


@loops
def test_writing_to_a_client_that_is_gone_is_harmless(loop: str) -> None:
    """The handler may be in the middle of something."""

    async def main() -> None:
        done = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            reply.start(200, b"")
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                reply.write(b"late")
                reply.flow(lambda: None, lambda: None)
                reply.end(b"later")
                reply.abort()
                done.set()

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(get())
            await until(lambda: listening.handled)
            caller.reset()
            await asyncio.wait_for(done.wait(), 1)

    on(loop, main())
