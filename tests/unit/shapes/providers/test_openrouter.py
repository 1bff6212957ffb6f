"""OpenRouter."""

from __future__ import annotations

import json

from lbd.model.failure import FailureKind
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes.clients import openai
from lbd.shapes.providers.openrouter import SHAPE


def test_it_is_of_the_family() -> None:
    """Its own ways are handled where the family's are: errors in a 200, comments, 402."""
    assert (
        SHAPE.classify(402, {}, b'{"error":{"code":402,"message":"Insufficient credits"}}', 0.0).kind
        is FailureKind.MONEY
    )
    assert SHAPE.stream_usage


def test_no_other_model_than_was_chosen_can_be_asked_for() -> None:
    """A client that may have one model only would have any of theirs; where to ask for it is the client's to say."""
    row = DeploymentSpec("p/m", "p", "m", "m", "primary")
    choosing = {"models": ["dear"], "preset": "dearest", "route": "fallback"}
    asked = {"model": "m", "messages": [], "provider": {"order": ["a"]}}
    for more, sent in ((choosing, asked), ({"user": "models"}, {**asked, "user": "models"})):
        raw = json.dumps({**asked, **more}).encode()
        made = SHAPE.speaks["openai.chat"].encode(Body("openai.chat", raw, openai.read(raw)), row, False, True)  # type: ignore[arg-type]
        assert json.loads(made) == sent
