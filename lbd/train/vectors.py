"""Vectors of words: static ones of an embedding model where its package is installed, else signs by hash.

The package ``wordllama`` (MIT, extra ``train``) holds 32,000 sub-word vectors. Only its two data files are read; a
word is the sum of its pieces, which are found by the merges of its vocabulary. Signs by hash know words, not
meanings: weights trained without the package are worse on families that were not seen, and the card says so.
"""

from __future__ import annotations

import json
import struct
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

PACKAGE = "wordllama"
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENS = "tokenizers/l2_supercat_tokenizer_config.json"
_START = "\u2581"  # what a word's first piece begins with
_LAST = 1 << 30


class Vectors(Protocol):
    """Where vectors of words come from."""

    name: str

    def of(self, word: str) -> NDArray[np.float32]:
        """Return a word's vector; zeros where nothing is known."""

    def known(self) -> list[str]:
        """Return words, in lower case, that are worth a vector though no training prompt has them."""


class Signs:
    """Random signs by a word's hash."""

    name = "signs by hash"
    dims = 128

    def of(self, word: str) -> NDArray[np.float32]:
        """Return a word's signs."""
        seed = crc32(word.encode("utf-8", "replace"))
        drawn = np.random.Generator(np.random.PCG64(seed)).integers(0, 2, self.dims)
        return (2.0 * drawn - 1.0).astype(np.float32)

    def known(self) -> list[str]:
        """Return none: without meanings only words that were seen help."""
        return []


class Pieces:
    """Sums of the vectors of a word's pieces."""

    name = PACKAGE

    def __init__(self, folder: Path) -> None:
        data = (folder / _WEIGHTS).read_bytes()
        size = struct.unpack_from("<Q", data)[0]
        head: dict[str, Any] = json.loads(data[8 : 8 + size])["embedding.weight"]
        begin, end = head["data_offsets"]
        body = data[8 + size + begin : 8 + size + end]
        self._rows = np.frombuffer(body, "<f2").reshape(head["shape"]).astype(np.float32)
        model: dict[str, Any] = json.loads((folder / _TOKENS).read_bytes())["model"]
        self._ids: dict[str, int] = model["vocab"]
        merges = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
        self._ranks = {(a, b): i for i, (a, b) in enumerate(merges)}

    def of(self, word: str) -> NDArray[np.float32]:
        """Return a word's vector: of the way to write it, small or with a capital, that has fewer pieces."""
        small = self._pieces(word)
        large = self._pieces(word.capitalize()) if word.isalpha() else small
        if len(small) == len(large):
            both = self._rows[small].sum(0) + self._rows[large].sum(0)
            return np.asarray(both / 2, np.float32)
        return np.asarray(self._rows[small if len(small) < len(large) else large].sum(0), np.float32)

    def known(self) -> list[str]:
        """Return the words that are one piece."""
        bare = {piece[1:].lower() for piece in self._ids if piece.startswith(_START)}
        return sorted(word for word in bare if word.isalpha())

    def _pieces(self, word: str) -> list[int]:
        parts = list(_START + word)
        while len(parts) > 1:
            rank, i = min((self._ranks.get(pair, _LAST), i) for i, pair in enumerate(pairwise(parts)))
            if rank == _LAST:
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return [self._ids[part] for part in parts if part in self._ids]


def best() -> Vectors:
    """Return the best source that is installed."""
    found = find_spec(PACKAGE)
    if found is None or found.submodule_search_locations is None:
        return Signs()
    folder = Path(next(iter(found.submodule_search_locations)))
    return Pieces(folder) if (folder / _WEIGHTS).exists() and (folder / _TOKENS).exists() else Signs()
