"""A client's connection on a real socket: what strangers may send, how long they may take, what they get."""

from __future__ import annotations

import asyncio
import gc

import pytest

from lbd.ingress.connection import (
    BODY_TIME,
    HEAD_TIME,
    KEEPALIVE,
    LINGER,
    MOST_FIELDS,
    MOST_HEAD,
    TAKE_TIME,
    Connection,
)
from lbd.ingress.crowd import LARGE_BODIES, SMALL
from lbd.ingress.inbound import Inbound
from lbd.ingress.reply import HttpReply
from tests.fakes.caller import Caller, Listening, get, request
from tests.fakes.wire import LOOPS, a_moment, on, until

loops = pytest.mark.parametrize("loop", LOOPS)
H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)


def chunked(body: bytes, size: int = 5, trailer: bytes = b"") -> bytes:
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + b"0\r\n" + trailer + b"\r\n"


def chunks(path: str, body: bytes, *fields: str, trailer: bytes = b"") -> bytes:
    return request("POST", path, None, "Transfer-Encoding: chunked", *fields) + chunked(body, trailer=trailer)


# --- requests that are understood ---------------------------------------------------------------------


@loops
def test_a_request_is_handed_over_as_it_was_sent(loop: str) -> None:
    """Method, raw path, query, headers, wishes, body."""

    async def main() -> None:
        async with Listening() as listening:
            sent = request("POST", "/v1/a%2Fb%20c?x=%20&y=1", b'{"a":1}', "X-LBD-Class: background")
            told = (await listening.ask(sent)).json
            assert (told["method"], told["path"], told["query"]) == ("POST", "/v1/a%2Fb%20c", "x=%20&y=1")
            assert told["body"] == '{"a":1}' and told["wishes"] == {"class": "background"} and told["host"] == "h"
            assert listening.handled[0].arrived == listening.env.now()

    on(loop, main())


@loops
@pytest.mark.parametrize(
    "sent",
    [
        request(body=b'{"a":1}'),
        chunks("/x", b'{"a":1}'),
        request("POST", "/x", b'{"a":1}', *H2C),
        request("POST", "/x", None, *H2C, "Transfer-Encoding: chunked") + chunked(b'{"a":1}'),
    ],
)
def test_a_request_may_be_split_anywhere(sent: bytes, loop: str) -> None:
    """Packets have no meaning; all on one connection."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            for at in range(1, len(sent)):
                await caller.send(sent[:at], sent[at:], pause=0)
                told = (await caller.answer()).json
                assert (told["method"], told["path"], told["body"]) == ("POST", "/x", '{"a":1}')
            assert len(listening.server.connections) == 1

    on(loop, main())


@loops
def test_pipelined_requests_are_answered_in_order(loop: str) -> None:
    """However many come at once, and whoever takes longer."""

    async def main() -> None:
        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            await a_moment(0.002 if inbound.path.endswith("0") else 0)
            reply.send(200, b"", inbound.path.encode() + inbound.body)

        async with Listening(handle) as listening:
            caller = await listening.caller()
            await caller.send(b"".join(request(path=f"/{n}", body=b"%d" % n) for n in range(40)))
            assert [(await caller.answer()).body for _ in range(40)] == [b"/%d%d" % (n, n) for n in range(40)]

    on(loop, main())


@loops
def test_pipelining_without_reading_answers_is_held_back(loop: str) -> None:
    """Requests that wait are bounded by what one read brings: no more is read while any waits."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            sent = 0
            piece = get() * 500
            most = 0
            while sent < 40_000_000:
                caller.writer.write(piece)
                sent += len(piece)
                await a_moment()
                most = max(most, *(len(c._pending) for c in listening.server.connections))
                if caller.writer.transport.get_write_buffer_size() > 8_000_000:
                    break
            per_read = 256 * 1024 // len(get()) + 1
            assert 0 < most <= per_read
            caller.reset()
            await until(lambda: not listening.server.connections)

    on(loop, main())


@loops
def test_chunked_bodies_are_put_together(loop: str) -> None:
    """With extensions and trailers, which are no headers."""

    async def main() -> None:
        async with Listening() as listening:
            body = b"x" * 300
            assert (await listening.ask(chunks("/x", body))).json["body"] == body.decode()
            sent = chunks("/x", b"{}", "Cookie: a=1", trailer=b"X-LBD-Pin: dear\r\nCookie: b=2\r\nX-Late: 1\r\n")
            told = (await listening.ask(sent)).json
            assert told["body"] == "{}" and told["wishes"] == {} and told["cookie"] == "a=1"
            sent = chunks("/x", b"{}", "X-LBD-Class: background", trailer=b"X-LBD-Class: interactive\r\n")
            assert (await listening.ask(sent)).json["wishes"] == {"class": "background"}

    on(loop, main())


