"""What every client shape does with a request's body."""

from __future__ import annotations

import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import Failure, FailureKind
from lbd.shapes import asked
from lbd.shapes.asked import LARGE, MOST_TOKENS, PREFIX_BYTES


class Request(msgspec.Struct):
    model: str
    of: list[dict[str, int]] = []


decode = msgspec.json.Decoder(Request).decode
JUDGED = asked.judged(Request)


@pytest.mark.parametrize(
    ("raw", "code", "param", "words"),
    [
        (b"", "invalid_json", None, "the body is not a JSON object"),
        (b'{"model":', "invalid_json", None, "the body is not a JSON object"),
        (b'{"model":"\xff"}', "invalid_json", None, "the body is not a JSON object: it is not UTF-8"),
        (b'{"model":"m","x":' + b"[" * 100_000, "invalid_json", None, "the body is not a JSON object"),
        (b"[]", "invalid_type", None, "got `array`"),
        (b"{}", "model_required", "model", "you must name a model"),
        (b'{"model":""}', "model_required", "model", "you must name a model"),
        (b'{"model":5}', "invalid_type", "model", "/model: "),
        (b'{"model":"m","of":[{"a":"x"}]}', "invalid_type", "of[0][...]", "/of/0: "),
        (b'{"model":"a","model":"b"}', "ambiguous_member", "model", "/model: is given twice"),
        (b'{"model":"a","MODEL":"b"}', "ambiguous_member", "MODEL", "is read as 'model' by some providers"),
    ],
)
def test_what_is_no_request_is_told_with_its_place(raw: bytes, code: str, param: str | None, words: str) -> None:
    """As a JSON pointer in the words, and as OpenAI writes it in ``param``."""
    found = asked.read(decode, raw, JUDGED)
    assert isinstance(found, Failure) and found.kind is FailureKind.BAD_REQUEST
    assert (found.code, found.param) == (code, param)
    assert words in found.message


def test_a_request_is_what_was_decoded() -> None:
    """Whatever decodes it."""
    assert asked.read(decode, b'{"model":"m","of":[{"a":1}]}', JUDGED) == Request("m", [{"a": 1}])


@pytest.mark.parametrize(
    ("values", "blank", "refused"),
    [
        (b"[]," * (MOST_TOKENS // 3 + 1), b" ", True),
        (b"[]," * (MOST_TOKENS // 3 - 10), b" ", False),
        (b'"%b",' % (b"[]," * MOST_TOKENS), b"", False),  # a text, whatever it is about
        (b'"%b",' % (b'\\"' * MOST_TOKENS), b"", False),
        (b"[]," * 1000, b"", False),
    ],
)
def test_more_pieces_than_anybody_s_conversation_are_refused(values: bytes, blank: bytes, refused: bool) -> None:
    """They would be looked at one by one, and nobody else served meanwhile; it is told before that is begun."""
    raw = b'{"model":"m","x":[%b0]}' % values + blank * LARGE
    found = asked.read(decode, raw, JUDGED)
    if not refused:
        assert isinstance(found, Request)
        return
    assert isinstance(found, Failure)
    assert (found.kind, found.code) == (FailureKind.TOO_LARGE, "too_many_values")
    assert isinstance(asked.read(decode, raw, JUDGED, 2 * MOST_TOKENS), Request)


@pytest.mark.parametrize(("limit", "bound"), [(5, 5), (0, None), (-1, None), (None, None), ("5", None), (1.5, None)])
def test_a_strange_bound_is_none(limit: object, bound: int | None) -> None:
    """It is the provider's to refuse."""
    assert asked.bound(limit) == bound


@given(st.binary(max_size=2 * PREFIX_BYTES), st.binary(max_size=2 * PREFIX_BYTES))
def test_conversations_of_one_beginning_share_a_prefix(first: bytes, second: bytes) -> None:
    """Short ones have none; of long ones the beginning of each part counts, and nothing behind it."""
    found = asked.prefix(memoryview(first), memoryview(second))
    long = len(first) + len(second) >= PREFIX_BYTES
    assert found == (zlib.crc32(first[:PREFIX_BYTES] + second[:PREFIX_BYTES]) if long else 0)
    if len(second) >= PREFIX_BYTES:
        assert found == asked.prefix(memoryview(first), memoryview(second + b"more"))


@pytest.mark.parametrize(("temperature", "top_p"), [(None, None), (1, None), (1.0, 1), (None, 1.0)])
def test_everybody_s_default_is_no_wish(temperature: object, top_p: object) -> None:
    """It needs no provider that can be told."""
    assert asked.sampling(temperature, top_p) == []
    assert asked.sampling(0, top_p) == asked.sampling(temperature, 0.5) == ["sampling"]
