"""Cohere."""

from __future__ import annotations

from lbd.shapes.providers.cohere import SHAPE


def test_it_cannot_answer_several_times() -> None:
    """What it does not support makes it ineligible."""
    assert "n" not in SHAPE.speaks["openai.chat"].carries
    assert "tools" in SHAPE.speaks["openai.chat"].carries
