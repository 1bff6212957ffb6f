"""Binary messages, held against botocore's decoder: cut anywhere, bounded, and nothing broken is ever passed on."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.shapes.bedrock import frames
from lbd.shapes.bedrock.frames import MOST_HEADERS, MOST_PAYLOAD, Framer, Message
from tests.unit.shapes.amazon import decoded, framed, header
from tests.unit.shapes.streams import cuts, pieces

strings = st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=40), max_size=4)
messages = st.lists(st.tuples(strings, st.binary(max_size=200)), max_size=4)
OTHERS = (
    b"\x01t\x00"
    b"\x01f\x01"
    b"\x01b\x02\x7f"
    b"\x01s\x03\x00\x01"
    b"\x01i\x04\x00\x00\x00\x01"
    b"\x01l\x05\x00\x00\x00\x00\x00\x00\x00\x01"
    b"\x01a\x06\x00\x02ab"
    b"\x01d\x08\x00\x00\x00\x00\x00\x00\x00\x01"
    b"\x01u\x09" + bytes(16)
)


def encode(told: list[tuple[dict[str, str], bytes]]) -> bytes:
    return b"".join(framed(b"".join(header(*h) for h in headers.items()), payload) for headers, payload in told)


def prelude(size: int, headers: int) -> bytes:
    lengths = struct.pack("!II", size, headers)
    return lengths + struct.pack("!I", crc32(lengths))


@given(messages)
def test_messages_are_read_as_botocore_reads_them(told: list[tuple[dict[str, str], bytes]]) -> None:
    """Headers and payload, in order."""
    stream = encode(told)
    framer = Framer()
    found = framer.feed(stream)
    assert [(m.headers, m.payload) for m in found] == decoded(stream) == told
    assert framer.broken is None and not framer.pending


@given(messages, st.data())
def test_where_the_bytes_are_cut_makes_no_difference(
    told: list[tuple[dict[str, str], bytes]], data: st.DataObject
) -> None:
    """The network cuts where it likes, in a length and in a checksum too."""
    stream = encode(told)
    framer = Framer()
    found = [m for part in data.draw(cuts(stream)) for m in framer.feed(part)]
    assert found == Framer().feed(stream)


def test_values_that_are_no_strings_are_passed_over() -> None:
    """Every type that the encoding knows has its length."""
    stream = framed(OTHERS + header("z", "last"), b"{}")
    assert Framer().feed(stream) == [Message({"z": "last"}, b"{}")]
    assert set(decoded(stream)[0][0]) == set("tfbsiladuz")


@given(messages.filter(bool), st.data())
def test_a_flipped_bit_is_found(told: list[tuple[dict[str, str], bytes]], data: st.DataObject) -> None:
    """Whole messages before it are good; it, and all after it, are not."""
    stream = bytearray(encode(told))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= 1 << data.draw(st.integers(0, 7))
    sizes = [len(encode([m])) for m in told]
    before = next(i for i in range(len(told)) if at < sum(sizes[: i + 1]))
    framer = Framer()
    found = [m for part in data.draw(cuts(bytes(stream))) for m in framer.feed(part)]
    assert found == Framer().feed(encode(told[:before]))
    assert framer.broken is not None and "checksum" in framer.broken
    assert framer.feed(encode(told)) == [] and not framer.pending


@given(st.binary(max_size=300), st.data())
def test_junk_is_no_message_and_no_exception(junk: bytes, data: st.DataObject) -> None:
    """Whatever comes, cut as it may be."""
    framer = Framer()
    for part in data.draw(cuts(junk)):
        assert framer.feed(part) == []
    assert framer.broken is not None or len(junk) < frames.PRELUDE
    assert framer.pending == (0 < len(junk) < frames.PRELUDE)


@given(st.binary(max_size=60))
def test_headers_that_cannot_be_read_are_a_broken_message(headers: bytes) -> None:
    """Checksums can be right, and the headers nonsense all the same."""
    framer = Framer()
    found = framer.feed(framed(headers, b"x"))
    assert (len(found) == 1) == (framer.broken is None)


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05ab",
        b"\x01a\x07\x00\x09x",
        b"\x01a\x0a",
        b"\x01a",
        b"\x01\xff\x00",
        b"\x01a\x07\x00\x01\xff",
        b"\x01a\x05\x00",
    ],
)
def test_a_header_beyond_its_end_or_of_no_type(headers: bytes) -> None:
    """No UTF-8, no type, too short, too long."""
    framer = Framer()
    assert framer.feed(framed(headers, b"x")) == []
    assert framer.broken is not None and "header" in framer.broken


@pytest.mark.parametrize(
    ("size", "headers"),
    [(15, 0), (16, 1), (MOST_HEADERS + 17, MOST_HEADERS + 1), (MOST_PAYLOAD + 17, 0), (2**32 - 1, 0), (0, 0)],
)
def test_sizes_that_cannot_be_are_refused_at_once(size: int, headers: int) -> None:
    """Nothing is kept for a message of gigabytes."""
    framer = Framer()
    assert framer.feed(prelude(size, headers)) == []
    assert framer.broken is not None and not framer.pending


def test_a_message_that_has_begun_is_pending() -> None:
    """So is one whose lengths alone have come."""
    stream = framed(header("a", "b"), b"xyz")
    framer = Framer()
    assert framer.feed(stream[:-1]) == [] and framer.pending
    assert len(framer.feed(stream[-1:])) == 1 and not framer.pending


def test_single_bytes_are_taken() -> None:
    """The worst network."""
    stream = encode([({"a": "b"}, b"x"), ({}, b""), ({"c": "d"}, b"yz")])
    framer = Framer()
    assert [m for part in pieces(stream, range(len(stream))) for m in framer.feed(part)] == Framer().feed(stream)
