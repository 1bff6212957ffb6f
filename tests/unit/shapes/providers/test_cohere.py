"""Cohere."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.shapes.providers.cohere import SHAPE, adapt


def test_it_cannot_answer_several_times() -> None:
    """What it does not support makes it ineligible."""
    assert "n" not in SHAPE.speaks["openai.chat"].carries
    assert "tools" in SHAPE.speaks["openai.chat"].carries


def test_calls_one_at_a_time_are_refused_and_not_left_out() -> None:
    """Another deployment may be asked; where nothing can be called the wish is none."""
    with pytest.raises(LbdError) as raised:
        adapt({"parallel_tool_calls": False, "tools": [{}]})
    assert raised.value.failure.kind is FailureKind.UNSUPPORTED
    assert raised.value.failure.param == "/parallel_tool_calls"
    assert adapt({"parallel_tool_calls": True, "tools": [{}], "user": "me"}) == {"tools": [{}]}
    assert adapt({"parallel_tool_calls": False, "max_completion_tokens": 1}) == {"max_tokens": 1}
