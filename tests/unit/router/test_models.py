"""How strong unknown models are held to be: order within lines, sizes, prices."""

from __future__ import annotations

import pytest

from lbd.router.models import UNKNOWN, strength


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ("gpt-4.1-nano", "gpt-4.1-mini"),
        ("gpt-4.1-mini", "gpt-4.1"),
        ("claude-3-haiku-20240307", "claude-haiku-4-5"),
        ("claude-haiku-4-5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5", "claude-opus-4-1"),
        ("gemini-2.5-flash-lite", "gemini-2.5-flash"),
        ("gemini-2.5-flash", "gemini-2.5-pro"),
        ("llama-3.2-1b", "llama-3.1-8b-instruct"),
        ("llama-3.1-8b-instruct", "llama-3.3-70b"),
        ("qwen2.5-0.5b", "qwen2.5-72b"),
        ("mixtral-8x7b", "gpt-4-1106"),
    ],
)
def test_a_line_of_models_is_in_order(weaker: str, stronger: str) -> None:
    """By name or by size."""
    assert 0 <= strength(weaker) < strength(stronger) <= 1


def test_price_decides_where_the_name_says_nothing() -> None:
    """And nothing where there is no price."""
    assert strength("house-model") == UNKNOWN
    assert strength("house-model", 0.1) < strength("house-model", 2.0) < strength("house-model", 20.0) <= 1
    assert strength("house-model", 0.0) >= 0
