"""The API listener against the corpus of requests that might be read in two ways, and against injected fields."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.ingress.inbound import Inbound
from lbd.ingress.paths import ROUTES
from lbd.ingress.server import Server
from tests.fakes.caller import Caller, Listening, echo, request
from tests.fakes.env import FakeEnv
from tests.fakes.house import House
from tests.fakes.pipe import Pipe
from tests.fakes.smuggling import HIDDEN, PLAIN, REFUSED, UNDERSTOOD, head
from tests.fakes.wire import PATIENCE, on


def test_what_may_be_read_in_two_ways_is_refused_and_ends_the_connection() -> None:
    """Nothing that follows it is taken for a request, and no other answer comes."""

    async def one(listening: Listening, name: str) -> None:
        caller = await listening.caller()
        await caller.send(REFUSED[name] + HIDDEN)
        answer = await caller.answer()
        assert answer.status in (400, 431), name
        assert answer.headers.get("connection") == "close" and answer.json["why"], name
        assert await caller.closed() == b"", name

    async def main() -> None:
        async with Listening() as listening:
            for name in REFUSED:
                await one(listening, name)
            assert all(i.refusal is not None for i in listening.handled)
            assert len(listening.handled) == len(REFUSED)

    on("uvloop", main())


def test_what_is_understood_and_refused_says_where_it_ends() -> None:
    """The next request of the connection is that: no less, no more."""

    async def main() -> None:
        async with Listening() as listening:
            for name, sent in UNDERSTOOD.items():
                caller = await listening.caller()
                await caller.send(sent + HIDDEN)
                assert (await caller.answer()).status == 400, name
                assert (await caller.answer()).json["path"] == "/smuggled", name

    on("uvloop", main())


def test_what_only_looks_odd_has_one_reading() -> None:
    """Its body is its own, and the next request is the next one."""

    async def main() -> None:
        async with Listening() as listening:
            for name, (sent, body) in PLAIN.items():
                caller = await listening.caller()
                await caller.send(sent + HIDDEN)
                first = (await caller.answer()).json
                assert first["body"] == body.decode(), name
                assert not first["wishes"], name
                assert (await caller.answer()).json["path"] == "/smuggled", name

    on("uvloop", main())


async def read(sent: bytes, *ends: int) -> tuple[bytes, list[tuple[str, bytes, bool]]]:
    """Give a connection these bytes, cut at ``ends``; return what it answered and what it took for requests."""
    taken: list[Inbound] = []

    async def handle(inbound: Inbound, reply: Any) -> None:
        taken.append(inbound)
        await echo(inbound, reply)

    env = FakeEnv()
    connection = Server(handle, env, lambda: 1000)()
    pipe = Pipe()
    connection.connection_made(pipe)
    for start, end in zip((0, *ends), (*ends, len(sent)), strict=True):
        connection.data_received(sent[start:end])
        await env.sleep(0)
        await env.sleep(0)
    for _ in range(6):
        await env.sleep(0)
    connection.connection_lost(None)
    return pipe.out, [(i.path, i.body, i.refusal is None) for i in taken]


CORPUS = {**REFUSED, **UNDERSTOOD, **{name: sent for name, (sent, _) in PLAIN.items()}}


@settings(max_examples=300)
@given(name=st.sampled_from(sorted(CORPUS)), data=st.data())
def test_how_the_bytes_arrive_changes_nothing(name: str, data: st.DataObject) -> None:
    """A request is read the same way in one piece and in many: also after others, whose heads are remembered."""
    before = data.draw(st.integers(0, 3))
    sent = request("POST", "/x", b"abc") * before + CORPUS[name] + HIDDEN
    ends = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))

    async def main() -> None:
        whole, cut = await read(sent), await read(sent, *ends)
        assert [t for t in cut[1] if t[2]] == [t for t in whole[1] if t[2]]
        assert (cut[1][-1][0] == "/smuggled") is (whole[1][-1][0] == "/smuggled") is (name not in REFUSED)

    asyncio.run(main())


@settings(max_examples=300)
@given(
    before=st.sampled_from([b"", request("POST", "/x", b"abc"), b"GET ", head(b"Transfer-Encoding: chunked")]),
    junk=st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from(sorted(CORPUS.values())), min_size=1, max_size=3).map(b"".join),
        st.tuples(st.sampled_from(sorted(CORPUS.values())), st.integers(0, 300), st.binary(max_size=3)).map(
            lambda t: t[0][: t[1]] + t[2] + t[0][t[1] :]
        ),
    ),
)
def test_no_bytes_break_the_listener(before: bytes, junk: bytes) -> None:
    """What comes is answered, refused or waited for; whatever was answered was answered in whole heads."""

    async def main() -> None:
        out, taken = await read(before + junk)
        answers = out.count(b"HTTP/1.1 ")
        assert answers >= len(taken)  # interim ones too
        assert all(path.isascii() and path.isprintable() for path, _, good in taken if good)

    asyncio.run(main())


# --- what is written on -------------------------------------------------------------------------------

EVIL = "x\r\nset-cookie: evil=1\r\n\r\nHTTP/1.1 200 OK"


@pytest.mark.parametrize("path", [*ROUTES, "/v1/models/" + EVIL.replace("\r\n", "%0d%0a").replace(" ", "%20")])
def test_what_a_client_says_becomes_no_field_of_an_answer(path: str, tmp_path: Path) -> None:
    """Not by its path, model, metadata or headers: what may be said again stands in a JSON body."""

    async def main() -> None:
        async with House(tmp_path) as house, Listening(house.app.api.handle, real=house.env) as listening:
            body = {"model": EVIL, "messages": [{"role": "user", "content": EVIL}], "input": EVIL, "prompt": EVIL}
            body |= {"metadata": {"x-lbd-surface": EVIL, "x-lbd-pin": EVIL, "x-lbd-session": EVIL}, "user": EVIL}
            fields = [f"{n}: x%0d%0aset-cookie: evil=1" for n in ("X-Request-Id", "User-Agent", "X-LBD-Session")]
            caller = await listening.caller()
            raw = json.dumps(body).encode()
            await caller.send(
                request("POST", path, raw, "Content-Type: application/json", *fields, host="127.0.0.1")
                if path in ROUTES
                else request("GET", path, None, *fields, host="127.0.0.1")
            )
            told = await raw_answer(caller)
            top, _, rest = told.partition(b"\r\n\r\n")
            assert top.startswith(b"HTTP/1.1 4")
            assert b"evil" not in top and b"set-cookie" not in top.lower()
            assert json.loads(rest)["error"]["message"]

    on("uvloop", main())


async def raw_answer(caller: Caller) -> bytes:
    """Read the bytes of one answer that has a length."""
    top = await asyncio.wait_for(caller.reader.readuntil(b"\r\n\r\n"), PATIENCE)
    length = next(int(line[15:]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return top + await caller.reader.readexactly(length)


# --- the admin listener -------------------------------------------------------------------------------

# aiohttp's server, on the same parser, reads these as they stand: one way, each alone on its connection
LENIENT = {
    "TE gzip, chunked",
    "TE identity, chunked",
    "TE in HTTP/1.0, kept alive",
    "TE in HTTP/1.0",
    "an unknown method",
}


def test_the_admin_listener_refuses_them_too(tmp_path: Path) -> None:
    """No request of the corpus brings a second one through."""

    async def main() -> None:
        async with House(tmp_path) as house:
            for name in REFUSED.keys() - LENIENT:
                reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
                writer.write(REFUSED[name] + HIDDEN.replace(b"/smuggled", b"/livez"))
                writer.write_eof()
                told = await asyncio.wait_for(reader.read(), PATIENCE)
                writer.close()
                assert b"ok\n" not in told, name

    on("asyncio", main())
