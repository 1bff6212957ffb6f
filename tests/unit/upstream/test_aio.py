"""The transport on aiohttp where no wire is needed: what its exceptions mean, and which aiohttp it needs.

What the bytes of an answer come to is the contract suite's (tests/contract/test_transports.py).
"""

from __future__ import annotations

import asyncio
import gzip
import re
import socket
import ssl
import threading
import tomllib
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

from lbd.app import RealEnv
from lbd.model.failure import Failure, FailureKind
from lbd.ports import Endpoint, Origin
from lbd.tasks import Tasks
from lbd.upstream import names
from lbd.upstream.aio import AiohttpTransport, failure_of
from tests.fakes.wire import Ear, a_moment

ORIGIN = Origin("https", "api.example", 443, connect_timeout_s=1.5, keepalive_s=7.0)
ENDPOINT = Endpoint(ORIGIN, "POST", "/v1/chat/completions", (("authorization", "Bearer k"),))
URL = "https://api.example/v1/chat/completions"
KEY = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)
ROOT = Path(__file__).parents[3]
POISONED = (3, 14, 2)  # 3.14.0 and 3.14.1 hand out pooled connections with an old time-out in them


class Mocked(aiohttp.ClientResponse):
    """A response as aioresponses makes it, which does not know all of what aiohttp 3.14 wants."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, stream_writer=SimpleNamespace(output_size=0), **more)


def number(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", text)[:3])


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """Return a transport; a task of it that crashes fails the test."""
    crashes: list[BaseException] = []
    env = RealEnv()
    tasks = Tasks(env, lambda _kind, _name, error: crashes.append(error))
    made = AiohttpTransport(env, tasks.once)
    yield made
    await made.close()
    await tasks.close()
    assert not crashes


async def ask(transport: AiohttpTransport, endpoint: Endpoint = ENDPOINT, body: bytes = b"{}") -> Ear:
    ear = Ear()
    await transport.open(endpoint, body, ear, by=0.0)
    return await ear.finished()


def test_the_declared_floor_of_aiohttp_is_above_the_poisoned_releases() -> None:
    """3.14.0 and 3.14.1 make every provider time out at once (aio-libs/aiohttp#12953)."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (floor,) = [d for d in wanted if d.startswith("aiohttp")]
    assert re.fullmatch(r"aiohttp>=\d+\.\d+\.\d+", floor)
    assert number(floor) >= POISONED


def test_the_installed_aiohttp_is_above_the_poisoned_releases() -> None:
    """Whatever was declared, this is what would run."""
    assert number(version("aiohttp")) >= POISONED


async def test_an_answer_is_handed_on(transport: AiohttpTransport) -> None:
    """Method, URL, headers and body go out; status, headers in lower case and body come back."""
    with aioresponses() as mocked:
        mocked.post(URL, response_class=Mocked, status=201, body=b"hello", headers={"X-A": "1"})
        ear = await ask(transport)
        assert (ear.status, ear.body, ear.kind) == (201, b"hello", None)
        assert ear.headers["x-a"] == "1"
        ((method, url), calls), *_ = mocked.requests.items()
        sent = calls[0].kwargs
        assert (method, str(url)) == ("POST", URL)
        assert sent["headers"] == {"authorization": "Bearer k"}
        assert sent["data"].getvalue() == b"{}"
        assert sent["allow_redirects"] is False and sent["proxy"] is None


async def test_the_path_goes_out_as_it_is_written(transport: AiohttpTransport) -> None:
    """Servers that check a signature reckon with the very form of it."""
    endpoint = Endpoint(ORIGIN, "POST", "/model/a%3Ab%2Fc/converse", ())
    with aioresponses() as mocked:
        mocked.post(re.compile("https://api.example/.*"), response_class=Mocked, body=b"")
        await ask(transport, endpoint)
        (((_, url), _),) = mocked.requests.items()
        assert url.raw_path == "/model/a%3Ab%2Fc/converse"


async def test_the_proxy_of_the_origin_is_used(transport: AiohttpTransport) -> None:
    """And the environment's is not: trust comes from the configuration only."""
    endpoint = Endpoint(Origin("https", "api.example", 443, proxy="http://proxy:3128"), "POST", "/x", ())
    with aioresponses() as mocked:
        mocked.post("https://api.example/x", response_class=Mocked, body=b"")
        await ask(transport, endpoint)
        (((_, _), calls),) = mocked.requests.items()
        assert calls[0].kwargs["proxy"] == "http://proxy:3128"
    assert transport.session(endpoint.origin, pool=True).trust_env is False


async def test_time_outs_and_keep_alive_are_the_origins_own(transport: AiohttpTransport) -> None:
    """There is no time-out for the answer in here: that is the attempt's; cookies are not kept."""
    session = transport.session(ORIGIN, pool=True)
    assert session.timeout.total is None and session.timeout.sock_read is None
    assert session.timeout.sock_connect == 1.5
    connector = session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    assert connector._keepalive_timeout == 7.0 and connector.limit == 0
    assert isinstance(session.cookie_jar, aiohttp.DummyCookieJar)


async def test_sessions_are_made_once_and_not_shared_by_what_differs(transport: AiohttpTransport) -> None:
    """An origin that must not be pooled has connections of its own, which are closed after use."""
    session = transport.session(ORIGIN, pool=True)
    assert transport.session(Origin("https", "api.example", 443, 1.5, 7.0), pool=True) is session
    assert transport.session(Origin("https", "api.example", 443, 1.5, 8.0), pool=True) is not session
    unpooled = transport.session(ORIGIN, pool=False)
    assert unpooled is not session
    assert unpooled.connector is not None and unpooled.connector.force_close


async def test_there_is_never_an_idle_connection_to_point_to(transport: AiohttpTransport) -> None:
    """Which of its connections are idle is aiohttp's own business."""
    assert transport.reuse(ENDPOINT, b"", Ear()) is None


async def test_a_stale_connection_is_tried_again_until_one_is_fresh(transport: AiohttpTransport) -> None:
    """aiohttp may have several; each is thrown away as it fails."""
    failures = [Failure(FailureKind.STALE, "gone")] * 3
    tries = []

    async def attempt(*args: Any) -> Failure | None:
        tries.append(args)
        if failures:
            return failures.pop()
        args[2].head(200, {})
        args[2].end()
        return None

    transport._try = attempt  # type: ignore[method-assign]
    assert (await ask(transport)).ended
    assert len(tries) == 4


async def test_what_is_not_stale_is_told_at_once(transport: AiohttpTransport) -> None:
    """A reset on a new connection is news of the server."""
    with aioresponses() as mocked:
        mocked.post(URL, exception=aiohttp.ServerDisconnectedError())
        assert (await ask(transport)).kind is FailureKind.RESET
        assert sum(len(c) for c in mocked.requests.values()) == 1


async def test_cancelling_before_the_answer_is_the_last_word(transport: AiohttpTransport) -> None:
    """Nobody is told anything, and the task ends."""
    ear = Ear()
    with aioresponses() as mocked:
        mocked.post(URL, response_class=Mocked, body=b"late")
        exchange = await transport.open(ENDPOINT, b"", ear, by=0.0)
        exchange.cancel()
        ear.cancelled = True
        await a_moment(0.01)
        assert exchange.task is not None and exchange.task.cancelled()


@pytest.mark.parametrize(
    ("error", "answered", "reused", "kind"),
    [
        (aiohttp.ConnectionTimeoutError(), False, False, FailureKind.CONNECT_TIMEOUT),
        (ssl.SSLError("x"), False, False, FailureKind.TLS),
        (
            aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError()),
            False,
            False,
            FailureKind.TLS,
        ),
        (
            aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "x")),
            False,
            False,
            FailureKind.TLS,
        ),
        (
            aiohttp.ClientConnectorError(KEY, OSError(1, "x")),
            False,
            False,
            FailureKind.CONNECT,
        ),
        (
            aiohttp.ClientProxyConnectionError(KEY, OSError(1, "x")),
            False,
            False,
            FailureKind.CONNECT,
        ),
        (
            aiohttp.ClientHttpProxyError(SimpleNamespace(real_url="u"), (), status=407),
            False,
            False,
            FailureKind.CONNECT,
        ),  # type: ignore[arg-type]
        (aiohttp.ClientResponseError(SimpleNamespace(real_url="u"), (), status=400), False, True, FailureKind.BAD_BODY),  # type: ignore[arg-type]
        (aiohttp.ServerDisconnectedError(), False, False, FailureKind.RESET),
        (aiohttp.ServerDisconnectedError(), False, True, FailureKind.STALE),
        (aiohttp.ClientOSError(32, "Can not write request body"), False, True, FailureKind.STALE),
        (ConnectionResetError(), False, False, FailureKind.RESET),
        (aiohttp.ServerDisconnectedError(), True, True, FailureKind.BROKEN_STREAM),
        (aiohttp.ClientPayloadError("cut"), True, False, FailureKind.BROKEN_STREAM),
    ],
)
def test_every_exception_has_one_meaning(error: BaseException, answered: bool, reused: bool, kind: FailureKind) -> None:
    """Connecting, TLS, before the answer (new or kept connection), in the middle of it."""
    failure = failure_of(error, answered=answered, reused=reused)
    assert failure.kind is kind
    assert type(error).__name__ in failure.message


