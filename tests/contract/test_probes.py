"""Every registered probe against every provider shape it applies to: whatever the server does, a probe says one of
three words, or nothing; it never raises, and a free one never asks for work.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.loops.target import LARGEST, ProbeTarget
from lbd.model.failure import FailureKind
from lbd.model.outcome import ProbeResult, Verdict
from lbd.model.provider import ProviderSpec
from lbd.model.secret import Secret
from lbd.shapes.providers import PROVIDERS, Shape
from lbd.upstream import line as lines
from probes import PROBES, Kind
from tests.fakes import tables
from tests.fakes.targets import Play, Scripted
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.wire import Conn, Wire, on

KEY = "sk-canary-5f0c"
TIMEOUT = 5.0


def _provider(shape: Shape, *, tls: bool = False) -> ProviderSpec:
    return tables.provider(
        shape=shape.name,
        base_url=f"http{'s' * tls}://127.0.0.1:1/v1",
        api_key=Secret(KEY),
        self_hosted=shape.self_hosted,
    )


CASES = [
    pytest.param(kind, shape, id=f"{kind.name}-{shape.name}")
    for kind in PROBES.load().values()
    for shape in PROVIDERS.load().values()
    if kind.applies(shape, _provider(shape))
]


def probe(kind: Kind, shape: Shape, play: Play) -> tuple[ProbeResult | None, Scripted, float]:
    """Run one probe against a server that always answers like this; returns how long it took, too."""

    async def main(env: VirtualEnv) -> tuple[ProbeResult | None, Scripted, float]:
        transport = Scripted(env, lambda _endpoint, _body: play)
        provider = _provider(shape)
        line = lines.build(tables.deployment(), provider, shape, transport) if kind.paid else None
        began = env.now()
        result = await kind.run(ProbeTarget(env, provider, shape, transport, TIMEOUT, line))
        took = env.now() - began
        await env.sleep(0)
        assert transport.under_way == 0, "an exchange outlived its probe"
        return result, transport, took

    return run(main)


def judge(kind: Kind, result: ProbeResult | None, sent: Scripted) -> None:
    """Hold the laws that every result keeps."""
    for endpoint, body in sent.sent:
        if not kind.paid:
            assert (endpoint.method, body) == ("GET", b"")
        assert dict(endpoint.headers), "no headers"
    if result is None:
        return
    assert result.kind == kind.name
    assert result.verdict in (Verdict.UP, Verdict.DOWN, Verdict.BUSY)
    assert (result.failure is not None) == (result.verdict is Verdict.DOWN)
    assert result.took_s >= 0 and result.cost >= 0
    assert kind.paid or result.cost == 0
    assert KEY not in repr(result)
    assert len(result.detail) < 1000


ECHO = json.dumps({"error": {"message": f"{'x' * 90} key {KEY} is wrong", "code": KEY, "type": KEY}}).encode()
JUNK = [
    ECHO,
    b"data: " + ECHO + b"\n\n",
    b"",
    b"\x00",
    b"\xff\xfe",
    b"null",
    b"[]",
    b"{}",
    b'{"data": 7}',
    b'{"data": [{"id": 7}]}',
    b"{" * 1000,
    b"data:",
]
STATUSES = [100, 200, 204, 301, 400, 401, 402, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504, 529, 599, 999]


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_whatever_is_answered_a_probe_has_a_word_for_it_or_none(kind: Kind, shape: Shape) -> None:
    """Every status with every kind of junk."""
    for status in STATUSES:
        for body in JUNK:
            result, sent, _ = probe(kind, shape, Play(status, {"content-type": "application/json"}, (body,)))
            judge(kind, result, sent)


@pytest.mark.parametrize(("kind", "shape"), CASES)
@given(
    status=st.sampled_from(STATUSES),
    headers=st.dictionaries(
        st.sampled_from(
            [
                *("retry-after", "retry-after-ms", "content-type", "x-ratelimit-limit-requests"),
                *("x-ratelimit-remaining-requests", "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"),
            ]
        ),
        st.one_of(st.text(max_size=12), st.sampled_from(["1e999", "-1", "nan", "6m0s", "1s", "٣", "0x10", "9" * 30])),
        max_size=5,
    ),
    body=st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["error", "code", "message", "type", "data", "id", "choices", "usage", "total_slots"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
        st.text(max_size=80).map(lambda text: f"data: {text}\n\n".encode()),
        st.from_regex(
            rb"(llamacpp:requests_processing|vllm:num_requests_running)( |\{[^}]*\} ).{0,12}", fullmatch=True
        ),
    ),
)
def test_random_answers_never_raise(
    kind: Kind, shape: Shape, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Headers and bodies of any make."""
    half = len(body) // 2
    result, sent, _ = probe(kind, shape, Play(status, headers, (body[:half], body[half:])))
    judge(kind, result, sent)


