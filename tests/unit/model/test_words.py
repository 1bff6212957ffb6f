"""The words for codes."""

from __future__ import annotations

from lbd.model.table import AdminState
from lbd.model.words import EXCLUSIONS, MANNERS, REASONS, exclusion


def test_every_word_says_something() -> None:
    """In a sentence's part, without a capital or a stop."""
    for words in (REASONS, MANNERS, EXCLUSIONS):
        for text in words.values():
            assert text and text[0].islower() and not text.endswith(".")


def test_an_order_and_a_lock_have_words_and_what_is_unknown_has_none() -> None:
    """The code itself is shown beside it."""
    assert all(exclusion(f"admin_{state}") for state in AdminState if state != "ready")
    assert exclusion("locked_money") == "locked until a person acts"
    assert exclusion("something_new") == ""
