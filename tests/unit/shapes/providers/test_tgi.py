"""Text Generation Inference."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.model.outcome import Load
from lbd.shapes.providers.tgi import SHAPE, adapt


def test_its_429_is_a_full_queue_and_no_quota() -> None:
    """Another server may have room; no account is shut for it."""
    said = b'{"error":"Model is overloaded","error_type":"overloaded"}'
    assert SHAPE.classify(429, {}, said, 0.0).kind is FailureKind.OVERLOADED
    assert SHAPE.classify(422, {}, b'{"error":"no"}', 0.0).kind is FailureKind.BAD_REQUEST
    assert SHAPE.read_load(b"tgi_batch_current_size 4\ntgi_queue_size 1\n") == Load(4, 1)


def test_it_serves_one_model_by_any_name_and_embeds_nothing() -> None:
    """Its list says nothing of what may be asked for."""
    assert not SHAPE.lists_models
    assert SHAPE.speaks.keys() == {"openai.chat"}


def test_what_it_would_not_hear_keeps_a_request_away() -> None:
    """It takes such members, and answers as if they were not there."""
    unheard = {"n", "logit_bias", "top_k", "reasoning", "server_tools", "audio", "files", "parallel_tools"}
    assert SHAPE.dialect is not None
    assert not unheard & (SHAPE.speaks["openai.chat"].carries | SHAPE.dialect.carries("m"))
    with pytest.raises(LbdError) as raised:
        adapt({"parallel_tool_calls": False, "tools": [{}]})
    assert (raised.value.failure.kind, raised.value.failure.param) == (FailureKind.UNSUPPORTED, "/parallel_tool_calls")


def test_members_are_put_as_it_reads_them() -> None:
    """Stop sequences in a list, the bound by its older name, parameters of every tool."""
    tool = {"type": "function", "function": {"name": "f"}}
    assert adapt({"stop": "a", "max_completion_tokens": 5, "logit_bias": {}, "tools": [tool]}) == {
        "stop": ["a"],
        "max_tokens": 5,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
    }
    assert adapt({"stop": ["a"], "tools": None}) == {"stop": ["a"], "tools": None}
