"""Vectors of words: signs are fixed by the word; pieces follow the merges of their vocabulary."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from lbd.train.vectors import Pieces, Signs, best


def test_signs_are_fixed_by_the_word() -> None:
    """Another word has others."""
    source = Signs()
    assert (source.of("tide") == source.of("tide")).all()
    assert (source.of("tide") != source.of("moon")).any()
    assert set(np.unique(source.of("tide")).tolist()) == {-1.0, 1.0}
    assert source.known() == []


def test_pieces_follow_the_merges(tmp_path: Path) -> None:
    """The first merge goes first; of two ways to write a word the one with fewer pieces is taken."""
    vocabulary = {"\u2581": 0, "a": 1, "b": 2, "\u2581a": 3, "\u2581ab": 4, "\u2581A": 5, "c": 6}
    merges = ["\u2581 a", "\u2581a b", "\u2581 A"]
    table = np.arange(14, dtype="<f2").reshape(7, 2)
    head = json.dumps({"embedding.weight": {"dtype": "F16", "shape": [7, 2], "data_offsets": [0, 28]}}).encode()
    (tmp_path / "weights").mkdir()
    (tmp_path / "tokenizers").mkdir()
    (tmp_path / "weights/l2_supercat_256.safetensors").write_bytes(
        struct.pack("<Q", len(head)) + head + table.tobytes()
    )
    (tmp_path / "tokenizers/l2_supercat_tokenizer_config.json").write_text(
        json.dumps({"model": {"vocab": vocabulary, "merges": merges}})
    )
    source = Pieces(tmp_path)
    assert source.of("ab").tolist() == table[4].tolist()
    assert source.of("a").tolist() == ((table[3] + table[5]) / 2).tolist()
    assert source.of("zz").tolist() == table[0].tolist()
    assert source.known() == ["a", "ab"]


def test_there_is_always_a_source() -> None:
    """With the package or without it."""
    assert best().of("tide").any()
