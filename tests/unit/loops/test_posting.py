"""Posting to receivers: a real server on loopback, and no URL in what is said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from lbd.loops.posting import Post
from lbd.model.secret import Secret
from tests.fakes.console_server import free_port

PATH = "/services/T000/SECRETSECRET"


class Receiver:
    """Answers as told."""

    def __init__(self) -> None:
        self.status, self.says = 200, "ok"
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        headers = {k.lower(): v for k, v in request.headers.items()}
        self.got.append((request.path, headers, await request.read()))
        more = {"location": f"http://{request.host}/elsewhere"} if self.status == 302 else {}
        return web.Response(status=self.status, text=self.says, headers=more)


@pytest.fixture
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    made = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", made.take)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield made, f"http://user:pass-word@127.0.0.1:{runner.addresses[0][1]}{PATH}"
    await runner.cleanup()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    made = Post()
    yield made
    await made.close()


async def test_a_document_is_taken(receiver: tuple[Receiver, str], post: Post) -> None:
    """As JSON, with the user of the URL."""
    made, url = receiver
    assert await post(Secret(url), b'{"a":1}') is None
    ((path, headers, body),) = made.got
    assert (path, body, headers["content-type"]) == (PATH, b'{"a":1}', "application/json")
    assert headers["authorization"].startswith("Basic ")
    assert await post(Secret(url), b"{}") is None


async def test_a_refusal_is_told_without_the_url(receiver: tuple[Receiver, str], post: Post) -> None:
    """Which may be a key, and some servers repeat it."""
    made, url = receiver
    made.status, made.says = 403, f"no_token at\n  {PATH} for user:pass-word"
    said = await post(Secret(url), b"{}")
    assert said is not None and said.startswith("HTTP 403: no_token at ")
    assert "SECRET" not in said and "pass-word" not in said
    made.says = "x" * 100_000
    assert len(await post(Secret(url), b"{}") or "") < 300


async def test_a_redirect_is_no_answer(receiver: tuple[Receiver, str], post: Post) -> None:
    """It would hand the document to somebody else."""
    made, url = receiver
    made.status = 302
    assert (await post(Secret(url), b"{}") or "").startswith("HTTP 302")
    assert [path for path, *_ in made.got] == [PATH]


async def test_nobody_there_is_told_in_words(post: Post) -> None:
    """No exception, and no path."""
    for where in (f"127.0.0.1:{free_port()}", "no-such-host.invalid"):
        said = await post(Secret(f"http://{where}{PATH}"), b"{}")
        assert said is not None and "SECRET" not in said and "Error" in said


async def test_closing_what_was_never_opened_is_nothing() -> None:
    """Most daemons send no alert."""
    await Post().close()
