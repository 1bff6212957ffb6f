"""What strangers may send on a real socket, whole or in pieces: which requests it is read as, and what is refused."""

from __future__ import annotations

import asyncio

import pytest

from lbd.ingress.inbound import Inbound
from lbd.ingress.reading import MOST_FIELDS, MOST_HEAD
from lbd.ingress.reply import HttpReply
from tests.fakes.caller import Listening, after, chunked, chunks, get, request
from tests.fakes.wire import LOOPS, a_moment, on, until

loops = pytest.mark.parametrize("loop", LOOPS)
H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)


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
        async with Listening(after(go_on)) as listening:
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
        async with Listening(after(go_on)) as listening:
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
            assert sum(map(len, connection._reading._body)) <= 1000
            assert (await listening.ask(chunks("/x", b"x" * 1000))).status == 200

    on(loop, main())
