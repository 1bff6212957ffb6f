"""Everyday prompts are simple, open-ended work is complex; exams and texts with formulas do not lean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lbd.router.lean import CODE, EXAM, HINT, LIGHT, MAKING, ORDERS, STRONG, lean
from lbd.router.score import packaged
from lbd.router.text import read
from tests.unit.router.labelled import KEPT, MADE_WITH, Labelled, macro_f1

TIER = 0.6  # difficulty from which on the daemon calls a prompt complex


def told(prompts: Sequence[Labelled]) -> float:
    """Return the macro-F1 of simple against complex."""
    said = [packaged().verdict(read(p.text)).difficulty >= TIER for p in prompts]
    return macro_f1([p.complex for p in prompts], said)


@pytest.mark.parametrize("prompts", [MADE_WITH, KEPT], ids=["made with", "kept"])
def test_simple_and_complex_are_told_apart(prompts: Sequence[Labelled]) -> None:
    """Macro-F1 of at least 0.85, also on prompts that were written afterwards."""
    assert len(MADE_WITH) + len(KEPT) >= 240
    assert told(prompts) >= 0.85


@pytest.mark.parametrize("prompts", [MADE_WITH, KEPT], ids=["made with", "kept"])
def test_everyday_prompts_are_well_below_the_tier(prompts: Sequence[Labelled]) -> None:
    """Most of them below 0.4, and nothing is taken from a weak model for them."""
    found = [packaged().verdict(read(p.text)) for p in prompts if not p.complex]
    assert sum(v.difficulty < 0.4 for v in found) >= 0.85 * len(found)
    assert sum(v.excess <= 0 for v in found) >= 0.9 * len(found)


@pytest.mark.parametrize(
    ("text", "leaning"),
    [
        ("Which planet is closest to the sun?", -1.0),
        ("Which planet of our own solar system is the one closest to the sun?", -0.5),
        ("Translate: " + "the harbour was calm and the boats lay still, " * 12, -1.0),
        ("Prove that there are infinitely many primes.", 1.0),
        ("Plan a tour of the lakes for nine people who like trains and old churches.", 0.5),
        ("Which of these is nearest to the sun?", 0.0),
        ("The planet nearest to the sun is a", 0.0),
        ("Write a function that adds two numbers.", 0.0),
        (r"What is $\frac12$ of 3?", 0.0),
        ("Mia has 3 apples and buys 14 more apples at 2 dollars each. How many has she?", 0.0),
        ("Prove it.\nA. yes\nB. no", 0.0),
        ("", 0.0),
    ],
)
def test_form_and_words_decide(text: str, leaning: float) -> None:
    """Short, and no sign of work; or a word that asks for work. Listed questions never lean."""
    assert lean(read(text)) == pytest.approx(leaning, abs=0.34 if leaning == -0.5 else 1e-9)


def test_words_are_in_lower_case() -> None:
    """Text is lowered before it is looked up; no word asks for work and for little at once."""
    words = (*STRONG, *LIGHT, *CODE, *MAKING, *ORDERS, *EXAM, *HINT)
    assert all(word == word.lower() for word in words)
    assert not STRONG & LIGHT