@loops
def test_expect_100_continue_is_told_to_go_on(loop: str) -> None:
    """Before the body, once; and not where the body is too large anyway."""

    async def main() -> None:
        async with Listening() as listening:
            for fields in ((), H2C):
                caller = await listening.caller()
                sent = request("POST", "/x", b"{}", "Expect: 100-continue", *fields)
                await caller.send(sent[:-2])
                assert (await caller.answer()).status == 100
                await caller.send(b"{}")
                answer = await caller.answer()
                assert answer.status == 200 and answer.json["body"] == "{}"
            caller = await listening.caller()
            await caller.send(request("POST", "/x", b"x" * 1001, "Expect: 100-continue")[:-1001])
            assert (await caller.answer()).status == 413

    on(loop, main())


@loops
def test_expect_of_http_1_0_is_ignored(loop: str) -> None:
    """Such a client would take an interim answer for the answer (RFC 9110, 10.1.1)."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            sent = request("POST", "/x", b"{}", "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
            await caller.send(sent[:-2], b"{}", pause=0.005)
            assert (await caller.answer()).json["body"] == "{}"

    on(loop, main())


@loops
@pytest.mark.parametrize("fields", [(), H2C])
def test_expect_behind_other_requests_is_answered_in_its_turn(loop: str, fields: tuple[str, ...]) -> None:
    """Once, after the answers before it: an interim answer sent earlier would belong to another request."""

    async def main() -> None:
        go_on = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            await go_on.wait()
            reply.send(200, b"", inbound.path.encode() + inbound.body)

        async with Listening(handle) as listening:
            caller = await listening.caller()
            last = request("POST", "/c", b"{}", "Expect: 100-continue", *fields)
            await caller.send(get("/a"), get("/b") + last[:-2], pause=0.005)
            go_on.set()
            assert [(await caller.answer()).body for _ in range(2)] == [b"/a", b"/b"]
            assert (await caller.answer()).status == 100
            await caller.send(b"{}")
            assert (await caller.answer()).body == b"/c{}"
            await caller.send(get("/d"))
            assert (await caller.answer()).body == b"/d"

    on(loop, main())


@loops
@pytest.mark.parametrize("there", [1, 2])
def test_expect_is_not_answered_once_the_body_comes(loop: str, there: int) -> None:
    """A client that did not wait needs no leave (RFC 9110, 10.1.1)."""

    async def main() -> None:
        go_on = asyncio.Event()

        async def handle(inbound: Inbound, reply: HttpReply) -> None:
            await go_on.wait()
            reply.send(200, b"", inbound.path.encode() + inbound.body)

        async with Listening(handle) as listening:
            caller = await listening.caller()
            sent = request("POST", "/b", b"{}", "Expect: 100-continue")
            cut = len(sent) - 2 + there
            await caller.send(get("/a") + sent[:cut], pause=0.005)
            go_on.set()
            assert (await caller.answer()).body == b"/a"
            await caller.send(sent[cut:])
            assert (await caller.answer()).body == b"/b{}"

    on(loop, main())


@loops
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /x HTTP/1.1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", 400),
        (b"GET http://h/x HTTP/1.1\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost:\r\n\r\n", 200),
        (b"GET /x HTTP/1.0\r\n\r\n", 200),
    ],
)
def test_one_host_is_owed_since_http_1_1(loop: str, sent: bytes, status: int) -> None:
    """None and several are a 400 (RFC 9112, 3.2); an empty one is none of both."""

    async def main() -> None:
        async with Listening() as listening:
            for _ in range(2):
                told = await listening.ask(sent)
                assert told.status == status
                assert status == 200 or b"Host" in told.body or b"host" in told.body

    on(loop, main())


# --- offers of another protocol -----------------------------------------------------------------------


@loops
def test_an_offer_of_h2c_is_declined_and_its_body_is_not_lost(loop: str) -> None:
    """Java's HttpClient makes one with each first request; the answer in HTTP/1.1 declines it."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            for n in range(3):
                body = b'{"n":%d}' % n
                await caller.send(request("POST", "/x?y=1", body, *H2C, "Cookie: a=1"))
                answer = await caller.answer()
                assert answer.status == 200 and answer.json["body"] == body.decode()
                assert answer.json["query"] == "y=1" and answer.json["cookie"] == "a=1"
            await caller.send(request("POST", "/x", None, *H2C, "Transfer-Encoding: chunked") + chunked(b'{"c":1}'))
            assert (await caller.answer()).json["body"] == '{"c":1}'
            await caller.send(get("/y", *H2C))
            assert (await caller.answer()).json["path"] == "/y"
            await caller.send(request("POST", "/x", b"", *H2C))
            assert (await caller.answer()).json["body"] == ""
            assert len(listening.handled) == 6

    on(loop, main())


