"""The demonstration's traffic: every answer judged, and no bad one passes for a good one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from lbd.demo import load
from lbd.demo.load import LENGTHS
from lbd.demo.traffic import QUESTIONS, TOKENS, Fate, Judged, Traffic, body, measured, references, words
from tests.fakes.wire import Conn, Wire

RIGHT = [f"answer {i}" for i in range(len(QUESTIONS))]
Script = Callable[[Conn], Awaitable[None]]


def http(status: int, raw: bytes, **headers: str) -> bytes:
    """Return a whole answer; ``x_y`` names the header ``x-y``."""
    fields = {"content_type": "application/json", "content_length": str(len(raw)), **headers}
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in fields.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + raw


def unary(text: str, **headers: str) -> bytes:
    """Return a unary answer with this text."""
    return http(200, json.dumps({"choices": [{"message": {"content": text}}]}).encode(), **headers)


def event(text: str | None = None, finish: str | None = None) -> str:
    """Return one event."""
    delta = {"role": "assistant"} if text is None and finish is None else {"content": text} if text else {}
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}) + "\n\n"


def stream(*events: str, **headers: str) -> bytes:
    """Return a stream that ends with the connection, so that it may be cut anywhere."""
    fields = {"content_type": "text/event-stream", "connection": "close", **headers}
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in fields.items())
    return f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + "".join(events).encode()


ERROR = 'data: {"error": {"message": "gone", "type": "server_error", "code": "broken_stream"}}\n\n'
END = event(None, "stop") + "data: [DONE]\n\n"


async def judged(raw: bytes, *, streams: bool) -> Judged:
    """Return how one answer, the second question's if it is a stream, is judged."""

    async def script(conn: Conn) -> None:
        await conn.request()
        await conn.send(raw)

    async with Wire(script) as wire:
        traffic = Traffic(f"http://127.0.0.1:{wire.port}", "auto", RIGHT)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            await traffic._one(session, int(streams))
    (one,) = traffic.judged
    assert one.stream is streams and one.took_s > 0
    assert traffic.under_way == 0
    return one


@pytest.mark.parametrize(
    ("raw", "fate"),
    [
        (unary("answer 0"), Fate.OK),
        (unary("answer 0", x_lbd_attempts="1"), Fate.OK),
        (unary("answer 0", x_lbd_attempts="2"), Fate.MOVED),
        (unary("answer 1"), Fate.LOST),
        (unary("answer 0 and more"), Fate.LOST),
        (http(503, b'{"error": {"message": "busy"}}'), Fate.REFUSED),
        (http(200, b"{}"), Fate.LOST),
        (http(200, b"no json"), Fate.LOST),
        (http(200, b"{", content_length="500"), Fate.LOST),
        (b"HTTP/1.1 200 OK\r\ncontent-le", Fate.LOST),
        (b"", Fate.LOST),
    ],
)
async def test_unary_answers(raw: bytes, fate: Fate) -> None:
    """Byte for byte the right text, or it is no good answer."""
    assert (await judged(raw, streams=False)).fate is fate


@pytest.mark.parametrize(
    ("raw", "fate"),
    [
        (stream(event(), event("answer "), event("1"), END), Fate.OK),
        (stream(event("answer 1"), END, x_lbd_attempts="3"), Fate.MOVED),
        (stream(event(), event("answer "), ERROR), Fate.TYPED_ERROR),
        (stream(event(), ERROR), Fate.REFUSED),
        (stream(event("another"), ERROR), Fate.LOST),
        (stream(event("answer 2"), END), Fate.LOST),
        (stream(event("answer 1"), event(None, "stop")), Fate.LOST),
        (stream(event("answer 1"), "data: [DONE]\n\n"), Fate.LOST),
        (stream(event("answer ")), Fate.LOST),
        (stream(event("answer 1answer 1"), END), Fate.LOST),
        (stream(END), Fate.LOST),
        (stream(), Fate.LOST),
        (stream("data: {no json\n\n"), Fate.LOST),
        (stream(": still here\n\n", event("answer 1"), END), Fate.OK),
        (http(429, b"{}"), Fate.REFUSED),
    ],
)
async def test_streams(raw: bytes, fate: Fate) -> None:
    """A stream needs its finish and its end mark; glued, cut and foreign texts are lost, a typed error is none."""
    assert (await judged(raw, streams=True)).fate is fate


