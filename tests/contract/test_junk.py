"""lbd's own parsers and whatever may come: a value or a refusal that says why, and nothing else.

Those that have their own properties beside them (bodies of clients and providers, streams, forms, batches, the
configuration) are not repeated here.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd import plugins
from lbd.config.secrets import SecretError, resolve
from lbd.daemon import listen
from lbd.daemon.notify import Notifier
from lbd.ingress import feedback
from lbd.ingress.feedback import Take
from lbd.model.failure import Failure
from lbd.model.provider import ProviderSpec
from lbd.model.secret import Secret, SecretRef
from lbd.ports import Endpoint, Headers, Origin
from lbd.shapes.bedrock import models
from lbd.upstream.client import Client
from lbd.upstream.connection import Connection as Upstream
from lbd.upstream.line import masked
from tests.fakes.env import FakeEnv
from tests.fakes.pipe import Pipe

ENDPOINT = Endpoint(Origin("http", "h", 80), "POST", "/v1/x", ())
PIECES = [
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\n", b"content-length: 3\r\n", b"content-length: 99999999999999999999\r\n",
    b"transfer-encoding: chunked\r\n", b"content-encoding: gzip\r\n", b"connection: close\r\n", b"upgrade: h2c\r\n",
    b"keep-alive: timeout=999999999999999999999\r\n", b"x: \xff\r\n", b"x: a\r\n b\r\n", b"\r\n", b"\n", b"abc",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\3", b"data: {}\n\n", b"\0", b"HTTP/2 200\r\n", b"ffffffffffffffff\r\n",
]  # fmt: skip
answers = st.lists(st.sampled_from(PIECES) | st.binary(max_size=12), max_size=12).map(b"".join)


class _Ear:
    """Notes what a transport says, and in which order."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.failure: Failure | None = None

    def head(self, status: int, headers: Headers) -> None:
        assert 200 <= status < 1000
        assert all("\r" not in v and "\n" not in v and "\0" not in v for v in headers.values())
        self.said.append("head")

    def data(self, chunk: bytes) -> None:
        assert chunk
        self.said.append("data")

    def end(self) -> None:
        self.said.append("end")

    def failed(self, failure: Failure) -> None:
        self.failure = failure
        self.said.append("failed")


@settings(max_examples=400)
@given(answers, st.lists(st.integers(0, 200), max_size=5), st.booleans())
def test_whatever_a_provider_sends_ends_once(sent: bytes, cuts: list[int], closes: bool) -> None:
    """In a head, pieces and an end, or in a typed failure; no value of a field could end a line."""

    async def main() -> None:
        client = Client(FakeEnv())
        connection, pipe, ear = Upstream(client, ENDPOINT.origin), Pipe(), _Ear()
        connection.connection_made(pipe)
        connection.start(ENDPOINT, b"{}", ear, reused=False)
        ends = sorted({c for c in cuts if c < len(sent)})
        for start, end in zip((0, *ends), (*ends, len(sent)), strict=True):
            if not pipe.closed:
                connection.data_received(sent[start:end])
        if closes or pipe.closed:
            connection.connection_lost(None)
            assert len([s for s in ear.said if s in ("end", "failed")]) == 1
        assert (
            ear.said.count("head") <= 1
            and "data" not in ear.said[: ear.said.index("head") if "head" in ear.said else 0]
        )
        if ear.failure is not None:
            assert ear.failure.message
        await client.close()

    asyncio.run(main())


@given(st.binary(max_size=80) | st.text(max_size=40).map(lambda t: f'{{"request_id":"{t}","score":1}}'.encode()))
def test_a_rating_is_taken_or_refused(body: bytes) -> None:
    """Never with an exception."""
    told = feedback.answer(body, "c", Take(lambda *_: True, lambda _: "taken"))
    assert isinstance(told, bytes) or told.message


@given(st.binary(max_size=100))
def test_a_file_with_anything_in_it_is_a_key_or_says_why_not(content: bytes) -> None:
    """A key is what can be sent in a header."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        path.write_bytes(content)
        try:
            found = resolve(SecretRef(file=str(path)), inline=False, environ={})
        except SecretError as e:
            assert str(path) in str(e) and not (len(content) > 8 and content.decode("latin-1") in str(e))
        else:
            assert isinstance(found, Secret) and all("!" <= c <= "~" for c in found.reveal())


@given(
    st.dictionaries(
        st.sampled_from(["LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID", "NOTIFY_SOCKET"]),
        st.sampled_from(["", "0", "-1", "x", "1e3", "\u00b2", "\u0663", " 1", "9" * 30, "api:admin", ":::"]),
    )
)
def test_the_service_manager_s_variables_may_be_anything(environ: dict[str, str]) -> None:
    """Without the process's own number they are somebody else's."""
    assert listen.passed({**environ, "LISTEN_PID": "1"}) == {}
    count = environ.get("LISTEN_FDS", "0")
    if not (count.isascii() and count.isdigit() and int(count)):
        assert listen.passed({**environ, "LISTEN_PID": str(os.getpid())}) == {}
    notifier = Notifier({k: v for k, v in environ.items() if k != "NOTIFY_SOCKET"})
    assert notifier.watchdog_s is None or notifier.watchdog_s > 0
    notifier.close()


@given(st.text(max_size=40))
def test_any_name_may_be_a_model_of_amazon_s(name: str) -> None:
    """What it can do is read off the name, whatever it is."""
    assert models.carries(name) and models.mint(name)
    assert models.thinks(name) in (True, False)


SHAPES = plugins.load().shapes
LONG = [
    "try again in 1",
    "1.",
    "retry after ",
    "exceeds the ",
    "per day ",
    "in 1s ",
    "model ",
    "a ",
    "\\",
    "{",
    "sk-canary-",
    "x*",
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_long_message_of_a_provider_holds_nobody_up(shape: str) -> None:
    """What is looked for in it is looked for in its beginning; keys are, in all of what may be passed on."""
    spec = ProviderSpec("p", shape, "https://api.example/v1", api_key=Secret("sk-canary-0123456789abcdef"))
    for piece in LONG:
        for body in ({"error": {"message": piece * 20_000}}, {"message": piece * 20_000}):
            raw = json.dumps(body).encode()
            began = time.process_time()
            failure = masked(SHAPES[shape].classify(429, {"retry-after": piece * 50}, raw, 1.7e9), spec)
            assert time.process_time() - began < 0.3, piece
            assert len(failure.message) <= 2000
