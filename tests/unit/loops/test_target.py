"""Whom a probe asks: the same adapters as real requests, one question once, and an end to every wait."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from lbd.app import RealEnv
from lbd.loops import target
from lbd.loops.target import LARGEST, ProbeTarget
from lbd.model.failure import FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import PromptSpec, ProviderSpec
from lbd.model.secret import Secret
from lbd.upstream import line as lines
from lbd.upstream import names
from lbd.upstream.client import Client
from tests.fakes import tables
from tests.fakes.targets import Play, Scripted, shape
from tests.fakes.trust import Authority
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.wire import LOOPS, Conn, Wire, on

TIMEOUT = 5.0
PROVIDER = tables.provider(
    base_url="http://host.test:8000/v1", api_key=Secret("sk-1"), headers=(("X-Team", "blue"), ("user-agent", "ours"))
)
ANSWER = (
    b'{"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],'
    b' "usage": {"prompt_tokens": 20, "completion_tokens": 4}}'
)


def event(delta: str, finish: str = "null") -> bytes:
    """Return one event of a stream."""
    return f'data: {{"choices": [{{"index": 0, "delta": {delta}, "finish_reason": {finish}}}]}}\n\n'.encode()


STREAM = (
    event('{"role": "assistant"}'),
    event('{"content": "ok"}'),
    event("{}", '"stop"') + b'data: {"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 4}}\n\n',
    b"data: [DONE]\n\n",
)


def ask(
    play: Play | Callable[[Any, bytes], Play],
    work: Callable[[ProbeTarget, Scripted], Coroutine[Any, Any, Any]],
    *,
    provider: ProviderSpec = PROVIDER,
    paid: bool = False,
    prompt: PromptSpec | None = None,
) -> Any:
    """Run ``work`` on a target before a scripted server."""

    async def main(env: VirtualEnv) -> Any:
        transport = Scripted(env, play if callable(play) else lambda _endpoint, _body: play)
        line = lines.build(tables.deployment(upstream_model="up", prompt=prompt), provider, shape("openai"), transport)
        target = ProbeTarget(env, provider, shape("openai"), transport, TIMEOUT, line if paid else None)
        return await work(target, transport)

    return run(main)


def test_a_path_is_relative_to_the_base_url_or_to_the_server() -> None:
    """``models`` is below the base URL, ``/metrics`` is not; both go out with credential and configured headers."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        await target.get("models")
        await target.get("/metrics")
        assert sent.paths == ["/v1/models", "/metrics"]
        for endpoint, body in sent.sent:
            headers = dict(endpoint.headers)
            assert (endpoint.method, body, endpoint.pool) == ("GET", b"", False)
            assert headers["authorization"] == "Bearer sk-1"
            assert (headers["x-team"], headers["user-agent"]) == ("blue", "ours")
            assert endpoint.origin.authority == "host.test:8000"

    ask(Play(), work)


def test_the_answer_comes_whole_with_its_time() -> None:
    """Status, headers, body and how long it took."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        answer = await target.get("models")
        assert (answer.status, answer.headers, answer.body) == (404, {"a": "b"}, b"onetwo")
        assert answer.took_s == pytest.approx(0.5 + 2 * 0.25)

    ask(Play(404, {"a": "b"}, (b"one", b"two"), after_s=0.5, between_s=0.25), work)


def test_the_same_path_is_asked_once_whatever_came_of_it() -> None:
    """Three kinds that read the model list make one request; a failure is remembered too."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        answers = [await target.get("models") for _ in range(3)]
        assert answers[0] is answers[1] is answers[2]
        for _ in range(3):
            with pytest.raises(LbdError):
                await target.get("/health")
        assert sent.paths == ["/v1/models", "/health"]

    ask(lambda e, _: Play(fails=FailureKind.CONNECT) if e.path == "/health" else Play(), work)