async def test_what_is_known_of_an_answer_is_kept() -> None:
    """Who served it, when its first content came, and what went wrong."""
    one = await judged(stream(event("answer 1"), END, x_lbd_deployment="small/m"), streams=True)
    assert one.deployment == "small/m"
    assert one.first_s is not None and 0 < one.first_s <= one.took_s
    one = await judged(http(503, b"all busy"), streams=False)
    assert one.detail == "503 all busy" and one.first_s is None
    one = await judged(stream(event("answer"), ERROR), streams=True)
    assert one.detail == "broken_stream: gone"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"error": {"message": "no content", "param": null, "code": "timeout_first"}}',
            "504 timeout_first: no content",
        ),
        ('{"error": {"message": "no content", "code": null}}', "504 no content"),
        ('{"error": "no content"}', "504 no content"),
        ("[]", "504 []"),
        ('{"detail": 1}', '504 {"detail": 1}'),
        ("<html>" + "x" * 999, "504 <html>" + "x" * 294),
    ],
)
def test_a_refusal_is_told_in_words(text: str, said: str) -> None:
    """Code and message; what is not in the usual form is shown as it is, but not all of it."""
    assert words(504, text) == said


async def test_questions_are_asked_at_a_steady_rate_half_of_them_as_streams() -> None:
    """The last answer is waited for, and every request has one fate."""
    seen: list[dict[str, object]] = []

    async def script(conn: Conn) -> None:
        request = json.loads((await conn.request()).body)
        seen.append(request)
        text = RIGHT[QUESTIONS.index(request["messages"][-1]["content"])]
        await asyncio.wait((asyncio.ensure_future(conn.gone()),), timeout=0.2)
        await conn.send(stream(event(text), END) if request["stream"] else unary(text, connection="close"))

    async with Wire(script) as wire:
        traffic = Traffic(f"http://127.0.0.1:{wire.port}", "auto", RIGHT)
        await traffic.run(40, 0.5)
    assert 18 <= len(seen) <= 22
    assert traffic.counts() == {Fate.OK: len(seen)}
    assert abs(sum(bool(r["stream"]) for r in seen) - len(seen) / 2) <= 0.5
    assert {r["model"] for r in seen} == {"auto"}


async def test_references_are_asked_of_a_server_directly() -> None:
    """One unary answer for each question, in order."""

    async def script(conn: Conn) -> None:
        while True:
            try:
                request = json.loads((await conn.request()).body)
            except EOFError:
                return
            assert not request["stream"]
            await conn.send(unary("about " + request["messages"][-1]["content"]))

    async with Wire(script) as wire:
        found = await references(f"http://127.0.0.1:{wire.port}/v1")
        assert found == ["about " + q for q in QUESTIONS]
        assert {r.line for r in wire.requests} == {"POST /v1/chat/completions HTTP/1.1"}


@pytest.mark.parametrize(("first_s", "lengths"), [(0.0, 1), (0.6, 2)])
async def test_the_load_is_measured_with_answers_as_long_as_the_machine_can_take(
    monkeypatch: pytest.MonkeyPatch, first_s: float, lengths: int
) -> None:
    """Long answers that take too long are asked for once more, shorter."""
    monkeypatch.setattr(load, "SHARE", 0.1)  # answers of 0.1 s on average are slow: nobody waits long for this test
    asked: list[int] = []

    async def script(conn: Conn) -> None:
        while True:
            try:
                tokens = json.loads((await conn.request()).body)["max_tokens"]
            except EOFError:
                return
            if tokens not in asked:  # one slow answer each is enough
                asked.append(tokens)
                wait = first_s if tokens == LENGTHS[0] else 0.0
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.Event().wait(), wait)
            await conn.send(unary(f"{tokens} tokens"))

    async with Wire(script) as wire:
        found, right = await measured(f"http://127.0.0.1:{wire.port}/v1")
    assert asked == list(LENGTHS[:lengths])
    assert found.tokens == LENGTHS[lengths - 1] and found.rate >= 1
    assert right == [f"{found.tokens} tokens"] * len(QUESTIONS)


def test_a_request_has_one_right_answer() -> None:
    """Greedy, bounded, without a server's own cache."""
    one = body("What?", "auto", True)
    assert (one["temperature"], one["max_tokens"], one["stream"], one["model"]) == (0, TOKENS, True, "auto")
    assert one["cache_prompt"] is False
    assert one["messages"][-1] == {"role": "user", "content": "What?"}
