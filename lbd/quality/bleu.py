"""BLEU of texts against references: n-gram precision with a penalty for brevity, on a scale of 0..1.

The definition is sacrebleu's (Post, 2018), so that figures can be compared with anybody's: mteval-v13a tokenisation, up
to four words, clipped counts, the reference length nearest to the text's, exponential smoothing (the k-th order without
a match counts as 1 / 2^k of one). A sentence is judged by the orders that it is long enough for.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lbd.model.units import Ratio

ORDER = 4

# mteval-v13a.pl: punctuation stands alone, but for a period or comma between digits, and a dash behind anything else
_STEPS = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


class Counted(NamedTuple):
    """What a text has in common with its references: enough to be summed over a corpus."""

    length: int
    reference_length: int
    matched: tuple[int, ...]  # by order
    total: tuple[int, ...]


def words(text: str) -> list[str]:
    """Return the words of a text as mteval-v13a parts them."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        for entity, plain in _ENTITIES:
            text = text.replace(entity, plain)
    text = f" {text} "
    for pattern, parted in _STEPS:
        text = pattern.sub(parted, text)
    return text.split()


def _ngrams(tokens: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + n]) for n in range(1, ORDER + 1) for i in range(len(tokens) - n + 1))


def count(text: str, references: Sequence[str]) -> Counted:
    """Return what ``text`` has in common with its references, one or more."""
    if not references:
        raise ValueError("BLEU needs a reference")
    said = words(text)
    given = [words(reference) for reference in references]
    known: Counter[tuple[str, ...]] = Counter()
    for tokens in given:
        known |= _ngrams(tokens)
    matched, total = [0] * ORDER, [0] * ORDER
    for ngram, n in _ngrams(said).items():
        total[len(ngram) - 1] += n
        matched[len(ngram) - 1] += min(n, known.get(ngram, 0))
    nearest = min((abs(len(said) - len(tokens)), len(tokens)) for tokens in given)[1]
    return Counted(len(said), nearest, tuple(matched), tuple(total))


def score(counted: Counted, *, orders: int = ORDER) -> Ratio:
    """Return BLEU by the first ``orders`` of what was counted."""
    if not any(counted.matched):
        return 0.0
    halved, logs = 1.0, 0.0
    for matched, total in zip(counted.matched[:orders], counted.total[:orders], strict=True):
        if total == 0:
            return 0.0  # the corpus has no n-gram of this order
        if matched == 0:
            halved *= 2
        logs += math.log(matched / total if matched else 1 / (halved * total))
    penalty = min(0.0, 1 - counted.reference_length / counted.length)
    return math.exp(logs / orders + penalty)


def sentence(text: str, references: Sequence[str]) -> Ratio:
    """Return the BLEU of one text, by the orders that it is long enough for."""
    counted = count(text, references)
    return score(counted, orders=sum(n > 0 for n in counted.total))


def corpus(pairs: Iterable[tuple[str, Sequence[str]]]) -> Ratio:
    """Return the BLEU of texts, each with its references."""
    every = [count(text, references) for text, references in pairs]
    return score(
        Counted(
            sum(c.length for c in every),
            sum(c.reference_length for c in every),
            tuple(sum(c.matched[n] for c in every) for n in range(ORDER)),
            tuple(sum(c.total[n] for c in every) for n in range(ORDER)),
        )
    )
