"""The seam between client shapes and providers."""

from __future__ import annotations

import dataclasses

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.shapes.bridge import wires
from lbd.shapes.providers import PROVIDERS, Service
from lbd.shapes.wire import Facts, Wire

EVERY = [
    pytest.param(wire, id=f"{shape}-{client}")
    for shape, spec in sorted(PROVIDERS.load().items())
    for client, wire in wires(spec, "m", Service.__args__).items()
]


@pytest.mark.parametrize("wire", EVERY)
def test_what_can_be_followed_can_be_gathered(wire: Wire) -> None:
    """A unary client may be served by a stream, so whatever watches a stream brings what makes one body of it."""
    assert (wire.watch is None) == (wire.fold is None)
    if wire.watch is None:
        return
    watch = wire.watch(1, False, wants_usage=True, wall=0.0)
    assert (watch.committed, watch.done, watch.whole, watch.contents) == (False, False, False, 0)
    assert watch.usage is None and watch.failure is None
    _, failure = watch.end()
    assert failure is not None, "a stream that holds nothing is no answer"


@pytest.mark.parametrize("wire", EVERY)
@pytest.mark.parametrize("body", [b"", b"{", b"null", b'{"error":{"message":"no","type":"t","code":500}}'])
def test_what_is_no_answer_is_a_failure(wire: Wire, body: bytes) -> None:
    """Also with a good status; what is heard may be anything, and silence is nothing."""
    told = wire.facts(body, 0.0)
    assert isinstance(told, Facts)
    assert told.failure is not None or (wire.serves in ("speech", "transcriptions") and body in (b"", b"{", b"null"))


def test_a_head_tells_what_a_body_does_not() -> None:
    """The body's own word goes first; a wire that looks for nothing there finds nothing."""
    told = iter([Facts(), Facts(usage=Usage(3)), Facts()])
    wire = Wire("/x", frozenset(), lambda *_: b"", lambda *_: next(told), head_usage=lambda h: Usage(int(h["tokens"])))
    assert wire.read(b"", {"tokens": "7"}, 0.0).usage == Usage(7)
    assert wire.read(b"", {"tokens": "7"}, 0.0).usage == Usage(3)
    assert dataclasses.replace(wire, head_usage=None).read(b"", {"tokens": "7"}, 0.0).usage is None


def test_an_answer_that_is_not_utf8_is_none() -> None:
    """The official SDKs fail at it with an exception of Python's. What is no text, as speech, may be any bytes."""
    chat = wires(PROVIDERS.load()["openai"], "m")["openai.chat"]
    body = b'{"choices":[{"message":{"content":"%b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}'
    assert chat.read(body % "é".encode(), {}, 0.0).failure is None
    for bad in (b"\xff", b"\xed\xa0\xbd", b"\xc3"):
        told = chat.read(body % bad, {}, 0.0)
        assert told.failure is not None and told.failure.kind is FailureKind.BAD_BODY
        assert told.usage == Usage(3)
        assert dataclasses.replace(chat, watch=None).read(body % bad, {}, 0.0).failure is None


def test_a_provider_s_own_shape_passes_and_all_others_are_translated() -> None:
    """Which decides whose headers go on, and whose error bodies."""
    spec = PROVIDERS.load()["openai"]
    made = wires(spec, "m")
    assert made["openai.chat"].native and not made["anthropic.messages"].native
