"""Weight files: they load fast and round-trip, and what is damaged is refused by a typed error."""

from __future__ import annotations

import time
from array import array
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.router.text import Kind
from lbd.router.weights import VERSION, WeightsError, load, pack, unpack

DATA = resources.files("lbd.router").joinpath("weights.bin").read_bytes()


def test_the_packaged_weights_are_small_and_load_fast() -> None:
    """At most 2 MB; under 50 ms where nothing else runs, so the best of five."""
    assert len(DATA) <= 2 * 1024 * 1024
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        found = load(DATA)
        best = min(best, time.perf_counter() - began)
    assert best < 0.1
    assert set(found.parts) == set(found.places) == set(Kind)
    assert found.sha256 in DATA[:64].hex()


def test_what_is_packed_is_unpacked() -> None:
    """Heads and arrays of each type."""
    arrays = {"a": array("b", [-1, 2]), "b": array("f", [0.5]), "c": array("I", [7, 8]), "d": array("H", [])}
    head, found, digest = unpack(pack({"x": [1, "y"]}, arrays))
    assert head["x"] == [1, "y"] and found == arrays and len(digest) == 64


def test_packing_again_gives_the_same_bytes() -> None:
    """Nothing of time or chance is in a file."""
    head, arrays, _ = unpack(DATA)
    head.pop("arrays")
    assert pack(head, arrays) == DATA


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_one_changed_byte_is_found(at: int, by: int) -> None:
    """Wherever it is."""
    changed = bytearray(DATA)
    changed[at] ^= by
    with pytest.raises(WeightsError):
        load(bytes(changed))


@pytest.mark.parametrize("data", [b"", b"LBDR", b"no weights at all" * 9, DATA[:-1], DATA + b"x", DATA[:1000]])
def test_what_is_no_whole_file_is_refused(data: bytes) -> None:
    """Cut, grown, or something else."""
    with pytest.raises(WeightsError, match="train"):
        load(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("measures", ["other"]),
        ("slots", 7),
        ("dims", 31),
        ("places", {}),
        ("parts", {}),
        ("spread", [1.0]),
        ("means", 3),
        ("bold", None),
    ],
)
def test_a_head_that_does_not_fit_is_refused(key: str, value: object) -> None:
    """A good hash does not make good weights."""
    head, arrays, _ = unpack(DATA)
    head.pop("arrays")
    with pytest.raises(WeightsError, match="train"):
        load(pack({**head, key: value}, arrays))


def test_a_line_names_measures_that_exist() -> None:
    """As a forest does."""
    head, arrays, _ = unpack(DATA)
    head.pop("arrays")
    parts = {**head["parts"], "sums": {**head["parts"]["sums"], "line": [[999, 0.1]]}}
    with pytest.raises(WeightsError, match="line of 'sums'"):
        load(pack({**head, "parts": parts}, arrays))


@pytest.mark.parametrize("name", ["words", "vectors", "open.table", "free.points", "listed.lanes", "listed.leaves"])
def test_an_array_that_does_not_fit_is_refused(name: str) -> None:
    """Too short, or not there."""
    head, arrays, _ = unpack(DATA)
    head.pop("arrays")
    with pytest.raises(WeightsError):
        load(pack(head, {**arrays, name: arrays[name][:-1]}))
    with pytest.raises(WeightsError):
        load(pack(head, {key: values for key, values in arrays.items() if key != name}))


def test_another_version_and_unknown_types_are_refused() -> None:
    """With what to do."""
    with pytest.raises(WeightsError, match="version 9"):
        load(DATA[:4] + b"\x09\x00" + DATA[6:])
    with pytest.raises(WeightsError, match="unknown type"):
        unpack(pack({}, {"a": array("d", [1.0])}))
    with pytest.raises(WeightsError, match="cannot be read"):
        unpack(pack({}, {"a": array("B", [1])}).replace(b"{", b"[", 1)[:0] + _rehashed(b"nonsense"))


def _rehashed(body: bytes) -> bytes:
    import hashlib
    import struct

    return struct.pack("<4sHI32s", b"LBDR", VERSION, len(body), hashlib.sha256(body).digest()) + body
