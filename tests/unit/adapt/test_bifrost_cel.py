"""Bifrost's conditions in CEL: what they mean, and what cannot be said."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.adapt.bifrost_cel import both, conditions

CLIENTS = {"vk-1": "team-a", "Team A": "team-a"}


@pytest.mark.parametrize(
    ("expression", "whens"),
    [
        ("", [{}]),
        ("true", [{}]),
        ('model == "gpt-4o"', [{"model": ["gpt-4o", "*/gpt-4o"]}]),
        ("model.startsWith('gpt-4')", [{"model": ["gpt-4*", "*/gpt-4*"]}]),
        ('model.endsWith("[x]")', [{"model": ["*[[]x]", "*/*[[]x]"]}]),
        ('model in ["a", "b"]', [{"model": ["a", "*/a", "b", "*/b"]}]),
        ('provider == "openai"', [{"model": ["openai/*"]}]),
        ('headers["X-Tier"] == "premium"', [{"header": {"x-tier": "premium"}}]),
        ('headers["x-a"].contains("b")', [{"header": {"x-a": "*b*"}}]),
        ('headers["x-a"] != ""', [{"header": {"x-a": "?*"}}]),
        ('headers["x-a"] in ["1", "2"]', [{"header": {"x-a": "1"}}, {"header": {"x-a": "2"}}]),
        ('virtual_key_id == "vk-1"', [{"client": ["team-a"]}]),
        ('virtual_key_name == "Other Key"', [{"client": ["other-key"]}]),
        ('virtual_key_name.startsWith("prod-")', [{"client": ["prod-*"]}]),
        ('complexity_tier in ["SIMPLE", "COMPLEX"]', [{"difficulty_below": 0.3}, {"difficulty_min": 0.6}]),
        ('(model == "a") && (headers["x"] == "b||c")', [{"model": ["a", "*/a"], "header": {"x": "b||c"}}]),
        ('model == "a" || model == "b"', [{"model": ["a", "*/a"]}, {"model": ["b", "*/b"]}]),
        (
            'headers["x"] == "1" && (model == "a" || headers["y"] == "2")',
            [{"header": {"x": "1"}, "model": ["a", "*/a"]}, {"header": {"x": "1", "y": "2"}}],
        ),
    ],
)
def test_an_expression_is_one_or_more_conditions(expression: str, whens: list[dict[str, Any]]) -> None:
    """Of which any has to hold; quotes and brackets keep what is in them together."""
    assert conditions(expression, CLIENTS) == whens


@pytest.mark.parametrize(
    "expression",
    [
        "budget_used > 8", "!(model == 'a')", 'model != "a"', 'headers["x"].matches("a+")',
        "request_type == 'embedding'", "team_name == 'a'", 'complexity_tier == "EASY"',
        "model in []", "model in [a]", "model == 'a' && model == 'b'",
        'model == "a" || budget_used > 1', 'virtual_key_id.startsWith("a")', 'model == "a', "(", ")", "&&",
        'headers["x"] == "1" && headers["x"] == "2"',
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_not_said(expression: str) -> None:
    """Not a part of it, either."""
    assert conditions(expression, CLIENTS) is None


def test_two_conditions_of_one_thing_are_none() -> None:
    """Headers are several things."""
    assert both([{"model": ["a"]}], [{"model": ["b"]}]) is None
    assert both([{"header": {"a": "1"}}], [{"header": {"b": "2"}}]) == [{"header": {"a": "1", "b": "2"}}]