@loops
def test_an_offer_among_pipelined_requests_keeps_its_place(loop: str) -> None:
    """Before it and after it."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(request(path="/1") + request("POST", "/2", b'{"a":1}', *H2C) + request(path="/3"))
            told = [(await caller.answer()).json for _ in range(3)]
            assert [(t["path"], t["body"]) for t in told] == [("/1", "{}"), ("/2", '{"a":1}'), ("/3", "{}")]

    on(loop, main())


@loops
def test_an_offer_does_not_widen_the_bounds(loop: str) -> None:
    """Body and head are as bounded as without."""

    async def main() -> None:
        async with Listening() as listening:
            assert (await listening.ask(request("POST", "/x", b"x" * 1001, *H2C))).status == 413
            sent = request("POST", "/x", None, *H2C, "Transfer-Encoding: chunked") + chunked(b"x" * 1001, 100)
            assert (await listening.ask(sent)).status == 413
            twice = request("POST", "/x", b"{}", "Host: other", *H2C)
            assert (await listening.ask(twice)).status == 400

    on(loop, main())


@loops
@pytest.mark.parametrize("fields", [("Connection: Upgrade", "Upgrade: websocket"), ("Upgrade: h2c",)])
def test_other_offers_are_declined_the_same_way(fields: tuple[str, ...], loop: str) -> None:
    """Websockets, and half offers that are none."""

    async def main() -> None:
        async with Listening() as listening:
            assert (await listening.ask(request("POST", "/x", b"{}", *fields))).json["body"] == "{}"

    on(loop, main())


@loops
def test_connect_makes_no_tunnel(loop: str) -> None:
    """It is answered like any request, and what was meant for the tunnel is not read as a request."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(b"CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n" + get("/smuggled"))
            answer = await caller.answer()
            assert answer.json["method"] == "CONNECT" and answer.headers["connection"] == "close"
            assert await caller.closed() == b""
            assert len(listening.handled) == 1

    on(loop, main())


