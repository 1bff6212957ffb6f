"""How Anthropic's Messages API is translated."""

from __future__ import annotations

import json

from lbd.model.messages import Prompt, Text, Turn
from lbd.model.provider import DeploymentSpec
from lbd.shapes.messages.voice import DIALECT, MESSAGES, VOICE, carries

PROMPT = Prompt("m", (Turn("user", (Text("hi"),)),), temperature=0.5)


def asked(model: str) -> dict[str, object]:
    body: dict[str, object] = json.loads(DIALECT.write(PROMPT, DeploymentSpec("p/m", "p", "m", model, "t"), True, True))
    return body


def test_sampling_is_asked_of_models_that_take_it() -> None:
    """What cannot be expressed to a model is neither promised nor sent."""
    old, new = "claude-sonnet-4-5", "claude-opus-4-7"
    assert {"sampling", "top_k"} <= carries(old) and not {"sampling", "top_k"} & carries(new)
    assert carries(new) | {"sampling", "top_k"} == carries(old)
    assert asked(old)["temperature"] == 0.5 and "temperature" not in asked(new)
    assert asked(new)["model"] == new and asked(new)["stream"] is True


def test_both_halves_are_of_one_family() -> None:
    """Whose opaque tokens they carry as they are; and both go to one path."""
    assert VOICE.family == DIALECT.family == "anthropic"
    assert MESSAGES.path == DIALECT.path == "/messages" and MESSAGES.native
