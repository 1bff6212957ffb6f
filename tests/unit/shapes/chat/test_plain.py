"""Errors that do not stand in an error field."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.shapes.chat.plain import any_error, bare, cut, plain_error, typed


@pytest.mark.parametrize(
    "said",
    [
        {"object": "error", "message": "boom", "type": "InternalServerError", "code": 500},
        {"object": "error"},
        {"type": "error", "message": "boom"},
        {"message": "boom", "code": 503},
        {"message": "boom", "code": "429"},
    ],
)
def test_what_plainly_says_so_is_an_error(said: dict[str, object]) -> None:
    """By the name of its kind, or by a message with an error's status."""
    assert plain_error(json.dumps(said).encode()) == {k: said.get(k) for k in ("message", "type", "code")}


@pytest.mark.parametrize(
    "said",
    [
        {},
        [],
        None,
        "error",
        {"message": "boom"},
        {"code": 503},
        {"message": "", "code": 503},
        {"message": "queued", "code": 200},
        {"message": "x", "code": 5030},
        {"message": "x", "code": "4\u0664\u0664"},
        {"object": "chat.completion.chunk", "message": "x"},
    ],
)
def test_what_does_not_say_so_is_none(said: object) -> None:
    """Providers send notes of their own, and those go on."""
    assert plain_error(json.dumps(said).encode()) is None


def test_an_odd_error_is_an_error() -> None:
    """Half a character in its message does not make it an answer."""
    found = plain_error(rb'{"object":"error","message":"\ud83d","n":NaN}')
    assert found is not None and found["message"] == "\ufffd"


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        (b'{"error":{"message":"x"}}', {"message": "x"}),
        (b'{"error":"x"}', "x"),
        (b'{"message":"x"}', {"message": "x"}),
        (b'"x"', "x"),
        (b" out of memory\n", "out of memory"),
        (b"no \xff slot", "no \ufffd slot"),
        (b"", ""),
    ],
)
def test_what_is_said_to_be_an_error_is_read_whatever_it_is(payload: bytes, error: object) -> None:
    """The event's type has said what it is; only its words are looked for."""
    assert any_error(payload) == error


@given(st.binary(max_size=60))
def test_junk_raises_nothing(payload: bytes) -> None:
    """It comes from a provider in trouble."""
    plain_error(payload)
    json.dumps(any_error(payload), ensure_ascii=False).encode()
    assert bare(payload).message


@pytest.mark.parametrize(
    ("reason", "error", "kind"),
    [
        ("stop", None, None),
        (None, None, None),
        ({"type": "stop"}, None, None),
        ("error", None, FailureKind.STREAM_ERROR),
        ("abort", None, FailureKind.STREAM_ERROR),
        ("insufficient_system_resource", None, FailureKind.OVERLOADED),
        ("error", {"code": 429, "message": "slow"}, FailureKind.RATE),
        ("stop", {"message": "x"}, FailureKind.STREAM_ERROR),
    ],
)
def test_an_end_that_is_none_is_a_failure(reason: object, error: object, kind: FailureKind | None) -> None:
    """What came before it is a part of an answer."""
    found = cut(reason, error)
    assert (found and found.kind) == kind


def test_a_kind_beside_a_text_is_the_error_s() -> None:
    """TGI writes ``{"error":"Model is overloaded","error_type":"overloaded"}``."""
    assert typed("full", "overloaded") == {"message": "full", "type": "overloaded"}
    assert typed("full", None) == "full" and typed({"message": "x"}, "y") == {"message": "x"}


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"error":{"message":"x","code":503}}', FailureKind.OVERLOADED),
        (b'[{"error":{"message":"x","code":429}}]', FailureKind.RATE),
        (b'{"message":"x","code":429}', FailureKind.RATE),
        (b'{"x":1}', FailureKind.BAD_BODY),
        (b"[]", FailureKind.BAD_BODY),
        (b"[1]", FailureKind.BAD_BODY),
        (b"{", FailureKind.BAD_BODY),
        (b"<html>", FailureKind.BAD_BODY),
        (b"[" * 100_000, FailureKind.BAD_BODY),
    ],
)
def test_what_is_no_event_is_an_error_or_junk(raw: bytes, kind: FailureKind) -> None:
    """Never nothing."""
    assert bare(raw).kind is kind
