"""The mixed workload: what it shows of each prompt."""

from __future__ import annotations

import io

from rich.console import Console

from lbd.demo.mixed import PROMPTS, Answered, quality, show


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


def test_quality_is_told_of_who_was_scored() -> None:
    """With its bounds, and how like the premium's its answers were, where that was measured."""
    out = io.StringIO()
    every = {"family": "all", "value": 0.91, "low": 0.88, "high": 0.94, "count": 12}
    rows = [
        {"id": "small/demo-small", "model": "demo-small", "scores": [every, {**every, "family": "math"}]},
        {"id": "large/demo-large", "model": "demo-large", "scores": [every]},
        {"id": "medium/demo-medium", "model": "demo-medium", "scores": []},
    ]
    measured = [{"deployment": "small/demo-small", "metric": "chrf", "mean": 0.75, "n": 12}]
    told = {"counts": {"sampled": 24, "scored": 24}, "measured": measured, "spent_today_usd": 0.0125}
    quality(Console(file=out, width=120), {"tiers": [{"deployments": rows}]}, told)
    lines = out.getvalue().splitlines()
    assert lines[1].startswith("24 answers scored")
    assert lines[2] == "  demo-small   0.91 (0.88 to 0.94) of 12 scores; chrF 0.75"
    assert lines[3].endswith("of 12 scores") and len(lines) == 5 and "0.012500 USD" in lines[4]
