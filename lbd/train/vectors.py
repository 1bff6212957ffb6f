"""Vectors of words: static ones of an embedding model where its package is installed, else signs by hash.

The package is ``wordllama`` (extra ``train``), see :mod:`lbd.quality.pieces`. Signs by hash know words, not meanings:
weights trained without the package are worse on families that were not seen, and the card says so.
"""

from __future__ import annotations

from typing import Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from lbd.quality.pieces import Pieces, folder


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


def best() -> Vectors:
    """Return the best source that is installed."""
    at = folder()
    return Signs() if at is None else Pieces(at)
