"""The judge of answers lets nothing pass: what is cut, said twice, glued, miscounted or ended too soon is found."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.faults.answer import Answer
from tests.faults.hearing import Wrong, verdict
from tests.faults.upstream import chunk, head

NONCE, OTHER = 13, 14  # a text with its usage told, or asked for
ID = "x-request-id: req_1"
EVENTS = "content-type: text/event-stream"
ERROR = b'data: {"error":{"message":"m","type":"server_error","param":null,"code":"broken_stream"}}\n\n'
Change = Callable[[list[bytes]], list[bytes]]


def stream(events: list[bytes], *, end: bytes = b"0\r\n\r\n") -> bytes:
    return head(200, ID, EVENTS, chunked=True) + b"".join(map(chunk, events)) + end


def whole(body: bytes, status: int = 200, more: int = 0) -> bytes:
    return head(status, ID, "content-type: application/json", f"content-length: {len(body) + more}") + body


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
@pytest.mark.parametrize("nonce", [3, 4, 8, 13, 16])
def test_right_answers_are_right(shape: str, nonce: int) -> None:
    """Texts and calls, streamed and whole."""
    answer = Answer(nonce)
    heard = verdict(stream(answer.events(shape, usage=nonce % 4 < 2)), nonce, shape, stream=True)
    assert heard.error is None and heard.began
    body = json.dumps(answer.unary(shape)).encode()
    assert verdict(whole(body), nonce, shape, stream=False).said == answer.said


STREAMS: dict[str, Change] = {
    "a delta is missing": lambda e: e[:2] + e[3:],
    "a delta is there twice": lambda e: [*e[:3], *e[2:]],
    "two deltas are swapped": lambda e: [e[0], e[2], e[1], *e[3:]],
    "glued to another answer": lambda e: [*e[:3], *Answer(OTHER).openai_events(usage=True)[3:]],
    "no end mark": lambda e: e[:-1],
    "a fake end": lambda e: [*e[:3], e[-1]],
    "no finish": lambda e: [*e[:-3], *e[-2:]],
    "no usage": lambda e: [*e[:-2], e[-1]],
    "the usage twice": lambda e: [*e[:-1], e[-2], e[-1]],
    "two end marks": lambda e: [*e, e[-1]],
    "content behind the finish": lambda e: [*e[:-2], e[1], *e[-2:]],
    "an end mark behind an error": lambda e: [*e[:3], ERROR, e[-1]],
    "an error after a wrong text": lambda e: [e[0], e[2], ERROR],
    "an error without a type": lambda e: [*e[:3], b'data: {"error":{"message":"m","param":null,"code":null}}\n\n'],
    "two ids": lambda e: [*e[:3], *Answer(NONCE, "other").openai_events(usage=True)[3:]],
    "half an event": lambda e: [*e[:3], e[3][:-9]],
    "nothing": lambda _: [],
}


@pytest.mark.parametrize("change", STREAMS.values(), ids=STREAMS)
def test_a_stream_that_is_not_right_is_found(change: Change) -> None:
    """However little is wrong with it."""
    with pytest.raises(Wrong):
        verdict(stream(change(Answer(NONCE).openai_events(usage=True))), NONCE, "openai", stream=True)


def test_a_typed_error_behind_the_beginning_is_one() -> None:
    """What came before it is the answer's own beginning."""
    heard = verdict(stream([*Answer(NONCE).openai_events(usage=True)[:4], ERROR]), NONCE, "openai", stream=True)
    assert (heard.error, heard.began) == ("broken_stream", True)
    assert not verdict(stream([ERROR]), NONCE, "openai", stream=True).began


def test_an_answer_is_cut_wherever_its_connection_ends() -> None:
    """After any byte."""
    raw = stream(Answer(NONCE).openai_events(usage=True))
    for at in range(0, len(raw), 7):
        with pytest.raises(Wrong):
            verdict(raw[:at], NONCE, "openai", stream=True)


@pytest.mark.parametrize(
    "raw",
    [
        whole(b'{"error":{"message":"m","type":"t","param":null,"code":null}}', 502, more=1),
        whole(b"Bad Gateway", 502),
        whole(b'{"error":{"message":"","type":"t","param":null,"code":null}}', 502),
        whole(b'{"error":"m"}', 502),
        whole(b'{"error":{"message":"m","type":"t","param":null,"code":null}}', 302),
        whole(json.dumps(Answer(OTHER).openai_unary()).encode()),
        whole(json.dumps(Answer(NONCE).openai_unary() | {"usage": None}).encode()),
    ],
)
def test_a_whole_answer_that_is_not_right_is_found(raw: bytes) -> None:
    """Errors that are not typed, and somebody else's answer."""
    with pytest.raises((Wrong, ValueError, TypeError)):
        verdict(raw, NONCE, "openai", stream=False)
