"""Both transports against one raw server: the same bytes must come to the same outcome.

``lbd.upstream.client`` is lbd's own; ``lbd.upstream.aio`` runs on aiohttp and is the yardstick. Where they
differ on purpose the case says so. Every case runs on asyncio's loop and on uvloop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import zlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lbd.app import RealEnv
from lbd.model.failure import FailureKind
from lbd.ports import Transport
from lbd.tasks import Tasks
from lbd.upstream.aio import AiohttpTransport
from lbd.upstream.client import Client
from lbd.upstream.trace import traced
from tests.fakes.descriptors import exhausted
from tests.fakes.trust import Authority
from tests.fakes.wire import LOOPS, Conn, Ear, Script, Wire, a_moment, ask, on, start, until

KINDS = ("own", "aiohttp")
BODY = b"hello world"
LENGTH = b"content-length: 11"
CHUNKED = b"transfer-encoding: chunked"
both = pytest.mark.parametrize(("kind", "loop"), [(k, o) for k in KINDS for o in LOOPS])
K = FailureKind


@contextlib.asynccontextmanager
async def transport(kind: str) -> AsyncIterator[Transport]:
    """Make a transport, and close it."""
    env = RealEnv()
    crashes: list[BaseException] = []
    tasks = Tasks(env, lambda _kind, _name, error: crashes.append(error))
    made: Transport = Client(env) if kind == "own" else AiohttpTransport(env, tasks.once)
    try:
        yield made
    finally:
        await made.close()
        await tasks.close()
        await a_moment()
    if crashes:
        raise crashes[0]


def reply(*fields: bytes, body: bytes = b"", line: bytes = b"HTTP/1.1 200 OK", end: bytes = b"\r\n") -> bytes:
    """Return an answer's bytes."""
    return end.join([line, *fields]) + end * 2 + body


def send(*pieces: bytes, pause: float = 0.0) -> Script:
    """Return a script that reads one request, sends these pieces, and closes."""

    async def script(conn: Conn) -> None:
        await conn.request()
        for piece in pieces:
            await conn.send(piece)
            if pause:
                await a_moment(pause)

    return script


class Case(NamedTuple):
    """What the server sends before it closes, and what must come of it."""

    sent: bytes
    status: int = 200
    headers: dict[str, str] | None = None  # None: the length alone
    body: bytes = BODY
    failure: FailureKind | None = None
    aiohttp: FailureKind | None = None  # where it fails and the own client does not
    unfolds: dict[str, str] | None = None  # aiohttp's headers, where the own client refuses


def sized(data: bytes) -> bytes:
    return b"content-length: %d" % len(data)


def bad(sent: bytes, failure: FailureKind, body: bytes = b"", status: int = 0, **headers: str) -> Case:
    return Case(sent, status, {k.replace("_", "-"): v for k, v in headers.items()}, body, failure)


ZIPPED, DEFLATED = gzip.compress(BODY, mtime=0), zlib.compress(BODY)
CHUNKS = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
TE = {"transfer-encoding": "chunked"}
CUT = {"status": 200, "transfer_encoding": "chunked"}

