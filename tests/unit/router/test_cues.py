"""The groups of words: each word in one, names without doubles."""

from __future__ import annotations

from lbd.router import cues


def test_names_of_measures_are_distinct() -> None:
    """What fired is told by name."""
    assert len(set(cues.NAMES)) == len(cues.NAMES)
    assert len(cues.NAMES) < 256  # a byte names a measure in the weights


def test_each_group_has_words_of_its_own() -> None:
    """A word that two groups list would count for the later one only."""
    words = [w for text in cues._WORDS.values() for w in text.split()]
    assert len(words) == len(set(words))
    assert set(cues.GROUP.values()) == set(range(len(cues.GROUPS)))
    assert set(cues.GROUPS) >= cues.SHARES


def test_cues_are_in_lower_case() -> None:
    """Text is lowered before it is looked up."""
    assert all(word == word.lower() for word in (*cues.GROUP, *cues.CUE))
