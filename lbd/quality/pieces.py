"""Vectors of words from the data of the package ``wordllama`` (MIT): 32,000 sub-word vectors.

Only its two data files are read; a word is the sum of its pieces, which are found by the merges of its vocabulary. The
package's own loader would fetch files from elsewhere.
"""

from __future__ import annotations

import json
import struct
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGE = "wordllama"
WEIGHTS = "weights/l2_supercat_256.safetensors"
TOKENS = "tokenizers/l2_supercat_tokenizer_config.json"
_START = "\u2581"  # what a word's first piece begins with
_LAST = 1 << 30


def folder() -> Path | None:
    """Return where the package's data are, None where it is not installed."""
    found = find_spec(PACKAGE)
    if found is None or found.submodule_search_locations is None:
        return None
    at = Path(next(iter(found.submodule_search_locations)))
    return at if (at / WEIGHTS).exists() and (at / TOKENS).exists() else None


class Pieces:
    """Sums of the vectors of a word's pieces."""

    name = PACKAGE

    def __init__(self, folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        size = struct.unpack_from("<Q", data)[0]
        head: dict[str, Any] = json.loads(data[8 : 8 + size])["embedding.weight"]
        begin, end = head["data_offsets"]
        body = data[8 + size + begin : 8 + size + end]
        self._rows = np.frombuffer(body, "<f2").reshape(head["shape"]).astype(np.float32)
        model: dict[str, Any] = json.loads((folder / TOKENS).read_bytes())["model"]
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
