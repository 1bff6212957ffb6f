"""The judge of answers lets nothing pass: what is cut, said twice, glued, miscounted or ended too soon is found."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from lbd.model.provider import ProviderSpec
from lbd.model.secret import Secret
from lbd.ports import Endpoint, Origin
from lbd.shapes.bedrock import sign
from tests.faults import renderings, signed
from tests.faults.answer import Answer
from tests.faults.drive import EVERY, Scenario
from tests.faults.hearing import verdict
from tests.faults.readers import Wrong
from tests.faults.upstream import chunk, head

NONCE, OTHER = 13, 14  # a text with its usage told, or asked for
ID = "x-request-id: req_1"
EVENTS = "content-type: text/event-stream"
ERROR = b'data: {"error":{"message":"m","type":"server_error","param":null,"code":"broken_stream"}}\n\n'
Change = Callable[[list[bytes]], list[bytes]]


def stream(events: list[bytes], *, end: bytes = b"0\r\n\r\n") -> bytes:
    return head(200, ID, EVENTS, chunked=True) + b"".join(map(chunk, events)) + end


def events(shape: str, nonce: int = NONCE, *, usage: bool = True, run: str = "0") -> list[bytes]:
    return renderings.stream(Answer(nonce, run), shape, usage=usage).events


def whole(body: bytes, status: int = 200, more: int = 0) -> bytes:
    return head(status, ID, "content-type: application/json", f"content-length: {len(body) + more}") + body


@pytest.mark.parametrize("shape", ["openai", "anthropic", "responses", "completions"])
@pytest.mark.parametrize("nonce", [3, 4, 8, 13, 16, 15])
def test_right_answers_are_right(shape: str, nonce: int) -> None:
    """Texts and calls, streamed and whole."""
    answer = Answer(nonce)
    if answer.calls and shape == "completions":
        return
    heard = verdict(stream(events(shape, nonce, usage=nonce % 4 < 2)), nonce, shape, stream=True)
    assert heard.error is None and heard.began
    body = json.dumps(renderings.whole(answer, shape)).encode()
    assert verdict(whole(body), nonce, shape, stream=False).said == answer.said


@pytest.mark.parametrize(
    ("client", "callers"),
    [(EVERY, "openai+anthropic+responses"), ("responses+completions", "responses"), ("anthropic", "anthropic")],
)
def test_every_client_comes_whole_and_streamed_with_texts_and_calls(client: str, callers: str) -> None:
    """Also where text completions have no calls: another client asks for those."""
    scenario = Scenario("x", client=client)
    for calls, wanted in ((False, client), (True, callers)):
        asking = {scenario.asks(n) for n in range(64) if Answer(n).calls == calls}
        assert asking == {(shape, streamed) for shape in wanted.split("+") for streamed in (True, False)}


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


OLDER: dict[str, Change] = {
    "a delta is missing": lambda e: e[:1] + e[2:],
    "no end mark": lambda e: e[:-1],
    "no finish": lambda e: [*e[:-3], *e[-2:]],
    "no usage": lambda e: [*e[:-2], e[-1]],
    "two ids": lambda e: [*e[:3], *events("completions", run="other")[3:]],
    "an event of a chat": lambda e: [*e[:3], *Answer(NONCE).openai_events(usage=True)[4:]],
}


@pytest.mark.parametrize("change", OLDER.values(), ids=OLDER)
def test_text_that_is_not_right_is_found(change: Change) -> None:
    """Of text completions."""
    with pytest.raises((Wrong, KeyError)):
        verdict(stream(change(events("completions"))), NONCE, "completions", stream=True)


def renumbered(told: list[bytes]) -> list[bytes]:
    """Return the events with numbers that follow one another, so that nothing but their content can tell."""
    return [re.sub(rb'"sequence_number": \d+', b'"sequence_number": %d' % i, event) for i, event in enumerate(told)]


def failing(**more: object) -> bytes:
    error = {"code": "broken_stream", "message": "m", "param": None}
    told = {"type": "error", "sequence_number": 2**31 - 1, **error, "error": {**error, "type": "server_error"}, **more}
    return b"event: error\ndata: %b\n\n" % json.dumps(told).encode()


NUMBERED: dict[str, Change] = {
    "a delta is missing": lambda e: e[:5] + e[6:],
    "a delta is missing, and its number": lambda e: renumbered(e[:5] + e[6:]),
    "a delta is there twice": lambda e: renumbered([*e[:6], *e[5:]]),
    "glued to another answer": lambda e: renumbered([*e[:7], *events("responses", OTHER)[7:]]),
    "glued to another run": lambda e: renumbered([*e[:7], *events("responses", run="other")[7:]]),
    "no last event": lambda e: e[:-1],
    "the last event too soon": lambda e: renumbered([*e[:6], e[-1]]),
    "the item does not end": lambda e: renumbered([*e[:-2], e[-1]]),
    "the part does not end": lambda e: renumbered([*e[:-3], *e[-2:]]),
    "an item that did not begin": lambda e: renumbered([*e[:2], *e[3:]]),
    "two last events": lambda e: renumbered([*e, e[-1]]),
    "another name": lambda e: [e[0], e[1].replace(b"event: response.in_progress", b"event: ping"), *e[2:]],
    "another text at the end": lambda e: [*e[:-1], e[-1].replace(b'"text": "', b'"text": "x')],
    "an error with an end behind it": lambda e: [*e[:6], failing(), e[-1]],
    "an error that says two things": lambda e: [*e[:6], failing(code="other")],
    "an error of a chat": lambda e: [*e[:6], ERROR],
}


@pytest.mark.parametrize("change", NUMBERED.values(), ids=NUMBERED)
def test_a_response_that_is_not_right_is_found(change: Change) -> None:
    """Of the Responses API, which numbers its events and says everything twice."""
    with pytest.raises((Wrong, KeyError)):
        verdict(stream(change(events("responses"))), NONCE, "responses", stream=True)


def test_an_error_ends_a_response() -> None:
    """A typed one is no lost answer."""
    heard = verdict(stream([*events("responses")[:6], failing()]), NONCE, "responses", stream=True)
    assert (heard.error, heard.began) == ("broken_stream", True)


def test_only_what_amazon_would_take_is_rightly_signed() -> None:
    """A changed body, path or time is not what was signed."""
    key, id_ = Secret(signed.SECRET), Secret(signed.KEY_ID)
    provider = ProviderSpec(
        "aws", "bedrock", "http://h:1", secrets=((sign.KEY_ID, id_), (sign.KEY, key)), region=signed.REGION
    )
    asked = Endpoint(Origin("http", "h", 1), "POST", "/model/m/converse", (("content-type", "application/json"),))

    def top(wall: float, path: str = asked.path) -> bytes:
        fields = sign.sign(asked, b"{}", wall, provider).headers
        lines = [f"POST {path} HTTP/1.1", "Host: h:1", *(f"{n}: {v}" for n, v in fields), "", ""]
        return "\r\n".join(lines).encode()

    assert signed.wrong(top(time.time()), b"{}") is None
    assert signed.wrong(top(time.time()), b"{ }") == "the signature does not match"
    assert signed.wrong(top(time.time(), "/model/n/converse"), b"{}") == "the signature does not match"
    assert str(signed.wrong(top(time.time() - 1000), b"{}")).startswith("signature expired")
    assert signed.wrong(b"POST / HTTP/1.1\r\nhost: h\r\n\r\n", b"{}") == "the request is not signed"


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
