"""Vectors of words from their pieces."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

from lbd.quality.pieces import TOKENS, WEIGHTS, Pieces


def make(at: Path, vocabulary: dict[str, int], merges: list[str], table: list[list[float]]) -> None:
    """Write the package's two data files."""
    numbers = np.asarray(table, dtype="<f2")
    where = {"dtype": "F16", "shape": list(numbers.shape), "data_offsets": [0, numbers.nbytes]}
    head = json.dumps({"embedding.weight": where}).encode()
    for name in (WEIGHTS, TOKENS):
        (at / name).parent.mkdir()
    (at / WEIGHTS).write_bytes(struct.pack("<Q", len(head)) + head + numbers.tobytes())
    (at / TOKENS).write_text(json.dumps({"model": {"vocab": vocabulary, "merges": merges}}))


def test_pieces_follow_the_merges(tmp_path: Path) -> None:
    """The first merge goes first; of two ways to write a word the one with fewer pieces is taken."""
    vocabulary = {"\u2581": 0, "a": 1, "b": 2, "\u2581a": 3, "\u2581ab": 4, "\u2581A": 5, "c": 6}
    table = np.arange(14, dtype="<f2").reshape(7, 2)
    make(tmp_path, vocabulary, ["\u2581 a", "\u2581a b", "\u2581 A"], table.tolist())
    source = Pieces(tmp_path)
    assert source.of("ab").tolist() == table[4].tolist()
    assert source.of("a").tolist() == ((table[3] + table[5]) / 2).tolist()
    assert source.of("zz").tolist() == table[0].tolist()
    assert source.known() == ["a", "ab"]