@pytest.mark.parametrize(
    ("play", "kind"),
    [
        (Play(hang="connect"), FailureKind.CONNECT_TIMEOUT),
        (Play(hang="head"), FailureKind.TIMEOUT_FIRST),
        (Play(chunks=(b"{",), hang="body"), FailureKind.TIMEOUT_FIRST),
        (Play(chunks=[b"."] * 1000, between_s=0.1), FailureKind.TIMEOUT_FIRST),
        (Play(fails=FailureKind.RESET, hang="head"), FailureKind.RESET),
        (Play(fails=FailureKind.TLS), FailureKind.TLS),
    ],
    ids=["connect", "silent", "half", "dripping", "reset", "tls"],
)
def test_every_wait_ends(play: Play, kind: FailureKind) -> None:
    """One time-out covers connecting, the head and the body, byte by byte included."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        began = target.now()
        with pytest.raises(LbdError) as raised:
            await target.get("models")
        assert raised.value.failure.kind is kind
        assert target.now() - began <= TIMEOUT + 0.001
        await sent.env.sleep(0)
        assert not sent.under_way, "the exchange was left running"

    ask(play, work)


def test_an_answer_without_end_is_cut() -> None:
    """At 4 MiB, as a bad body."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        with pytest.raises(LbdError) as raised:
            await target.get("/metrics")
        assert raised.value.failure.kind is FailureKind.BAD_BODY

    ask(Play(chunks=[b"x" * 65536] * (LARGEST // 65536 + 1), between_s=0.001), work)


def test_a_unary_completion_brings_usage_and_cost() -> None:
    """It goes where a request would go, to the model's own name."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        done = await target.complete(stream=False)
        assert done.usage == Usage(20, 4)
        assert done.cost == 20 * 1000 + 4 * 2000
        assert done.ttft_s is None
        assert done.took_s == pytest.approx(0.01)
        ((endpoint, body),) = sent.sent
        assert (endpoint.method, endpoint.path) == ("POST", "/v1/chat/completions")
        assert b'"up"' in body and b'"stream":true' not in body.replace(b" ", b"")
        assert target.deployment is not None and target.provider is PROVIDER

    ask(Play(chunks=(ANSWER,)), work, paid=True)


def test_a_streamed_completion_brings_the_time_to_its_first_content() -> None:
    """The role's frame is no content."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        done = await target.complete(stream=True)
        assert done.ttft_s == pytest.approx(0.1 + 2 * 0.2)
        assert done.took_s == pytest.approx(0.1 + 4 * 0.2)
        assert done.usage == Usage(20, 4)
        assert done.cost == 28_000
        assert b'"stream":true' in sent.sent[0][1].replace(b" ", b"")

    ask(Play(chunks=STREAM, after_s=0.1, between_s=0.2), work, paid=True)


ERROR = b'{"error": {"message": "broken", "type": "server_error", "code": null}}'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("play", "kind"),
    [
        (Play(401, {}, (b"{}",)), FailureKind.AUTH),
        (Play(503, {}, (b"{}",)), FailureKind.OVERLOADED),
        (Play(500, {}, (b"<html>",)), FailureKind.SERVER),
        (Play(429, {"retry-after": "7"}, (b"{}",)), FailureKind.RATE),
    ],
    ids=["401", "503", "500", "429"],
)
def test_a_refusal_is_classified_by_the_shape(play: Play, kind: FailureKind, stream: bool) -> None:
    """With the wait that was asked for."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        with pytest.raises(LbdError) as raised:
            await target.complete(stream=stream)
        assert raised.value.failure.kind is kind
        if kind is FailureKind.RATE:
            assert raised.value.failure.retry_after_s == 7.0

    ask(play, work, paid=True)


def test_an_error_inside_a_good_status_is_a_failure() -> None:
    """Unary, in a stream, and a stream that just stops."""

    async def unary(target: ProbeTarget, sent: Scripted) -> None:
        with pytest.raises(LbdError):
            await target.complete(stream=False)

    async def streamed(target: ProbeTarget, sent: Scripted) -> None:
        with pytest.raises(LbdError):
            await target.complete(stream=True)

    ask(Play(chunks=(ERROR,)), unary, paid=True)
    ask(Play(chunks=(b"<html>",)), unary, paid=True)
    ask(Play(chunks=(*STREAM[:2], b"data: " + ERROR + b"\n\n")), streamed, paid=True)
    ask(Play(chunks=STREAM[:2]), streamed, paid=True)


def test_a_probe_s_question_is_not_made_longer() -> None:
    """What a deployment adds to its users' prompts would cost more, and say no more of its health."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        await target.complete(stream=False)
        assert b"OWN WORDS" not in sent.sent[0][1]

    ask(Play(200, {}, (ANSWER,)), work, paid=True, prompt=PromptSpec("OWN WORDS", "OWN WORDS", "OWN WORDS", "0a1b"))


def test_a_free_probe_cannot_ask_for_a_completion() -> None:
    """Its target has no deployment, and nothing goes out."""

    async def work(target: ProbeTarget, sent: Scripted) -> None:
        assert target.deployment is None
        with pytest.raises(LbdError) as raised:
            await target.complete(stream=False)
        assert raised.value.failure.kind is FailureKind.INTERNAL
        assert sent.sent == []

    ask(Play(), work)


# --- certificates: real handshakes on loopback -----------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority."""
    return Authority(tmp_path_factory.mktemp("ca"))


async def _stay(conn: Conn) -> None:
    await conn.gone()


async def certificate(port: int, ca: Path | str | None, timeout_s: float = 2.0, host: str = "127.0.0.1") -> float:
    """Ask for a certificate's end."""
    env = RealEnv()
    provider = tables.provider(base_url=f"https://{host}:{port}/v1", ca_file=None if ca is None else str(ca))
    return await ProbeTarget(env, provider, shape("openai"), Client(env), timeout_s).certificate_end()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_certificates_end_is_read_in_seconds_of_utc(loop: str, authority: Authority) -> None:
    """Two days ahead, to the second, whatever the local time zone."""
    tls = authority.server(f"good-{loop}", "IP:127.0.0.1")

    async def main() -> None:
        async with Wire(_stay, tls=tls) as wire:
            end = await certificate(wire.port, authority.ca)
            assert abs(end - RealEnv().wall() - 2 * 86400) < 60

    on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_name_is_asked_at_the_first_of_its_addresses_that_answers(
    loop: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is still that of the name."""
    tls, real = authority.server(f"named-{loop}", "DNS:named.example"), socket.getaddrinfo

    def lookup(host: str, port: int, **more: Any) -> Any:
        if more.get("flags") or host != "named.example":
            return real(host, port, **more)
        return real("127.0.0.9", port, **more) + real("127.0.0.1", port, **more)

    async def main() -> None:
        async with Wire(_stay, tls=tls) as wire:
            end = await certificate(wire.port, authority.ca, host="named.example")
            assert abs(end - RealEnv().wall() - 2 * 86400) < 60

    monkeypatch.setattr(names.socket, "getaddrinfo", lookup)
    on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("why", ["expired", "other name", "unknown authority"])
def test_a_certificate_that_is_not_trusted_is_a_tls_failure(loop: str, why: str, authority: Authority) -> None:
    """The text says which."""
    san = "DNS:else.test" if why == "other name" else "IP:127.0.0.1"
    tls = authority.server(f"bad-{loop}-{why[:3]}", san, expired=why == "expired")

    async def main() -> None:
        async with Wire(_stay, tls=tls) as wire:
            with pytest.raises(LbdError) as raised:
                await certificate(wire.port, None if why == "unknown authority" else authority.ca)
        assert raised.value.failure.kind is FailureKind.TLS
        assert "CERTIFICATE_VERIFY_FAILED" in raised.value.failure.message

    on(loop, main())


@pytest.mark.parametrize("loop", LOOPS)
def test_a_handshake_that_cannot_be_made_is_a_connect_failure(loop: str, tmp_path: Path) -> None:
    """Refused, silent, no such name, or a trust file that is gone: always a typed failure."""

    async def main() -> None:
        now = RealEnv().now
        async with Wire(_stay) as silent:
            for port, ca, host, kind in (
                (1, None, "127.0.0.1", FailureKind.CONNECT),
                (silent.port, None, "127.0.0.1", FailureKind.CONNECT),
                (silent.port, tmp_path / "gone.pem", "127.0.0.1", FailureKind.CONNECT),
                (silent.port, None, "no-such-host.invalid", FailureKind.DNS),
            ):
                began = now()
                with pytest.raises(LbdError) as raised:
                    await certificate(port, ca, 0.2, host)
                assert raised.value.failure.kind is kind, (port, ca, host)
                assert now() - began < 2.0

    on(loop, main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("serves", "shape", "asked"),
    [
        ({"chat", "embeddings"}, "openai.chat", "messages"),
        ({"completions"}, "openai.completions", "prompt"),
        ({"embeddings"}, "openai.embeddings", "input"),
        ({"moderations"}, "openai.moderations", "input"),
    ],
)
def test_the_smallest_request_is_small_and_whole(stream: bool, serves: set[str], shape: str, asked: str) -> None:
    """It is paid for; and reasoning models refuse a single token."""
    spec = tables.deployment(upstream_model='q"\u00e9', serves=frozenset(serves))
    made = target.smallest(spec, stream=stream)
    body = json.loads(made.raw)
    assert made.shape == shape and body[asked]
    assert body["model"] == made.head.model == 'q"\u00e9'
    assert body.get("max_tokens") in (None, 4)
    assert body.get("stream", False) is made.head.stream is (stream and shape in ("openai.chat", "openai.completions"))
    assert len(made.raw) < 400


def test_a_paid_probe_is_signed_as_a_request_would_be() -> None:
    """Over its own body."""
    secrets = (("aws_access_key_id", Secret("AKID")), ("aws_secret_access_key", Secret("secret-example")))
    provider = tables.provider(base_url="https://bedrock-runtime.us-east-1.amazonaws.com", secrets=secrets)
    answer = (
        b'{"output": {"message": {"role": "assistant", "content": [{"text": "ok"}]}}, "stopReason": "end_turn",'
        b' "usage": {"inputTokens": 20, "outputTokens": 4, "totalTokens": 24}}'
    )

    async def main(env: VirtualEnv) -> None:
        transport = Scripted(env, lambda _endpoint, _body: Play(chunks=(answer,)))
        bedrock = shape("bedrock")
        line = lines.build(tables.deployment(upstream_model="up"), provider, bedrock, transport)
        done = await ProbeTarget(env, provider, bedrock, transport, TIMEOUT, line).complete(stream=False)
        assert done.usage == Usage(20, 4)
        ((endpoint, body),) = transport.sent
        assert dict(endpoint.headers)["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKID/")
        assert endpoint.path == "/model/up/converse" and b'"maxTokens":4' in body

    run(main)
