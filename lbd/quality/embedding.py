"""How near two texts are in meaning, by the mean of static word vectors: for texts that share few words.

The vectors come with the package ``wordllama`` (extra ``embedding``): a matrix of numbers, no model that runs. A word
that stands in many texts tells little, so that a word counts less the shorter it is; order does not count.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from lbd.model.units import Ratio

if TYPE_CHECKING:
    from lbd.quality.pieces import Pieces

MISSING = "embedding similarity needs the extra: pip install 'lbd[embedding]'"
LONGEST = 64  # letters of a word that count: its pieces are found in the square of their number
_WORD = re.compile(r"[^\W_]+")


def available() -> bool:
    """Tell whether the extra is installed."""
    return all(find_spec(name) is not None for name in ("numpy", "wordllama"))


@lru_cache(maxsize=1)
def _vectors() -> Pieces:
    if not available():
        raise ImportError(MISSING)
    from lbd.quality.pieces import Pieces, folder  # heavy, and seldom wanted

    at = folder()
    if at is None:
        raise ImportError(MISSING)
    return Pieces(at)


@lru_cache(maxsize=10_000)
def _vector(word: str) -> Any:
    return _vectors().of(word)


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the cosine of two vectors, 0 where one has no length."""
    size = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / size if size else 0.0


def _mean(text: str) -> Sequence[float]:
    counts = Counter(word[:LONGEST] for word in _WORD.findall(text.lower()))
    if not counts:
        return ()
    sums: Sequence[float] = sum(n * min(1.0, len(word) / 6) * _vector(word) for word, n in counts.items()).tolist()
    return sums


def similarity(answer: str, reference: str) -> Ratio:
    """Return the similarity, 0 to 1. Raises ImportError with the remedy where the extra is not installed."""
    a, b = _mean(answer), _mean(reference)
    _vectors()  # that it is missing is told of texts without a word, too
    return min(1.0, max(0.0, cosine(a, b))) if len(a) == len(b) else 0.0
