"""Mistral."""

from __future__ import annotations

import json

from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes.clients import openai
from lbd.shapes.providers.mistral import SHAPE


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