@pytest.mark.parametrize(("kind", "shape"), CASES)
@pytest.mark.parametrize("hang", ["connect", "head", "body"])
def test_a_silent_server_ends_a_probe_in_time(kind: Kind, shape: Shape, hang: str) -> None:
    """No probe takes longer than its time-out, plus 50 ms, for each path it asks."""
    result, sent, took = probe(kind, shape, Play(200, {}, (b'{"data": []}',), hang=hang))
    judge(kind, result, sent)
    assert took <= len(sent.sent) * TIMEOUT + 0.05
    assert result is None or result.verdict is Verdict.DOWN


@pytest.mark.parametrize(("kind", "shape"), CASES)
@pytest.mark.parametrize("failure", [k for k in FailureKind if k in ("connect", "connect_timeout", "tls", "reset")])
@pytest.mark.parametrize("where", ["", "head", "body"])
def test_a_broken_connection_is_down_or_no_news(kind: Kind, shape: Shape, failure: FailureKind, where: str) -> None:
    """Refused, reset before the head, cut in the body."""
    result, sent, _ = probe(kind, shape, Play(200, {}, (b'{"data"',), hang=where, fails=failure))
    judge(kind, result, sent)
    assert result is None or result.verdict is Verdict.DOWN


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_an_endless_answer_is_not_gathered_for_ever(kind: Kind, shape: Shape) -> None:
    """Memory is bounded whatever a server sends."""
    chunk = b" " * 65536
    play = Play(200, {}, [chunk] * (2 * LARGEST // len(chunk)), between_s=0.001)
    result, sent, took = probe(kind, shape, play)
    judge(kind, result, sent)
    assert took < 1.0, "it was read to its end"


@pytest.mark.parametrize(("kind", "shape"), CASES)
def test_the_credential_goes_with_every_probe(kind: Kind, shape: Shape) -> None:
    """So that a wrong key is found; and it goes in the headers, never in the path or the body."""
    _, sent, _ = probe(kind, shape, Play(200, {}, (b"{}",)))
    assert sent.sent
    for endpoint, body in sent.sent:
        assert any(KEY in value for _, value in endpoint.headers)
        assert KEY not in endpoint.path and KEY.encode() not in body


# --- those that make their own connection ----------------------------------------------------------------

OWN = [
    pytest.param(kind, shape, id=f"{kind.name}-{shape.name}")
    for kind in PROBES.load().values()
    for shape in PROVIDERS.load().values()
    if kind.applies(shape, _provider(shape, tls=True)) and not kind.applies(shape, _provider(shape))
]


async def _junk(conn: Conn) -> None:
    await conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\nthis is no TLS")


async def _hang(conn: Conn) -> None:
    await conn.gone()


async def _close(_conn: Conn) -> None:
    return


async def _reset(conn: Conn) -> None:
    conn.reset()


@pytest.mark.parametrize(("kind", "shape"), OWN)
@pytest.mark.parametrize(
    "script", [_junk, _hang, _close, _reset, None], ids=["junk", "hang", "close", "reset", "refuse"]
)
def test_a_handshake_with_anybody_ends_in_a_word_or_none(
    kind: Kind, shape: Shape, script: Callable[[Conn], Awaitable[None]] | None
) -> None:
    """What is no TLS server is told so, or is no news; nothing is raised, nothing hangs."""

    async def main() -> None:
        from lbd.app import RealEnv
        from lbd.upstream.client import Client

        env = RealEnv()
        async with Wire(script or _close) as wire:
            port = wire.port if script is not None else 1
            provider = tables.provider(shape=shape.name, base_url=f"https://127.0.0.1:{port}/v1")
            target = ProbeTarget(env, provider, shape, Client(env), 0.3)
            result = await asyncio.wait_for(kind.run(target), 2.0)
        assert result is None or (result.kind, result.verdict) == (kind.name, Verdict.DOWN)

    on("asyncio", main())
