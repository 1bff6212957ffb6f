"""Posting to a collector: a real server on loopback, and no key in what is said of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from lbd import __version__
from lbd.loops.exporting import MOST_READ, Answered, Export
from lbd.model.secret import Secret
from lbd.model.tracing import TracesSpec
from tests.fakes.console_server import free_port

WALL = 1_700_000_000.0
KEY = "Bearer secret-of-the-collector"


class Receiver:
    """Answers as told."""

    def __init__(self) -> None:
        self.status, self.says = 200, b""
        self.headers: dict[str, str] = {}
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.waits: asyncio.Event | None = None

    async def take(self, request: web.Request) -> web.Response:
        headers = {k.lower(): v for k, v in request.headers.items()}
        self.got.append((request.path, headers, await request.read()))
        if self.waits is not None:
            await self.waits.wait()
        return web.Response(status=self.status, body=self.says, headers=self.headers)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, TracesSpec]]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.take)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/tenant-name/v1/traces"
    yield made, TracesSpec(Secret(url), (("authorization", Secret(KEY)),))
    await runner.cleanup()


@pytest.fixture
async def export() -> AsyncIterator[Export]:
    made = Export()
    yield made
    await made.close()


async def test_a_body_is_taken(receiver: tuple[Receiver, TracesSpec], export: Export) -> None:
    """As protobuf, with the headers of the configuration, over one connection."""
    made, to = receiver
    made.says = b"\x0a\x00"
    answered = await export(to, b"spans", WALL, 5.0)
    assert answered == Answered(200, b"\x0a\x00") and answered.taken
    ((path, headers, body),) = made.got
    assert (path, body) == ("/tenant-name/v1/traces", b"spans")
    assert headers["content-type"] == "application/x-protobuf" and headers["authorization"] == KEY
    assert headers["user-agent"] == f"lbd/{__version__}"
    assert (await export(to, b"more", WALL, 5.0)).taken


async def test_a_refusal_is_told_without_a_key(receiver: tuple[Receiver, TracesSpec], export: Export) -> None:
    """Neither a header's, nor the tenant in the path; words are picked out of a message."""
    made, to = receiver
    made.status, made.says = 401, b"\x12\x20no entry for " + KEY.encode() + b" of tenant-name\xff"
    answered = await export(to, b"x", WALL, 5.0)
    assert not answered.taken and not answered.passing and answered.wait_s is None
    assert answered.error.startswith("HTTP 401: ") and "no entry for" in answered.error
    assert "secret-of" not in answered.error and "tenant-name" not in answered.error
    assert answered.error.isprintable()
    made.says = b"y" * 1_000_000
    answered = await export(to, b"x", WALL, 5.0)
    assert len(answered.error) < 300 and len(answered.body) <= MOST_READ


@pytest.mark.parametrize(
    ("status", "passing"),
    [(429, True), (502, True), (503, True), (504, True), (400, False), (404, False), (408, False), (413, False),
     (500, False), (302, False)],
)  # fmt: skip
async def test_what_may_be_sent_again_is_the_specifications_word(
    receiver: tuple[Receiver, TracesSpec], export: Export, status: int, passing: bool
) -> None:
    """And nobody else is sent there."""
    made, to = receiver
    made.status, made.headers = status, {"location": "/elsewhere"} if status == 302 else {}
    assert (await export(to, b"x", WALL, 5.0)).passing is passing
    assert [path for path, *_ in made.got] == ["/tenant-name/v1/traces"]


async def test_a_wait_is_read_in_seconds_or_as_a_date(receiver: tuple[Receiver, TracesSpec], export: Export) -> None:
    """And where it is neither there is none."""
    made, to = receiver
    made.status = 503
    for told, expected in (("7", 7.0), ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0), ("soon", None)):
        made.headers = {"Retry-After": told, "Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
        assert (await export(to, b"x", WALL, 5.0)).wait_s == expected


async def test_nobody_there_is_told_in_words(export: Export) -> None:
    """No exception; the host is named, since that is what is to be looked at."""
    port = free_port()
    to = TracesSpec(Secret(f"http://user:pass-word@127.0.0.1:{port}/v1/traces"))
    answered = await export(to, b"x", WALL, 5.0)
    assert (answered.status, answered.passing) == (0, True)
    assert f"127.0.0.1:{port}" in answered.error and "pass-word" not in answered.error
    gone = await export(TracesSpec(Secret("http://no-such-host.invalid/v1/traces")), b"x", WALL, 5.0)
    assert gone.passing and gone.error


async def test_who_does_not_answer_is_left(receiver: tuple[Receiver, TracesSpec], export: Export) -> None:
    """After the time that there is."""
    made, to = receiver
    made.waits = asyncio.Event()
    assert await export(to, b"x", WALL, 0.1) == Answered(0, error="no answer within 0.1 s")
    made.waits.set()


async def test_closing_what_was_never_opened_is_nothing() -> None:
    """Most daemons send no trace."""
    await Export().close()
