"""A compression that nobody asked for is taken off, whatever its pieces, and never without bound."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.upstream import inflate as module
from lbd.upstream.inflate import MOST_MEMBERS, BadEncoding, Inflate, TooMuch, inflate


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS = {"gzip": gzip.compress, "zlib": zlib.compress, "bare": bare, "several": lambda d: gzip.compress(d) * 2}


@given(st.binary(max_size=400), st.sampled_from(sorted(PACKERS)), st.lists(st.integers(0, 500), max_size=6))
def test_any_split_of_any_packing_gives_the_data(data: bytes, how: str, cuts: list[int]) -> None:
    """gzip, zlib, bare deflate, and gzip streams one after the other."""
    packed = PACKERS[how](data)
    at = sorted({0, len(packed), *(c for c in cuts if c < len(packed))})
    stream = Inflate(bare=how in ("bare", "zlib"))
    out = b"".join(stream.feed(packed[a:b]) for a, b in itertools.pairwise(at))
    assert out == data * (2 if how == "several" else 1)


@pytest.mark.parametrize("name", [b"gzip", b"x-gzip", b"deflate", b" GZip "])
def test_the_usual_names_are_known_in_any_case(name: bytes) -> None:
    """RFC 9110, 8.4.1."""
    stream = inflate(name)
    assert stream is not None and stream.feed(gzip.compress(b"x")) == b"x"


@pytest.mark.parametrize("name", [b"", b"identity", b" Identity "])
def test_no_compression_needs_nothing(name: bytes) -> None:
    """Most answers."""
    assert inflate(name) is None


@pytest.mark.parametrize("name", [b"br", b"zstd", b"gzip, gzip", b"\xff"])
def test_what_cannot_be_taken_off_is_refused_by_name(name: bytes) -> None:
    """Handing it on would be garbage to the client."""
    with pytest.raises(BadEncoding, match="not asked for"):
        inflate(name)


def test_what_is_not_compressed_is_refused() -> None:
    """At the first piece, and in the middle."""
    with pytest.raises(BadEncoding, match="broken"):
        Inflate().feed(b'{"choices": []}')
    stream = Inflate()
    packed = gzip.compress(bytes(range(256)) * 50)
    stream.feed(packed[:100])
    with pytest.raises(BadEncoding, match="broken"):
        stream.feed(b"\xff" * 400)


def test_what_becomes_too_much_is_refused_before_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kilobyte can stand for a megabyte: one read is bounded in what it becomes, over all its streams."""
    monkeypatch.setattr(module, "MOST", 100_000)
    assert len(Inflate().feed(gzip.compress(b"0" * 100_000))) == 100_000
    for packed in (gzip.compress(b"0" * 100_001), gzip.compress(b"0" * 40_000) * 3):
        with pytest.raises(BadEncoding, match="100000"):
            Inflate().feed(packed)


@pytest.mark.parametrize("how", sorted(PACKERS))
def test_what_is_cut_short_has_not_ended(how: str) -> None:
    """By a byte or by all."""
    packed = PACKERS[how](b"hello")
    for cut, ended in ((len(packed), True), (len(packed) - 1, False), (3, False), (0, False)):
        stream = Inflate(bare=how in ("bare", "zlib"))
        stream.feed(packed[:cut])
        assert stream.ended is ended, cut


def test_very_many_streams_in_one_read_are_refused() -> None:
    """Empty ones cost time and bring nothing; the bound is one of each read."""
    packed = gzip.compress(b"x") * MOST_MEMBERS
    stream = Inflate()
    assert stream.feed(packed) == b"x" * MOST_MEMBERS
    with pytest.raises(BadEncoding, match="follow each other"):
        stream.feed(packed)


def test_a_bound_of_ones_own_is_told_apart_from_what_is_broken() -> None:
    """Up to it everything comes, and not one byte more."""
    assert Inflate(most=5).feed(gzip.compress(b"hello")) == b"hello"
    with pytest.raises(TooMuch):
        Inflate(most=4).feed(gzip.compress(b"hello"))
