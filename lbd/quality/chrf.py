"""chrF of texts against references: an F-score of n-grams of characters, recall counted double, on a scale of 0..1.

The definition is sacrebleu's: chrF2 (Popović, 2015) counts one to six characters without white space; chrF++ (2017)
counts one and two words beside them, punctuation at the edge of a word as a word of its own. Precision and recall are
means over the orders that both texts are long enough for. Of several references the one with the best score counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from lbd.model.units import Ratio

CHARACTERS = 6
WORDS = 2  # of chrF++
BETA2 = 4  # recall counts double: beta 2, squared

_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")

Grams: TypeAlias = list[Counter[str]]
Counted: TypeAlias = list[tuple[int, int, int]]  # by order: n-grams of the text, of the reference, of both


def _words(text: str) -> list[str]:
    found: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in _PUNCTUATION:
            found += (word[:-1], word[-1])
        elif len(word) > 1 and word[0] in _PUNCTUATION:
            found += (word[0], word[1:])
        else:
            found.append(word)
    return found


def grams(text: str, *, words: int = 0) -> Grams:
    """Return the n-grams of a text by order: characters, then up to ``words`` words."""
    dense = "".join(text.split())
    found = [Counter(dense[i : i + n] for i in range(len(dense) - n + 1)) for n in range(1, CHARACTERS + 1)]
    if words:
        parted = _words(text)
        found += (Counter(" ".join(parted[i : i + n]) for i in range(len(parted) - n + 1)) for n in range(1, words + 1))
    return found


def _common(said: Grams, given: Grams) -> Counted:
    counted = []
    for ours, theirs in zip(said, given, strict=True):
        both = sum(min(n, theirs[gram]) for gram, n in ours.items() if gram in theirs)
        # an order that the reference is too short for says nothing
        counted.append((ours.total() if theirs else 0, theirs.total(), both))
    return counted


def score(counted: Counted) -> Ratio:
    """Return the F-score of what was counted."""
    orders = [(both / ours, both / theirs) for ours, theirs, both in counted if ours and theirs]
    if not orders:
        return 0.0
    precision = sum(p for p, _ in orders) / len(orders)
    recall = sum(r for _, r in orders) / len(orders)
    if not precision + recall:
        return 0.0
    return (1 + BETA2) * precision * recall / (BETA2 * precision + recall)


def count(text: str, references: Sequence[str], *, words: int = 0) -> Counted:
    """Return what ``text`` has in common with the reference that it is most like."""
    if not references:
        raise ValueError("chrF needs a reference")
    said = grams(text, words=words)
    return max((_common(said, grams(reference, words=words)) for reference in references), key=score)


def sentence(text: str, references: Sequence[str], *, words: int = 0) -> Ratio:
    """Return the chrF2 of one text; chrF++ where ``words`` is ``WORDS``."""
    return score(count(text, references, words=words))


def corpus(pairs: Iterable[tuple[str, Sequence[str]]], *, words: int = 0) -> Ratio:
    """Return the chrF2 of texts, each with its references; chrF++ where ``words`` is ``WORDS``."""
    every = [count(text, references, words=words) for text, references in pairs]
    return score(
        [(sum(c[0] for c in at), sum(c[1] for c in at), sum(c[2] for c in at)) for at in zip(*every, strict=True)]
    )