@loops
def test_http_2_with_prior_knowledge_is_refused(loop: str) -> None:
    """Its preface is no HTTP/1.1 request."""

    async def main() -> None:
        async with Listening() as listening:
            answer = await listening.ask(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            assert answer.status == 400

    on(loop, main())


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

BAD = {
    "length and chunks": request(body=b"abc")[:-3].replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    + chunked(b"abc"),
    "chunks and length": request("POST", "/x", b"abc", "Transfer-Encoding: chunked")[:-3] + chunked(b"abc"),
    "two lengths": request("POST", "/x", b"abc", "Content-Length: 4"),
    "the same length twice": request("POST", "/x", b"abc", "Content-Length: 3"),
    "a list of lengths": request("POST", "/x", None, "Content-Length: 3, 3") + b"abc",
    "a signed length": request("POST", "/x", None, "Content-Length: +3") + b"abc",
    "a negative length": request("POST", "/x", None, "Content-Length: -3") + b"abc",
    "a hex length": request("POST", "/x", None, "Content-Length: 0x3") + b"abc",
    "a length beyond 64 bits": request("POST", "/x", None, "Content-Length: " + "9" * 30) + b"abc",
    "chunks, misspelt": request("POST", "/x", None, "Transfer-Encoding: xchunked") + chunked(b"abc"),
    "chunks not last": request("POST", "/x", None, "Transfer-Encoding: chunked, identity") + chunked(b"abc"),
    "chunks by tab": request("POST", "/x", None, "Transfer-Encoding\t: chunked") + chunked(b"abc"),
    "space before the colon": request("POST", "/x", b"abc", "X-A : 1"),
    "a folded field": request("POST", "/x", b"abc", "X-A: 1\r\n 2"),
    "a field without a name": request("POST", "/x", b"abc", ": 1"),
    "a NUL": request("POST", "/x", b"abc", "X-A: a\0b"),
    "a bare CR": request("POST", "/x", b"abc", "X-A: a\rb"),
    "bare line feeds": request("POST", "/x", b"abc").replace(b"\r\n", b"\n"),
    "two hosts": request("POST", "/x", b"abc", "Host: other"),
    "two credentials": request("POST", "/x", b"abc", "Authorization: Bearer a", "Authorization: Bearer b"),
    "a bad chunk size": request("POST", "/x", None, "Transfer-Encoding: chunked") + b"zz\r\nabc\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": request("POST", "/x", None, "Transfer-Encoding: chunked") + b"f" * 20 + b"\r\nabc",
    "a chunk that is longer than it said": request("POST", "/x", None, "Transfer-Encoding: chunked")
    + b"3\r\nabcdef\r\n0\r\n\r\n",
    "junk": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    "words": b"hello, is anybody there?\r\n\r\n",
    "no version": b"GET /x\r\n\r\n",
    "HTTP/2 in words": request(version="2.0"),
    "a version of the future": request(version="3.7"),
    "an unknown method": request("BREW"),
    "a space in the target": request(path="/x y"),
}


@loops
@pytest.mark.parametrize("case", BAD)
def test_what_could_be_read_in_two_ways_or_in_none_is_refused(case: str, loop: str) -> None:
    """400, readable, and what follows it on the connection is not taken for a request."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(BAD[case] + get("/smuggled"))
            answer = await caller.answer()
            assert answer.status == 400 and answer.json["why"]
            if answer.headers.get("connection") == "close":
                assert await caller.closed() == b""
                assert not [i for i in listening.handled if i.path == "/smuggled"]
            else:  # it was understood where it ends, and only what it says is refused
                assert case.startswith("two ")
                assert (await caller.answer()).json["path"] == "/smuggled"

    on(loop, main())


@loops
@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * (MOST_HEAD + 1) + b" HTTP/1.1\r\n\r\n",
        get("/x", "X-A: " + "a" * MOST_HEAD),
        get("/x", *(f"X-{n}: {'a' * 1000}" for n in range(70))),
        get("/x", *(f"X-{n}: a" for n in range(MOST_FIELDS + 1))),
        get("/x", *("X:" for _ in range(MOST_FIELDS + 1))),
        b"GET /x HTTP/1.1\r\nX-A: " + b"a" * 500_000,
        b"GET /x HTTP/1.1\r\nX-" + b"a" * 500_000,
        request("POST", "/x", None, "Transfer-Encoding: chunked") + b"0\r\nX-A: " + b"a" * 500_000,
    ],
)
def test_a_head_beyond_its_bounds_is_refused(sent: bytes, loop: str) -> None:
    """431, whether it ever ends or not; just below the bounds it is served."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(sent)
            answer = await caller.answer()
            assert answer.status == 431 and answer.headers["connection"] == "close"
            assert await caller.closed() == b""
            fields = [f"X-{n}: {'a' * 480}" for n in range(MOST_FIELDS - 2)]
            assert (await listening.ask(get("/x", *fields))).status == 200

    on(loop, main())


@loops
def test_a_body_beyond_its_bound_is_refused_by_its_length_before_it_comes(loop: str) -> None:
    """413; the client can read it while it is still sending."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(request("POST", "/x", None, "Content-Length: 5000000"))
            answer = await caller.answer()
            assert answer.status == 413 and "limits.max_body_bytes, 1000" in str(answer.json["why"])
            assert await caller.closed() == b""
            caller = await listening.caller()
            await caller.send(request("POST", "/x", None, "Content-Length: 5000000"), *[b"x" * 50_000] * 100)
            assert (await caller.answer()).status == 413
            assert (await listening.ask(request(body=b"x" * 1000))).status == 200

    on(loop, main())


@loops
def test_a_body_beyond_its_bound_is_refused_by_its_chunks_as_they_come(loop: str) -> None:
    """No more of it is kept than the bound, however it goes on."""

    async def main() -> None:
        async with Listening() as listening:
            caller = await listening.caller()
            await caller.send(request("POST", "/x", None, "Transfer-Encoding: chunked"))
            await caller.send(*[b"64\r\n" + b"x" * 100 + b"\r\n"] * 11, pause=0)
            assert (await caller.answer()).status == 413
            await caller.send(*[b"64\r\n" + b"x" * 100 + b"\r\n"] * 50, pause=0)
            (connection,) = listening.server.connections
            assert sum(map(len, connection._body)) <= 1000
            assert (await listening.ask(chunks("/x", b"x" * 1000))).status == 200

    on(loop, main())


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
            await until(lambda: any(c._body for c in listening.server.connections))
            listening.sweep(HEAD_TIME + 1)
            await a_moment(0.005)
            assert not listening.handled
            listening.sweep(BODY_TIME - HEAD_TIME)
            assert (await caller.answer()).status == 408

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
