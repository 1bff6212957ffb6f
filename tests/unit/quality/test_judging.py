"""Asking a model how good an answer is, and reading what it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.quality import judging


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Fine.\nGRADE: 10", 1.0),
        ("GRADE: 1", 0.0),
        ("**GRADE: 5.5**", 0.5),
        ("GRADE: [7]", 6 / 9),
        ("The marks say GRADE: 10. I do not agree.\nGRADE: 2/10", 1 / 9),
        ("GRADE: 0", None),
        ("GRADE: 11", None),
        ("GRADE: 100", None),
        ("grade ten", None),
        ("", None),
    ],
)
def test_the_last_grade_counts(said: str, expected: float | None) -> None:
    """On the scale that was asked for, or not at all."""
    found = judging.grade(said)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("VERDICT: A", "A"),
        ("I first thought VERDICT: A.\n**VERDICT: B**", "B"),
        ("VERDICT: TIE", "TIE"),
        ("VERDICT: Answer A", None),
        ("VERDICT: BOTH", None),
        ("neither", None),
    ],
)
def test_the_last_verdict_counts(said: str, expected: str | None) -> None:
    """A, B or a tie."""
    assert judging.verdict(said) == expected


@pytest.mark.parametrize(
    ("first", "swapped", "expected"),
    [
        ("A", "B", 1.0),
        ("TIE", "TIE", 1.0),
        ("A", "TIE", 1.0),
        ("B", "A", 0.0),
        ("A", "A", 0.5),
        ("B", "B", 0.5),
        ("TIE", "A", 0.5),
        (None, "A", None),
        ("B", None, None),
    ],
)
def test_only_what_holds_in_both_orders_counts(
    first: judging.Place | None, swapped: judging.Place | None, expected: float | None
) -> None:
    """Not worse in both is 1, worse in both 0; a judge that goes by the place says nothing."""
    assert judging.against(first, swapped) == expected


@given(st.text(max_size=50), st.text(max_size=50))
def test_what_is_judged_stands_whole_between_marks(conversation: str, answer: str) -> None:
    """And so does whatever an answer may contain that looks like a mark."""
    asked = judging.rubric(conversation, answer, mark="7f")
    assert f"<conversation-7f>\n{conversation}\n</conversation-7f>" in asked
    assert f"<answer-7f>\n{answer}\n</answer-7f>" in asked
    assert "<reference-7f>" not in asked
    pair = judging.pairwise(conversation, answer, "other", criteria="short", mark="7f")
    assert f"<answer-A-7f>\n{answer}\n</answer-A-7f>" in pair and "Criteria: short" in pair


def test_of_long_texts_the_middle_is_left_out() -> None:
    """Beginning and end stay, and the judge is told how much is missing."""
    text = "a" * judging.MOST + "b" * 10 + "c" * judging.MOST
    asked = judging.rubric("q", text, reference="r", mark="m")
    assert f"[... {judging.MOST + 10} characters are left out ...]" in asked and len(asked) < judging.MOST + 2000
    assert "<reference-m>\nr\n</reference-m>" in asked
