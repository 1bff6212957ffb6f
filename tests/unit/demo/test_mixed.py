"""The mixed workload: what it shows of each prompt."""

from __future__ import annotations

import io

from rich.console import Console

from lbd.demo.mixed import PROMPTS, Answered, show


def test_every_kind_of_prompt_is_there_and_none_twice() -> None:
    """Short ones, long ones, code, exams."""
    assert len(set(PROMPTS)) == len(PROMPTS) >= 12


def test_the_table_shows_the_choice_and_the_money() -> None:
    """A prompt that nobody judged has no numbers made up for it."""
    out = io.StringIO()
    judged = {"family": "math", "difficulty": 0.912, "rule": "complex_reasoning"}
    answered = [
        Answered("Prove it.", 200, "large/demo-large", 0.0002, judged),
        Answered("Hi [bold]", 200, "small/demo-small", 0.000001, None),
    ]
    savings = {"compared": {"requests": 2, "premium_usd": 0.0004, "cost_usd": 0.000201}}
    show(Console(file=out, width=120), answered, savings, "$0.000199 saved, 49.8%")
    lines = out.getvalue().splitlines()
    assert lines[1].split()[:6] == ["Prove", "it.", "math", "0.91", "complex_reasoning", "demo-large"]
    assert lines[2].split()[:5] == ["Hi", "[bold]", "·", "·", "·"]
    assert "$0.000199 saved" in out.getvalue() and "0.000400 USD at the premium model" in out.getvalue()