async def test_a_compressed_answer_is_taken_apart_here(transport: AiohttpTransport) -> None:
    """As the own client does it; aiohttp is told to leave it alone."""
    assert transport.session(ORIGIN, pool=True).auto_decompress is False
    with aioresponses() as mocked:
        mocked.post(URL, response_class=Mocked, body=gzip.compress(b"hello"), headers={"content-encoding": "gzip"})
        ear = await ask(transport)
    assert ear.body == b"hello" and "content-encoding" not in ear.headers


async def test_closing_closes_every_session() -> None:
    """No connector is left open."""
    tasks = Tasks(RealEnv(), lambda *_: None)
    made = AiohttpTransport(RealEnv(), tasks.once)
    sessions = [made.session(ORIGIN, pool=p) for p in (True, False)]
    await made.close()
    assert all(s.closed for s in sessions)
    await asyncio.gather(tasks.close())


async def test_a_name_is_looked_up_as_the_own_client_does_it(
    transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a thread of its own: one that hangs keeps nobody else's waiting. aiohttp takes the addresses as they are."""
    real, asked = socket.getaddrinfo, []

    def lookup(host: str, port: int, **more: Any) -> Any:
        if not more.get("flags"):
            asked.append((host, threading.current_thread().name))
            return real("127.0.0.1", port, **more) + real("::1", port, **more)
        return real(host, port, **more)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi")
        writer.close()

    monkeypatch.setattr(names.socket, "getaddrinfo", lookup)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        ear, port = Ear(), server.sockets[0].getsockname()[1]
        endpoint = Endpoint(Origin("http", "api.example", port), "POST", "/", ())
        await transport.open(endpoint, b"{}", ear, by=RealEnv().now() + 5)
        await asyncio.wait_for(ear.done.wait(), 5)
    assert (ear.status, ear.body) == (200, b"hi")
    assert asked == [("api.example", "lbd-name")]
