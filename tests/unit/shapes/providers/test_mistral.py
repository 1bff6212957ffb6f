"""Mistral."""

from __future__ import annotations

import json

import pytest

from lbd.model.failure import FailureKind, LbdError
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes.clients import openai
from lbd.shapes.providers.mistral import SHAPE, call_id


def sent(more: dict[str, object]) -> dict[str, object]:
    raw = json.dumps({"model": "m", "messages": [], **more}).encode()
    head = openai.read(raw)
    row = DeploymentSpec("p/m", "p", "m", "m", "primary")
    made: dict[str, object] = json.loads(
        SHAPE.speaks["openai.chat"].encode(Body("openai.chat", raw, head), row, True, SHAPE.stream_usage)
    )  # type: ignore[arg-type]
    return made


def test_what_it_refuses_is_left_out_and_what_it_calls_otherwise_renamed() -> None:
    """Its usage comes in every stream unasked."""
    asked = sent({"stream": True, "stream_options": {"include_usage": True}, "seed": 1, "max_completion_tokens": 5})
    assert asked == {"model": "m", "messages": [], "stream": True, "random_seed": 1, "max_tokens": 5}


def test_ids_of_calls_are_of_nine_letters_or_digits() -> None:
    """A result finds its call; one that is so already stays, and so does what is no conversation."""
    call = {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    own = {**call, "id": "abcDEF123"}
    messages = [{"role": "assistant", "tool_calls": [call, own, 1]}, {"role": "tool", "tool_call_id": "call_abc"}, 2]
    told = SHAPE.speaks["openai.chat"]
    made: object = sent({"messages": messages})["messages"]
    assert isinstance(made, list)
    calls = made[0]["tool_calls"]
    assert calls[0]["id"] == made[1]["tool_call_id"] == call_id("call_abc") and len(calls[0]["id"]) == 9
    assert calls[1:] == [own, 1] and made[2] == 2
    assert not {"logprobs", "top_k"} & told.carries


def test_how_much_to_say_is_refused_and_not_left_out() -> None:
    """It would change the answer; what everybody gives unasked asks for nothing."""
    assert "verbosity" not in sent({"verbosity": "medium"})
    with pytest.raises(LbdError) as raised:
        sent({"verbosity": "high"})
    assert (raised.value.failure.kind, raised.value.failure.param) == (FailureKind.UNSUPPORTED, "/verbosity")
