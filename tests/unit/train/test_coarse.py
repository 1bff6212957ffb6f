"""Coarse words for families."""

from __future__ import annotations

import pytest

from lbd.train.coarse import word


@pytest.mark.parametrize(
    ("family", "coarse"),
    [
        ("high_school_mathematics", "math"),
        ("gsm8k", "math"),
        ("mbpp", "code"),
        ("college_computer_science", "code"),
        ("arc_challenge", "science"),
        ("commonsense_qa", "reasoning"),
        ("jurisprudence", "knowledge"),
        ("my_own_tickets", "my_own_tickets"),
    ],
)
def test_a_family_has_a_coarse_word(family: str, coarse: str) -> None:
    """Or its own name."""
    assert word(family) == coarse
