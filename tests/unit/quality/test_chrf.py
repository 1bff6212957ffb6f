"""chrF2 and chrF++, as sacrebleu has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from lbd.quality import chrf

pieces = st.sampled_from(
    ["the", "cat", "(hi)", "hi!", "!hi", ".", "größer", "猫が", "a", "b", "\n", "\u00a0", "don't", "--"]
)
texts = st.one_of(st.lists(pieces, max_size=14).map(" ".join), st.lists(pieces, max_size=8).map("".join), st.text())
words = st.sampled_from([0, chrf.WORDS])
PAIRS = [
    ("The cat sat on the mat.", ["The cat is sitting on the mat.", "A cat sat on the mat"]),
    ("It costs $1,234.50 (about 1.100 EUR).", ["It costs $1,234.50, which is less."]),
    ("Die Größe der Tür", ["die größe der tür"]),
    ("a b", ["a b c d e f g"]),
    ("", ["something"]),
    ("something", [""]),
    ("xyz", ["abc"]),
]


@pytest.mark.parametrize("order", [0, chrf.WORDS])
@pytest.mark.parametrize(("text", "references"), PAIRS)
def test_a_sentence_scores_as_in_sacrebleu(text: str, references: list[str], order: int) -> None:
    """To 1e-6 on their scale of 100."""
    wanted = CHRF(word_order=order).sentence_score(text, references).score
    assert chrf.sentence(text, references, words=order) * 100 == pytest.approx(wanted, abs=1e-6)


@given(texts, st.lists(texts, min_size=1, max_size=3), words)
def test_any_sentence_scores_as_in_sacrebleu(text: str, references: list[str], order: int) -> None:
    """Whatever the text."""
    wanted = CHRF(word_order=order).sentence_score(text, references).score
    assert chrf.sentence(text, references, words=order) * 100 == pytest.approx(wanted, abs=1e-6)


@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=6), words)
def test_any_corpus_scores_as_in_sacrebleu(rows: list[tuple[str, str, str]], order: int) -> None:
    """Whatever the texts: counts are summed before the score is taken."""
    told, one, other = (list(column) for column in zip(*rows, strict=True))
    wanted = CHRF(word_order=order).corpus_score(told, [one, other]).score
    assert chrf.corpus(((t, [a, b]) for t, a, b in rows), words=order) * 100 == pytest.approx(wanted, abs=1e-6)


def test_the_same_text_scores_one_and_nothing_in_common_scores_nothing() -> None:
    """The ends of the scale."""
    assert chrf.sentence("just so", ["just so"]) == pytest.approx(1.0)
    assert chrf.sentence("abc", ["xyz"]) == 0.0
    assert chrf.corpus([]) == 0.0


def test_a_text_without_a_reference_cannot_be_scored() -> None:
    """That is the caller's error."""
    with pytest.raises(ValueError, match="reference"):
        chrf.count("x", [])
