"""BLEU, as sacrebleu has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from lbd.quality import bleu

# text that n-grams have in common, with all that the tokenisation knows of
WORDS = ["the", "cat", "sat", "on", "a", "mat", "größer", "猫", "U.S.", "don't"]
ODD = [
    "1,000.5",
    "3-4",
    "&quot;",
    "&amp;lt;",
    "<skipped>",
    "-\n",
    "\n",
    "(x)",
    "…",
    ".",
    ",",
    "5.",
    "a/b",
    "`",
    "{",
    "~",
]
pieces = st.sampled_from([*WORDS, *ODD, "\t", "\u00a0"])
texts = st.one_of(st.lists(pieces, max_size=14).map(" ".join), st.lists(pieces, max_size=8).map("".join), st.text())
PAIRS = [
    ("The cat sat on the mat.", ["The cat is sitting on the mat.", "A cat sat on the mat"]),
    ("It costs $1,234.50 (about 1.100 EUR), i.e. 3-4 % less.", ["It costs $1,234.50, which is 3-4% less."]),
    ("&quot;Hi&quot; &amp; bye", ['"Hi" & bye']),
    ("Die Größe der Tür", ["die größe der tür"]),
    ("a b", ["a b c d e f g"]),
    ("", ["something"]),
    ("something", [""]),
    ("nothing alike", ["a wholly other text here"]),
]


@pytest.mark.parametrize(("text", "references"), PAIRS)
def test_a_sentence_scores_as_in_sacrebleu(text: str, references: list[str]) -> None:
    """To 1e-6 on their scale of 100."""
    wanted = BLEU(effective_order=True).sentence_score(text, references).score
    assert bleu.sentence(text, references) * 100 == pytest.approx(wanted, abs=1e-6)


def test_a_corpus_scores_as_in_sacrebleu() -> None:
    """Counts are summed before the score is taken, references may be several."""
    texts = [text for text, _ in PAIRS]
    references = [[r[0] for _, r in PAIRS], [r[-1] for _, r in PAIRS]]
    wanted = BLEU().corpus_score(texts, references).score
    assert wanted > 10
    assert bleu.corpus(zip(texts, zip(*references, strict=True), strict=True)) * 100 == pytest.approx(wanted, abs=1e-6)


@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_any_sentence_scores_as_in_sacrebleu(text: str, references: list[str]) -> None:
    """Whatever the text."""
    wanted = BLEU(effective_order=True).sentence_score(text, references).score
    assert bleu.sentence(text, references) * 100 == pytest.approx(wanted, abs=1e-6)


@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=6))
def test_any_corpus_scores_as_in_sacrebleu(rows: list[tuple[str, str, str]]) -> None:
    """Whatever the texts."""
    told, one, other = (list(column) for column in zip(*rows, strict=True))
    wanted = BLEU().corpus_score(told, [one, other]).score
    assert bleu.corpus((t, [a, b]) for t, a, b in rows) * 100 == pytest.approx(wanted, abs=1e-6)


@given(texts)
def test_words_are_parted_as_mteval_does(text: str) -> None:
    """The tokenisation by itself."""
    assert bleu.words(text) == Tokenizer13a()(text.rstrip()).split()


def test_the_same_text_scores_one() -> None:
    """Also where it is shorter than four words."""
    assert bleu.sentence("just so", ["just so"]) == pytest.approx(1.0)


def test_no_text_and_no_corpus_score_nothing() -> None:
    """Neither is an error."""
    assert bleu.sentence("", [""]) == 0.0
    assert bleu.corpus([]) == 0.0


def test_a_corpus_without_long_ngrams_scores_nothing() -> None:
    """As defined: only a sentence is judged by the orders it has."""
    assert bleu.corpus([("a b", ["a b"])]) == 0.0


def test_a_text_without_a_reference_cannot_be_scored() -> None:
    """That is the caller's error."""
    with pytest.raises(ValueError, match="reference"):
        bleu.count("x", [])
