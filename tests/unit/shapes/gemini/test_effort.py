"""How much to think, by model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind, LbdError
from lbd.model.messages import Effort
from lbd.shapes.gemini.effort import thinking


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-3-flash-preview", None, None),
        ("gemini-3-flash-preview", Effort(), None),
        ("gemini-3-flash-preview", Effort("minimal"), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-flash-preview", Effort(off=True), {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro-preview", Effort(off=True), {"thinkingLevel": "LOW"}),
        ("gemini-3-pro-preview", Effort("medium"), {"thinkingLevel": "HIGH"}),
        ("gemini-3.1-pro-preview", Effort("medium"), {"thinkingLevel": "MEDIUM"}),
        ("gemini-3.8-flash", Effort("minimal"), {"thinkingLevel": "LOW"}),
        ("gemini-3.8-flash", Effort("max"), {"thinkingLevel": "HIGH"}),
        ("gemini-3.8-flash", Effort("low", budget=20000), {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.8-flash", Effort(budget=1024, shown=False), {"thinkingLevel": "LOW", "includeThoughts": False}),
        ("gemini-3.8-flash", Effort(budget=10000), {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        ("gemini-3.8-flash", Effort(budget=32000), {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("gemini-3.8-flash", Effort(shown=True), {"includeThoughts": True}),
        ("gemini-2.5-flash", Effort(off=True), {"thinkingBudget": 0}),
        ("gemini-2.5-pro", Effort(off=True), {"thinkingBudget": 128}),
        ("gemini-2.5-pro", Effort("low"), {"thinkingBudget": 1024}),
        ("gemini-2.5-flash", Effort("high", shown=True), {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-flash", Effort(budget=99999), {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-2.5-pro", Effort(budget=99999), {"thinkingBudget": 32768, "includeThoughts": True}),
        ("gemini-2.5-flash-lite", Effort(budget=100), {"thinkingBudget": 512, "includeThoughts": True}),
        ("gemini-2.5-flash", Effort(), None),
        ("gemini-2.0-flash", Effort(off=True), None),
        ("gemini-2.0-flash", Effort(shown=True), None),
    ],
)
def test_an_effort_is_told_in_the_models_own_way(model: str, effort: Effort | None, config: Any) -> None:
    """Levels from Gemini 3 on, budgets before; what cannot be had exactly is the nearest that can."""
    assert thinking(effort, model) == config


@pytest.mark.parametrize(
    ("model", "effort"),
    [
        ("gemini-3-flash", Effort("a lot")),
        ("gemini-2.5-pro", Effort("a lot")),
        ("gemini-2.0-flash", Effort("low")),
        ("gemma-3", Effort(budget=1000)),
    ],
)
def test_what_cannot_be_told_is_refused(model: str, effort: Effort) -> None:
    """Another deployment may take it."""
    with pytest.raises(LbdError) as e:
        thinking(effort, model)
    assert e.value.failure.kind is FailureKind.UNSUPPORTED


@given(
    st.sampled_from(
        ["gemini-3-pro", "gemini-3.8-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite", "gemini-2.5-flash"]
    ),
    st.sampled_from([None, "minimal", "low", "medium", "high", "xhigh", "max"]),
    st.none() | st.integers(1, 200_000),
    st.booleans(),
    st.sampled_from([None, True, False]),
)
def test_never_a_level_and_a_budget_at_once(
    model: str, level: str | None, budget: int | None, off: bool, shown: bool | None
) -> None:
    """Both are refused."""
    config = thinking(Effort(level, budget, off, shown), model) or {}
    assert not {"thinkingLevel", "thinkingBudget"} <= config.keys()
    assert shown is None or config["includeThoughts"] is shown
