"""A head that repeats is read without the parser: with the same outcome, whatever comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbd.ingress.connection import Connection
from lbd.ingress.inbound import Inbound
from lbd.ingress.reading import MOST_MISSES
from lbd.ingress.repeat import learn
from lbd.ingress.reply import HttpReply
from lbd.ingress.server import Server
from tests.fakes.caller import request
from tests.fakes.env import FakeEnv
from tests.fakes.wire import a_moment

Told = tuple[Any, ...]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.out = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.out += data

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False


def told(inbound: Inbound) -> Told:
    fields = {k: v for k, v in inbound._fields.items() if k != b"content-length"}
    refusal = None if inbound.refusal is None else inbound.refusal.message
    return inbound.method, inbound.path, inbound.query, fields, dict(inbound.wishes()), inbound.body, refusal


def received(reads: list[bytes], *, parser_only: bool, most: int = 1000) -> tuple[list[Told], bytes, bool, int]:
    """Return what a listener understands of these reads, what it wrote, whether it closed, and heads recognised."""
    seen: list[Told] = []
    recognised = 0

    async def handle(inbound: Inbound, reply: HttpReply) -> None:
        seen.append(told(inbound))
        reply.send(200, b"", b"")

    async def main() -> tuple[bytes, bool]:
        nonlocal recognised
        connection = Connection(Server(handle, FakeEnv(), lambda: most))
        wire = Wire()
        connection.connection_made(wire)
        for data in reads:
            if wire.closed:
                break
            before = connection._reading._repeat
            connection.data_received(data)
            recognised += before is not None and not connection._reading._misses
            await a_moment(0)
            await a_moment(0)
            if parser_only:
                connection._reading._repeat = None
        return wire.out, wire.closed

    out, closed = asyncio.run(main())
    return seen, out, closed, recognised


def post(body: bytes = b'{"a":1}', *fields: str, path: str = "/v1/x?q=1") -> bytes:
    return request("POST", path, body, "Authorization: Bearer sk-1", *fields)


def test_the_same_head_with_another_body_is_recognised() -> None:
    """Whatever the length of the body: 1 digit or 3."""
    sent = [post(b"x" * n) for n in (7, 7, 100, 0, 12)]
    seen, _, _, recognised = received(sent, parser_only=False)
    assert [s[5] for s in seen] == [b"x" * n for n in (7, 7, 100, 0, 12)]
    assert seen[0][:5] == seen[2][:5]
    assert recognised == 4


def test_wishes_are_kept() -> None:
    """They are part of the head."""
    seen, _, _, recognised = received([post(b"a", "X-LBD-Class: background")] * 2, parser_only=False)
    assert recognised == 1
    assert seen[0] == seen[1]
    assert seen[1][4] == {"class": "background"}


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        request("POST", "/x", b"a", "Expect: 100-continue"),
        request("POST", "/x", b"a", "Connection: close"),
        request("POST", "/x", b"a", "Authorization: a", "Authorization: b"),
        request("POST", "/x", b"a").replace(b"HTTP/1.1", b"HTTP/1.0"),
        request("POST", "/x", b"a") + request("POST", "/x", b"a"),
    ],
)
def test_what_is_out_of_the_ordinary_is_not_learnt(sent: bytes) -> None:
    """It has to be looked at each time."""
    _, _, _, recognised = received([sent, sent], parser_only=False)
    assert recognised == 0


def test_another_key_is_another_head() -> None:
    """A recognised head never lends its credentials."""
    other = post().replace(b"sk-1", b"sk-2")
    seen, _, _, recognised = received([post(), other, post()], parser_only=False)
    assert [s[3][b"authorization"] for s in seen] == [b"Bearer sk-1", b"Bearer sk-2", b"Bearer sk-1"]
    assert recognised == 0


def test_a_client_whose_heads_always_differ_is_left_alone() -> None:
    """Looking costs a little each time."""
    sent = [post(b"a", f"X-Trace: {i}") for i in range(MOST_MISSES + 3)]
    seen, _, _, recognised = received([*sent, sent[-1], sent[-1]], parser_only=False)
    assert len(seen) == len(sent) + 2
    assert recognised == 0


def test_a_body_over_the_bound_goes_to_the_parser_which_refuses_it() -> None:
    """The bound holds for the second request as for the first."""
    seen, _, closed, _ = received([post(b"a" * 10), post(b"a" * 11)], parser_only=False, most=10)
    assert closed or len(seen) == 2
    assert [s[6] is None for s in seen] == [True, False]


def test_learning_needs_the_whole_request_in_one_read() -> None:
    """The head's bytes must be at hand."""
    inbound = Inbound()
    inbound.body = b"a"
    assert learn(b"Content-Length: 1\r\n\r\na", inbound) is None
    assert learn(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na", inbound) is None
    assert learn(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\na", inbound) is not None


@st.composite
def sessions(draw: st.DrawFn) -> list[bytes]:
    """Requests on one connection, some spoilt, in reads of any size."""
    reads: list[bytes] = []
    for _ in range(draw(st.integers(1, 5))):
        data = post(b"y" * draw(st.sampled_from([0, 1, 7, 12])), *draw(st.sampled_from([(), ("X-A: 1",)])))
        match draw(st.sampled_from(["whole", "whole", "whole", "cut", "spoilt", "double", "length", "tail"])):
            case "cut":
                at = draw(st.integers(1, len(data) - 1))
                reads += [data[:at], data[at:]]
            case "spoilt":
                at = draw(st.integers(0, len(data) - 1))
                reads.append(data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :])
            case "double":
                reads.append(data + data)
            case "length":
                reads.append(
                    data.replace(b"ontent-Length: ", draw(st.sampled_from([b"ontent-Length: +", b"ontent-Length:  0"])))
                )
            case "tail":
                reads.append(data + draw(st.binary(min_size=1, max_size=3)))
            case _:
                reads.append(data)
    return reads


@given(sessions())
@example([post(), post().replace(b"Content-Length: 7", b"Content-Length: \xb27")])
@example([post(), post()[:-1], b"}"])
def test_with_and_without_the_parser_the_same_is_understood(reads: list[bytes]) -> None:
    """The differential property: only the cost differs."""
    assert received(reads, parser_only=False)[:3] == received(reads, parser_only=True)[:3]