CASES: dict[str, Case] = {
    # framing
    "content-length": Case(reply(LENGTH, body=BODY)),
    "chunked": Case(reply(CHUNKED, body=CHUNKS), headers=TE),
    "chunk extensions": Case(reply(CHUNKED, body=b"5;a=1\r\nhello\r\n6;b\r\n world\r\n0\r\n\r\n"), headers=TE),
    "trailers are no headers": Case(reply(CHUNKED, body=CHUNKS[:-2] + b"x-late: 1\r\n\r\n"), headers=TE),
    "chunked, by another case": Case(
        reply(b"Transfer-Encoding: Chunked", body=CHUNKS), headers={"transfer-encoding": "Chunked"}
    ),
    "until close": Case(reply(body=BODY), headers={}),
    "until close, nothing": Case(reply(), headers={}, body=b""),
    "empty": Case(reply(b"content-length: 0"), headers={"content-length": "0"}, body=b""),
    "no content": Case(reply(b"content-length: 5", line=b"HTTP/1.1 204 X"), 204, {"content-length": "5"}, b""),
    "not modified": Case(reply(b"content-length: 5", line=b"HTTP/1.1 304 X"), 304, {"content-length": "5"}, b""),
    "no content, chunked": Case(reply(CHUNKED, line=b"HTTP/1.1 204 X"), 204, TE, b""),
    "an error": Case(reply(LENGTH, body=BODY, line=b"HTTP/1.1 500 X"), 500),
    "a redirect is not followed": Case(
        reply(LENGTH, b"location: http://127.0.0.1:1/", body=BODY, line=b"HTTP/1.1 302 X"),
        302,
        {"content-length": "11", "location": "http://127.0.0.1:1/"},
    ),
    "HTTP/1.0": Case(reply(LENGTH, body=BODY, line=b"HTTP/1.0 200 OK")),
    "without a reason": Case(reply(LENGTH, body=BODY, line=b"HTTP/1.1 200")),
    "a reason beyond ASCII": Case(reply(LENGTH, body=BODY, line=b"HTTP/1.1 200 \xc3\xbc")),
    "an unknown status": Case(reply(LENGTH, body=BODY, line=b"HTTP/1.1 999 X"), 999),
    "bare line feeds": Case(reply(LENGTH, body=BODY, end=b"\n")),
    "an empty line first": Case(b"\r\n" + reply(LENGTH, body=BODY)),
    # before the answer
    "interim answers": Case(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + reply(LENGTH, body=BODY)
    ),
    "fields of an interim answer": Case(
        reply(b"content-encoding: gzip", b"content-length: 5", line=b"HTTP/1.1 103 X") + reply(body=BODY), headers={}
    ),
    "switching protocols": bad(
        reply(b"upgrade: h2c", b"connection: upgrade", line=b"HTTP/1.1 101 X", body=b"abc"), K.BAD_BODY
    ),
    "switching to nothing": bad(reply(line=b"HTTP/1.1 101 X"), K.BAD_BODY),
    # compression that nobody asked for
    "gzip": Case(reply(b"content-encoding: gzip", sized(ZIPPED), body=ZIPPED), headers={}),
    "x-gzip": Case(reply(b"content-encoding: X-GZip", sized(ZIPPED), body=ZIPPED), headers={}),
    "gzip of several": Case(reply(b"content-encoding: gzip", body=ZIPPED * 3), headers={}, body=BODY * 3),
    "gzip of nothing": Case(reply(b"content-encoding: gzip", sized(b"")), headers={}, body=b""),
    "deflate": Case(reply(b"content-encoding: deflate", sized(DEFLATED), body=DEFLATED), headers={}),
    "bare deflate": Case(reply(b"content-encoding: deflate", body=DEFLATED[2:-4]), headers={}),
    "identity": Case(
        reply(b"content-encoding: identity", LENGTH, body=BODY),
        headers={"content-encoding": "identity", "content-length": "11"},
    ),
    "gzip that is none": bad(reply(b"content-encoding: gzip", LENGTH, body=BODY), K.BAD_BODY, status=200),
    "a compression that cannot be taken off": bad(reply(b"content-encoding: br", LENGTH, body=BODY), K.BAD_BODY),
    # headers
    "a huge field": Case(
        reply(b"x-a: " + b"a" * 30000, LENGTH, body=BODY), headers={"x-a": "a" * 30000, "content-length": "11"}
    ),
    "many fields": Case(
        reply(*(b"x-%d: a" % i for i in range(200)), LENGTH, body=BODY),
        headers={**{f"x-{i}": "a" for i in range(200)}, "content-length": "11"},
    ),
    "a head without end": bad(
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: %8000d\r\n" % (i, i) for i in range(400)), K.BAD_BODY
    ),
    "a field twice": Case(
        reply(b"x-a: 1", b"X-A: 2", LENGTH, body=BODY), headers={"x-a": "1, 2", "content-length": "11"}
    ),
    "beyond ASCII": Case(reply(b"x-a: caf\xe9", LENGTH, body=BODY), headers={"x-a": "caf\xe9", "content-length": "11"}),
    "an empty value": Case(reply(b"x-a:", LENGTH, body=BODY), headers={"x-a": "", "content-length": "11"}),
    "white space around a value": Case(
        reply(b"x-a: \t b \t ", LENGTH, body=BODY), headers={"x-a": "b", "content-length": "11"}
    ),
    # RFC 9112, 5.2: a gateway either unfolds or refuses. aiohttp unfolds; lbd's own refuses
    "a folded field": Case(
        reply(b"x-a: 1\r\n 2", LENGTH, body=BODY),
        0,
        {},
        b"",
        K.BAD_BODY,
        unfolds={"x-a": "1 2", "content-length": "11"},
    ),
    "space before the colon": bad(reply(b"x-a : 1", LENGTH, body=BODY), K.BAD_BODY),
    "a field without a name": bad(reply(b": 1", LENGTH, body=BODY), K.BAD_BODY),
    "a field without a colon": bad(reply(b"x-a", LENGTH, body=BODY), K.BAD_BODY),
    "a NUL": bad(reply(b"x-a: a\0b", LENGTH, body=BODY), K.BAD_BODY),
    "a bare CR": bad(reply(b"x-a: a\rb", LENGTH, body=BODY), K.BAD_BODY),
    # what could be read in two ways
    "two lengths": bad(reply(LENGTH, b"content-length: 12", body=BODY), K.BAD_BODY),
    "the same length twice": bad(reply(LENGTH, LENGTH, body=BODY), K.BAD_BODY),
    "a list of lengths": bad(reply(b"content-length: 11, 11", body=BODY), K.BAD_BODY),
    "a negative length": bad(reply(b"content-length: -1", body=BODY), K.BAD_BODY),
    "a signed length": bad(reply(b"content-length: +11", body=BODY), K.BAD_BODY),
    "a length beyond 64 bits": bad(reply(b"content-length: " + b"9" * 30, body=BODY), K.BAD_BODY),
    "a length and chunks": bad(reply(LENGTH, CHUNKED, body=CHUNKS), K.BAD_BODY),
    # no answer at all
    "garbage": bad(b"what is this\r\n\r\n", K.BAD_BODY),
    "TLS where none is spoken": bad(b"\x15\x03\x01\x00\x02\x02\x16", K.BAD_BODY),
    "HTTP/2": bad(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", K.BAD_BODY),
    "HTTP/2 in words": bad(reply(LENGTH, body=BODY, line=b"HTTP/2 200 OK"), K.BAD_BODY),
    "HTTP/0.9": bad(b"<html>hi</html>", K.BAD_BODY),
    "a status of two digits": bad(reply(LENGTH, body=BODY, line=b"HTTP/1.1 99 X"), K.BAD_BODY),
    "a status of four digits": bad(reply(LENGTH, body=BODY, line=b"HTTP/1.1 2000 X"), K.BAD_BODY),
    # cut
    "closed without a word": bad(b"", K.RESET),
    "cut in the status line": bad(b"HTTP/1.", K.RESET),
    "cut in the head": bad(b"HTTP/1.1 200 OK\r\ncontent-le", K.RESET),
    "cut after an interim answer": bad(b"HTTP/1.1 100 Continue\r\n\r\n", K.RESET),
    "cut in the body": bad(reply(LENGTH, body=BODY[:5]), K.BROKEN_STREAM, b"hello", 200, content_length="11"),
    "cut in a chunk": bad(reply(CHUNKED, body=b"b\r\nhello"), K.BROKEN_STREAM, b"hello", **CUT),  # type: ignore[arg-type]
    "cut in a chunk's size": bad(reply(CHUNKED, body=b"5\r\nhello\r\n1"), K.BROKEN_STREAM, b"hello", **CUT),  # type: ignore[arg-type]
    "cut before the last chunk": bad(reply(CHUNKED, body=b"5\r\nhello\r\n"), K.BROKEN_STREAM, b"hello", **CUT),  # type: ignore[arg-type]
    "cut in the last chunk": bad(reply(CHUNKED, body=b"5\r\nhello\r\n0\r\n"), K.BROKEN_STREAM, b"hello", **CUT),  # type: ignore[arg-type]
    # after the answer: RFC 9112, 6.3 lets a client throw it away. aiohttp gives up the whole answer
    "garbage after the body": Case(reply(LENGTH, body=BODY + b"garbage"), aiohttp=K.BAD_BODY),
    "garbage after the last answer": Case(
        reply(LENGTH, b"connection: close", body=BODY + b"garbage"),
        headers={"content-length": "11", "connection": "close"},
        aiohttp=K.BAD_BODY,
    ),
    "an answer to nothing": Case(reply(LENGTH, body=BODY + reply(b"content-length: 3", b"x-evil: 1", body=b"abc"))),
    "another answer after the chunks": Case(
        reply(CHUNKED, body=CHUNKS + reply(b"content-length: 0", line=b"HTTP/1.1 500 X")), headers=TE
    ),
    "the beginning of another answer": Case(reply(LENGTH, body=BODY + b"HTTP/1.1 2")),
    "an empty line after the body": Case(reply(LENGTH, body=BODY + b"\r\n")),
}


@both
@pytest.mark.parametrize("case", CASES)
def test_the_same_bytes_come_to_the_same_outcome(case: str, kind: str, loop: str) -> None:
    """Status, headers, body and kind of failure."""
    sent, status, headers, body, failure, aiohttp, unfolds = CASES[case]

    async def main() -> None:
        async with Wire(send(sent)) as wire, transport(kind) as made:
            ear = await ask(made, wire.endpoint())
            if kind == "aiohttp" and aiohttp is not None:
                assert ear.kind is aiohttp
            elif kind == "aiohttp" and unfolds is not None:
                assert (ear.status, ear.headers, ear.body, ear.kind) == (200, unfolds, BODY, None)
            else:
                expected = {"content-length": "11"} if headers is None else headers
                assert (ear.status, ear.kind, ear.body) == (status, failure, body), ear.failure
                if failure is None or headers:
                    assert ear.headers == expected

    on(loop, main())


@both
@pytest.mark.parametrize(
    ("name", "sent", "body"),
    [
        ("length", reply(LENGTH, b"x-a: 1", body=BODY), BODY),
        ("chunked", reply(CHUNKED, body=CHUNKS), BODY),
        ("gzip in chunks", reply(CHUNKED, b"content-encoding: gzip", body=b"1f\r\n%b\r\n0\r\n\r\n" % ZIPPED), BODY),
        ("interim", b"HTTP/1.1 100 C\r\n\r\n" + reply(LENGTH, body=BODY), BODY),
    ],
)
def test_an_answer_may_be_split_anywhere(name: str, sent: bytes, body: bytes, kind: str, loop: str) -> None:
    """Packets have no meaning: every split of the bytes gives the same answer, on one connection."""

    async def script(conn: Conn) -> None:
        for at in range(1, len(sent)):
            await conn.request()
            await conn.send(sent[:at])
            await a_moment()
            await conn.send(sent[at:])

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            for _ in range(1, len(sent)):
                ear = await ask(made, wire.endpoint())
                assert (ear.status, ear.body, ear.kind) == (200, body, None)
            assert len(wire.connections) == 1

    assert len(ZIPPED) == 0x1F
    on(loop, main())


@both
def test_a_slow_drip_is_handed_on_as_it_comes(kind: str, loop: str) -> None:
    """A chunk does not wait for the next one."""
    came = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(reply(CHUNKED))
        for i in range(10):
            came.clear()
            await conn.send(b"1\r\n%d\r\n" % i)
            await asyncio.wait_for(came.wait(), 1)
        await conn.send(b"0\r\n\r\n")

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            ear = Ear(on_data=lambda _chunk: came.set())
            await start(made, wire.endpoint(), ear)
            await ear.finished()
            assert ear.chunks == [b"%d" % i for i in range(10)] and ear.ended

    on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("broken", [b"zz\r\n", b"fffffffffffffffff\r\n", b"5\r\nhelloXX"])
def test_broken_chunks_after_good_ones_are_the_providers_fault(broken: bytes, loop: str) -> None:
    """What came before is handed on; then the failure. (aiohttp is silent there until it is cut.)"""

    async def main() -> None:
        pieces = (reply(CHUNKED, body=b"5\r\nhello\r\n"), broken)
        async with Wire(send(*pieces, pause=0.02)) as wire, transport("own") as made:
            ear = await ask(made, wire.endpoint())
            assert ear.body.startswith(b"hello")
            assert ear.kind is K.BAD_BODY

    on(loop, main())


# --- connecting --------------------------------------------------------------------------------------


@both
def test_a_refused_connection_is_told_as_such(kind: str, loop: str) -> None:
    """Nobody listens: the host is down, or was never there."""

    async def main() -> None:
        async with Wire(send()) as wire:
            endpoint = wire.endpoint()
        async with transport(kind) as made:
            ear = await ask(made, endpoint)
            assert ear.kind is K.CONNECT and not ear.status

    on(loop, main())


@both
@pytest.mark.parametrize("host", ["no-such-host.invalid", "foo..invalid", f"{'x' * 64}.invalid"])
def test_a_name_that_does_not_exist_is_told_apart(kind: str, loop: str, host: str) -> None:
    """Said with the name in it, also where it can be no name at all."""

    async def main() -> None:
        async with Wire(send()) as wire, transport(kind) as made:
            ear = await ask(made, wire.endpoint(host=host))
            assert ear.kind is K.DNS
            assert ear.failure is not None and host in ear.failure.message

    on(loop, main())


@both
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_connection_for_which_there_is_no_descriptor_is_this_hosts_fault(kind: str, loop: str, host: str) -> None:
    """Also where it is the resolver that gets none. Said with the remedy."""

    async def main() -> None:
        async with Wire(send(reply(LENGTH, body=BODY))) as wire, transport(kind) as made:
            with exhausted():
                ear = await ask(made, wire.endpoint(host=host))
            assert ear.kind is K.LOCAL, ear.failure
            assert ear.failure is not None and "LimitNOFILE=" in ear.failure.message

    on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_the_own_client_waits_for_a_descriptor_and_lets_idle_connections_give_way(loop: str) -> None:
    """What others hold may be given back in a moment; what nobody uses is given back at once."""

    async def main() -> None:
        async def kept(conn: Conn) -> None:
            with contextlib.suppress(EOFError):
                while True:
                    await conn.request()
                    await conn.send(reply(LENGTH, body=BODY))

        async with Wire(kept) as idle, Wire(kept) as wire, Wire(kept) as another, transport("own") as made:
            await ask(made, idle.endpoint())
            with exhausted() as held:
                asked = [await ask(made, wire.endpoint())]
                asyncio.get_running_loop().call_later(0.2, lambda: [os.close(held.pop()) for _ in range(3)])
                asked.append(await ask(made, another.endpoint()))
                asked.append(await ask(made, another.endpoint()))
            assert [(ear.status, ear.kind) for ear in asked] == [(200, None)] * 3
            assert len(another.connections) == 1

    on(loop, main())


@both
def test_a_reset_before_any_byte_is_a_reset(kind: str, loop: str) -> None:
    """On a new connection it is held against the server."""

    async def script(conn: Conn) -> None:
        await conn.request()
        conn.reset()

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            assert (await ask(made, wire.endpoint())).kind is K.RESET
            assert len(wire.connections) == 1

    on(loop, main())


@both
def test_a_reset_in_the_middle_of_the_answer_is_a_broken_stream(kind: str, loop: str) -> None:
    """Also where the body has no length of its own: a reset is no end. (aiohttp takes it for one there.)"""

    async def script(conn: Conn) -> None:
        await conn.request()
        endless = conn.number and kind == "own"
        await conn.send(reply(body=b"hello") if endless else reply(CHUNKED, body=b"5\r\nhello\r\n"))
        await a_moment(0.02)
        conn.reset()

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            for _ in range(2):
                ear = await ask(made, wire.endpoint())
                assert (ear.status, ear.body, ear.kind) == (200, b"hello", K.BROKEN_STREAM)

    on(loop, main())


# --- requests ----------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("size", [0, 2, 65_535, 65_536, 3_000_000])
def test_the_request_arrives_whole_and_as_it_was_meant(size: int, kind: str, loop: str) -> None:
    """Method, path with its query, host, headers, length and every byte of the body."""
    body = b"x" * size

    async def main() -> None:
        async with Wire(send(reply(LENGTH, body=BODY))) as wire, transport(kind) as made:
            assert (await ask(made, wire.endpoint(path="/v1/a%2Fb?x=1&y=%20"), body)).ended
            line, headers, got = wire.requests[0]
            assert line == "POST /v1/a%2Fb?x=1&y=%20 HTTP/1.1"
            assert got == body
            assert headers["host"] == f"127.0.0.1:{wire.port}"
            assert headers["content-length"] == str(size)
            assert headers["accept-encoding"] == "identity"
            assert headers["content-type"] == "application/json"
            assert "expect" not in headers and "transfer-encoding" not in headers

    on(loop, main())


@both
def test_lines_of_one_request_go_out_with_that_one_alone(kind: str, loop: str) -> None:
    """Beside the endpoint's own headers, and on a connection that is used again."""

    async def main() -> None:
        async with Wire(send(reply(LENGTH, body=BODY))) as wire, transport(kind) as made:
            plain = wire.endpoint()
            lines = (
                b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: a=b,c=d: e\r\n"
            )
            for endpoint in (traced(plain, lines), plain, traced(plain, b"traceparent: other\r\n")):
                assert (await ask(made, endpoint, b"{}")).ended
            first, second, third = (headers for _, headers, _ in wire.requests)
            assert first["traceparent"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            assert first["tracestate"] == "a=b,c=d: e" and third["traceparent"] == "other"
            assert not {"traceparent", "tracestate"} & second.keys() and "tracestate" not in third
            for headers in (first, second, third):
                assert (headers["content-type"], headers["content-length"]) == ("application/json", "2")

    on(loop, main())


@both
def test_an_answer_before_the_request_was_read_is_taken(kind: str, loop: str) -> None:
    """413 while the body is still on its way: the client hears why, not that the connection broke."""

    async def script(conn: Conn) -> None:
        await conn.head()
        await conn.send(reply(LENGTH, b"connection: close", body=BODY, line=b"HTTP/1.1 413 X"))
        conn.half_close()
        await conn.gone()

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            ear = await ask(made, wire.endpoint(), b"x" * 8_000_000)
            assert (ear.status, ear.body, ear.kind) == (413, BODY, None)

    on(loop, main())


# --- keep-alive --------------------------------------------------------------------------------------


@both
def test_a_connection_is_used_again_after_a_whole_answer(kind: str, loop: str) -> None:
    """Unary or chunked, and after an error, too."""

    async def script(conn: Conn) -> None:
        while True:
            await conn.request()
            await conn.send(reply(LENGTH, body=BODY, line=b"HTTP/1.1 500 X"))
            await conn.request()
            await conn.send(reply(CHUNKED, body=CHUNKS))

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            for _ in range(6):
                assert (await ask(made, wire.endpoint())).body == BODY
            assert len(wire.connections) == 1

    on(loop, main())


@both
@pytest.mark.parametrize(
    ("sent", "pool"),
    [
        (reply(LENGTH, b"connection: close", body=BODY), True),
        (reply(LENGTH, b"Connection: Close", body=BODY), True),
        (reply(LENGTH, body=BODY, line=b"HTTP/1.0 200 OK"), True),
        (reply(LENGTH, body=BODY), False),
        (reply(LENGTH, body=BODY + reply(b"content-length: 3", body=b"abc")), True),
    ],
)
def test_a_connection_is_not_used_again_where_that_is_not_safe(sent: bytes, pool: bool, kind: str, loop: str) -> None:
    """The server says so, the configuration says so, or more came than was asked for."""

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(sent)
        assert await conn.gone() == "eof" or True

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            for _ in range(3):
                ear = await ask(made, wire.endpoint(pool=pool))
                assert (ear.status, ear.body, ear.kind) == (200, BODY, None)
            assert len(wire.connections) == 3
            await until(lambda: all(c.gone_at is not None for c in wire.connections))

    on(loop, main())


def test_a_connection_with_half_an_answer_left_in_it_is_not_used_again() -> None:
    """Its parser is in the middle of something. (aiohttp keeps it; there the answers would be mixed.)"""

    async def main() -> None:
        async with Wire(send(reply(LENGTH, body=BODY + b"HTTP/1.1 2"))) as wire, transport("own") as made:
            for _ in range(3):
                ear = await ask(made, wire.endpoint())
                assert (ear.status, ear.body, ear.kind) == (200, BODY, None)
            assert len(wire.connections) == 3

    on("asyncio", main())


async def closes(conn: Conn) -> None:
    """The server closes after a stream although it announced to keep the connection."""


async def closes_as_the_next_request_comes(conn: Conn) -> None:
    """Its close and the next request cross on the wire."""
    await conn.head()


async def resets_as_the_next_request_comes(conn: Conn) -> None:
    """The same by a server that was killed."""
    await conn.head()
    conn.reset()


GONE = (closes, closes_as_the_next_request_comes, resets_as_the_next_request_comes)


@both
@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("size", [2, 1_000_000])
def test_a_stale_keep_alive_connection_never_surfaces(gone: Any, size: int, kind: str, loop: str) -> None:
    """llama.cpp closes after each stream while announcing Keep-Alive: timeout=5: the next request must not fail."""

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(reply(CHUNKED, b"keep-alive: timeout=5, max=100", body=CHUNKS))
        await gone(conn)

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            for i in range(25):
                ear = await ask(made, wire.endpoint(), b"x" * size)
                assert (ear.status, ear.body, ear.kind) == (200, BODY, None), (i, ear.failure)
                if i % 5 == 4:
                    await a_moment(0.001)
            assert len(wire.requests) == 25

    on(loop, main())


@both
@pytest.mark.parametrize("gone", GONE)
def test_a_pool_full_of_stale_connections_never_surfaces(gone: Any, kind: str, loop: str) -> None:
    """Several requests at once leave several connections; the server gives all of them up."""
    served = asyncio.Event()

    async def script(conn: Conn) -> None:
        await conn.request()
        if conn.number < 5:
            if len(conn.wire.requests) == 5:
                served.set()
            await served.wait()
        await conn.send(reply(CHUNKED, b"keep-alive: timeout=5", body=CHUNKS))
        await gone(conn)

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            await asyncio.gather(*(ask(made, wire.endpoint()) for _ in range(5)))
            for ear in [await ask(made, wire.endpoint()) for _ in range(3)]:
                assert (ear.status, ear.body, ear.kind) == (200, BODY, None)

    on(loop, main())


@both
def test_a_kept_connection_that_breaks_after_the_first_byte_is_not_stale(kind: str, loop: str) -> None:
    """The server had begun to answer: sending the request again could do its work twice."""

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(reply(LENGTH, body=BODY))
        await conn.request()
        await conn.send(reply(LENGTH, body=BODY[:5]))

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            assert (await ask(made, wire.endpoint())).ended
            ear = await ask(made, wire.endpoint())
            assert (ear.body, ear.kind) == (b"hello", K.BROKEN_STREAM)
            assert len(wire.requests) == 2 and len(wire.connections) == 1

    on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_word_on_an_idle_connection_ends_it(loop: str) -> None:
    """Some servers say 408 before they close: it must not be taken for the next answer. (aiohttp takes it.)"""

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(reply(LENGTH, body=BODY))
        if not conn.number:
            await a_moment(0.01)
            await conn.send(reply(b"content-length: 3", body=b"bye", line=b"HTTP/1.1 408 X"))
            assert await conn.gone()

    async def main() -> None:
        async with Wire(script) as wire, transport("own") as made:
            assert (await ask(made, wire.endpoint())).ended
            await until(lambda: wire.connections[0].sent > len(reply(LENGTH, body=BODY)))
            await a_moment(0.01)
            ear = await ask(made, wire.endpoint())
            assert (ear.status, ear.body) == (200, BODY)
            assert len(wire.connections) == 2

    on(loop, main())


# --- stopping and holding ----------------------------------------------------------------------------


async def silent(conn: Conn) -> None:
    """Accept, read, say nothing: a frozen server."""
    await conn.request()
    await conn.gone()


async def head_only(conn: Conn) -> None:
    """The head, then nothing."""
    await conn.request()
    await conn.send(reply(CHUNKED))
    await conn.gone()


async def in_the_middle(conn: Conn) -> None:
    """Half of the answer, then nothing."""
    await conn.request()
    await conn.send(reply(CHUNKED, body=b"5\r\nhello\r\n"))
    await conn.gone()


async def endless(conn: Conn) -> None:
    """Data without end, as fast as it is taken."""
    await conn.request()
    await conn.send(reply(CHUNKED))
    try:
        while True:
            await conn.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    except ConnectionError:
        conn.gone_at = asyncio.get_running_loop().time()


async def unread(conn: Conn) -> None:
    """The request's body is not even read before it is cancelled."""
    await conn.head()
    await a_moment(0.05)
    await conn.gone()


@both
@pytest.mark.parametrize("script", [silent, head_only, in_the_middle, endless, unread])
def test_cancelling_closes_the_connection_at_once(script: Script, kind: str, loop: str) -> None:
    """The provider stops working within 100 ms, whatever the exchange was at; nobody is told anything more."""

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            ear = Ear()
            body = b"x" * (6_000_000 if script is unread else 2)
            exchange = await start(made, wire.endpoint(), ear, body)
            await until(lambda: wire.connections)
            await a_moment(0.05)
            assert exchange is not None and not ear.done.is_set()
            exchange.cancel()
            ear.cancelled = True
            at = asyncio.get_running_loop().time()
            await until(lambda: wire.connections[0].gone_at is not None)
            assert (wire.connections[0].gone_at or 0) - at < 0.1
            exchange.cancel()  # twice is harmless
            assert len(made.__dict__.get("_pool", ())) == 0

    on(loop, main())


@both
@pytest.mark.parametrize("where", ["head", "data"])
def test_cancelling_from_inside_a_callback_is_the_last_call(where: str, kind: str, loop: str) -> None:
    """Though more of the answer is there already."""

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(reply(CHUNKED, body=b"5\r\nhello\r\n"))
        await conn.send(b"5\r\nhello\r\n" * 1000)
        await conn.gone()

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            held: list[Any] = []

            def stop(_chunk: bytes = b"") -> None:
                held[0].cancel()
                ear.cancelled = True

            ear = Ear(**{f"on_{where}": stop})
            held.append(await start(made, wire.endpoint(), ear))
            await until(lambda: wire.connections and wire.connections[0].gone_at is not None)
            assert ear.status == 200 and not ear.ended
            assert len(ear.chunks) == (where == "data")

    on(loop, main())


@both
def test_a_silent_server_costs_what_its_caller_allows(kind: str, loop: str) -> None:
    """The transport itself has no time-out for the answer: cutting is the attempt's to do, and works."""

    async def main() -> None:
        async with Wire(silent) as wire, transport(kind) as made:
            ear = Ear()
            exchange = await start(made, wire.endpoint(), ear)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(ear.done.wait(), 0.05)
            assert exchange is not None
            exchange.cancel()
            await until(lambda: wire.connections[0].gone_at is not None)

    on(loop, main())


@both
def test_a_paused_exchange_stops_the_server_and_keeps_memory_bounded(kind: str, loop: str) -> None:
    """Held: nothing but what the kernel buffers is taken; resumed: every byte comes, in order."""
    size, piece = 400, bytes(range(256)) * 256
    whole = piece * size

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(reply(sized(whole)))
        for _ in range(size):
            await conn.send(piece)

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            held: list[Any] = []
            ear = Ear(on_data=lambda _chunk: held[0].pause())
            held.append(await start(made, wire.endpoint(), ear))
            await until(lambda: ear.body)
            stopped, taken = -1, len(ear.body)
            while wire.connections[0].sent != stopped:  # the kernel's own buffers fill
                stopped = wire.connections[0].sent
                await a_moment(0.1)
            assert stopped < 20 * 1024 * 1024
            assert len(ear.body) == taken <= 1024 * 1024
            ear.on_data = lambda _chunk: None
            held[0].resume()
            await ear.finished()
            assert ear.body == whole and ear.ended

    on(loop, main())


@both
def test_pausing_and_resuming_all_the_time_loses_nothing(kind: str, loop: str) -> None:
    """Each piece is held for a moment."""
    whole = b"".join(b"%07d\n" % i for i in range(100_000))

    async def main() -> None:
        async with Wire(send(reply(sized(whole), body=whole))) as wire, transport(kind) as made:
            held: list[Any] = []

            def hold(_chunk: bytes) -> None:
                held[0].pause()
                asyncio.get_running_loop().call_later(0.001, held[0].resume)

            ear = Ear(on_data=hold)
            held.append(await start(made, wire.endpoint(), ear))
            await ear.finished()
            assert ear.body == whole and ear.ended

    on(loop, main())


@both
def test_a_connection_that_was_paused_serves_the_next_request(kind: str, loop: str) -> None:
    """A pause that nobody took back ends with its exchange."""

    async def script(conn: Conn) -> None:
        for _ in range(2):
            await conn.request()
            await conn.send(reply(LENGTH, body=BODY))

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            held: list[Any] = []

            def pause() -> None:
                held[0].pause()

            ear = Ear(on_head=pause)
            held.append(await start(made, wire.endpoint(), ear))
            await until(lambda: ear.status)
            held[0].resume()
            await ear.finished()
            assert (await ask(made, wire.endpoint())).ended
            assert len(wire.connections) == 1

    on(loop, main())


# --- TLS ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority, three servers."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def contexts(authority: Authority) -> dict[str, Any]:
    """The right name, another name, and a certificate of 2020."""
    return {
        "good": authority.server("good", "IP:127.0.0.1,DNS:localhost"),
        "other name": authority.server("other", "DNS:other.example"),
        "expired": authority.server("expired", "IP:127.0.0.1", expired=True),
    }


@both
def test_tls_to_a_server_that_a_private_authority_vouches_for(
    authority: Authority, contexts: dict[str, Any], kind: str, loop: str
) -> None:
    """ca_file is all that is needed; connections are kept, big bodies pass, a cut is a cut."""

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(reply(LENGTH, body=BODY))
        await conn.request()
        await conn.send(reply(LENGTH, body=BODY[:5]))

    async def main() -> None:
        async with Wire(script, tls=contexts["good"]) as wire, transport(kind) as made:
            endpoint = wire.endpoint(ca_file=str(authority.ca))
            ear = await ask(made, endpoint, b"x" * 2_000_000)
            assert (ear.status, ear.body, ear.kind) == (200, BODY, None), ear.failure
            ear = await ask(made, endpoint)
            assert (ear.body, ear.kind) == (b"hello", K.BROKEN_STREAM)
            assert len(wire.connections) == 1

    on(loop, main())


@both
@pytest.mark.parametrize("server", ["other name", "expired"])
def test_tls_with_a_wrong_certificate_is_refused(
    server: str, authority: Authority, contexts: dict[str, Any], kind: str, loop: str
) -> None:
    """Another name or another time: no byte of the request is sent."""

    async def main() -> None:
        async with Wire(send(reply(LENGTH, body=BODY)), tls=contexts[server]) as wire, transport(kind) as made:
            ear = await ask(made, wire.endpoint(ca_file=str(authority.ca)))
            assert ear.kind is K.TLS, ear.failure
            assert not wire.requests

    on(loop, main())


@both
def test_tls_without_the_authority_is_refused(contexts: dict[str, Any], kind: str, loop: str) -> None:
    """The system's authorities do not vouch for a private one."""

    async def main() -> None:
        async with Wire(send(reply(LENGTH, body=BODY)), tls=contexts["good"]) as wire, transport(kind) as made:
            assert (await ask(made, wire.endpoint())).kind is K.TLS

    on(loop, main())


@both
@pytest.mark.parametrize("content", [None, "this is no certificate"])
def test_a_ca_file_that_cannot_be_read_is_a_tls_failure(
    content: str | None, tmp_path: Path, contexts: dict[str, Any], kind: str, loop: str
) -> None:
    """It costs this provider's requests, not the daemon an exception in each."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)

    async def main() -> None:
        async with Wire(send(reply(LENGTH, body=BODY)), tls=contexts["good"]) as wire, transport(kind) as made:
            ear = await ask(made, wire.endpoint(ca_file=str(file)))
            assert ear.kind is K.TLS
            assert ear.failure is not None and str(file) in ear.failure.message

    on(loop, main())


@both
def test_tls_where_the_server_speaks_none_is_a_tls_failure(authority: Authority, kind: str, loop: str) -> None:
    """https in the configuration, http on the port."""

    async def script(conn: Conn) -> None:
        await conn.send(reply(LENGTH, body=BODY, line=b"HTTP/1.1 400 X"))

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            assert (await ask(made, wire.endpoint(scheme="https", ca_file=str(authority.ca)))).kind is K.TLS

    on(loop, main())


@both
def test_a_handshake_that_never_ends_is_cut_at_the_connect_time_out(authority: Authority, kind: str, loop: str) -> None:
    """A frozen server accepts TCP; connect_timeout_s covers the handshake, too."""

    async def script(conn: Conn) -> None:
        await conn.gone()

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:
            began = asyncio.get_running_loop().time()
            ear = await ask(made, wire.endpoint(scheme="https", ca_file=str(authority.ca), connect_timeout_s=0.1))
            assert ear.kind is K.CONNECT_TIMEOUT, ear.failure
            assert 0.09 <= asyncio.get_running_loop().time() - began <= 0.1 + 0.15

    on(loop, main())


# --- a proxy, which only the transport on aiohttp can use --------------------------------------------


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.write_eof()


async def proxy(conn: Conn) -> None:
    """Forward absolute-form requests, and tunnel on CONNECT."""
    line, headers = await conn.head()
    conn.wire.lines.append(line)  # type: ignore[attr-defined]
    method, target, _ = line.split(" ")
    authority = target if method == "CONNECT" else target.split("/")[2]
    host, port = authority.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    if method == "CONNECT":
        await conn.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        path = "/" + "/".join(target.split("/")[3:])
        fields = "".join(f"{k}: {v}\r\n" for k, v in {**headers, "connection": "close"}.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode())
    try:
        await asyncio.gather(pump(conn._reader, writer), pump(reader, conn._writer))
    finally:
        writer.close()
        await writer.wait_closed()


def with_lines(wire: Wire) -> Wire:
    wire.lines = []  # type: ignore[attr-defined]
    return wire


@pytest.mark.parametrize("loop", LOOPS)
def test_a_proxy_forwards_plain_requests(loop: str) -> None:
    """The request names the whole URL, and the provider's answer comes back."""

    async def main() -> None:
        script = send(reply(LENGTH, b"connection: close", body=BODY))
        async with Wire(script) as wire, with_lines(Wire(proxy)) as between, transport("aiohttp") as made:
            ear = await ask(made, wire.endpoint(proxy=f"http://127.0.0.1:{between.port}"), b"abc")
            assert (ear.status, ear.body, ear.kind) == (200, BODY, None), ear.failure
            assert between.lines == [f"POST http://127.0.0.1:{wire.port}/v1/chat/completions HTTP/1.1"]  # type: ignore[attr-defined]
            assert wire.requests[0].body == b"abc"

    on(loop, main())


def test_a_proxy_tunnels_tls(authority: Authority, contexts: dict[str, Any]) -> None:
    """CONNECT, then TLS with the provider itself: the proxy sees nothing of the request."""

    async def main() -> None:
        script = send(reply(LENGTH, b"connection: close", body=BODY))
        async with (
            Wire(script, tls=contexts["good"]) as wire,
            with_lines(Wire(proxy)) as between,
            transport("aiohttp") as made,
        ):
            endpoint = wire.endpoint(proxy=f"http://127.0.0.1:{between.port}", ca_file=str(authority.ca))
            ear = await ask(made, endpoint)
            assert (ear.status, ear.body, ear.kind) == (200, BODY, None), ear.failure
            assert between.lines == [f"CONNECT 127.0.0.1:{wire.port} HTTP/1.1"]  # type: ignore[attr-defined]

    on("asyncio", main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_proxy_that_refuses_the_tunnel_is_a_failure_to_connect(
    authority: Authority, contexts: dict[str, Any], loop: str
) -> None:
    """407 or 502 of the proxy is not an answer of the provider."""

    async def refuse(conn: Conn) -> None:
        await conn.head()
        await conn.send(reply(b"content-length: 0", line=b"HTTP/1.1 407 X"))

    async def main() -> None:
        async with Wire(silent, tls=contexts["good"]) as wire, Wire(refuse) as between, transport("aiohttp") as made:
            endpoint = wire.endpoint(proxy=f"http://127.0.0.1:{between.port}", ca_file=str(authority.ca))
            assert (await ask(made, endpoint)).kind is K.CONNECT

    on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_proxy_that_is_not_there_is_a_failure_to_connect(loop: str) -> None:
    """The provider may be well; from here it cannot be reached."""

    async def main() -> None:
        async with Wire(silent) as between:
            pass
        async with Wire(silent) as wire, transport("aiohttp") as made:
            assert (await ask(made, wire.endpoint(proxy=f"http://127.0.0.1:{between.port}"))).kind is K.CONNECT

    on(loop, main())


# --- many --------------------------------------------------------------------------------------------


@both
def test_many_exchanges_at_once_do_not_mix(kind: str, loop: str) -> None:
    """Each gets the answer to its own request; connections are shared one after the other."""

    async def script(conn: Conn) -> None:
        while True:
            body = (await conn.request()).body
            await a_moment(int(body) % 7 / 2000)
            await conn.send(reply(sized(body), body=body))

    async def main() -> None:
        async with Wire(script) as wire, transport(kind) as made:

            async def some(numbers: Iterable[int]) -> None:
                for n in numbers:
                    assert (await ask(made, wire.endpoint(), b"%d" % n)).body == b"%d" % n

            await asyncio.gather(*(some(range(i, 400, 20)) for i in range(20)))
            assert len(wire.connections) <= 20

    on(loop, main())
