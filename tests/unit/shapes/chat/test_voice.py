"""How chat completions are translated."""

from __future__ import annotations

import json

from lbd.model.messages import Prompt, Text, Turn
from lbd.model.provider import DeploymentSpec
from lbd.shapes.chat import passing
from lbd.shapes.chat.voice import DIALECT, VOICE

ROW = DeploymentSpec("p/m", "p", "m", "up", "primary")


def test_a_prompt_is_asked_of_the_row_s_own_model() -> None:
    """As a stream with its usage, where that is wanted."""
    body = json.loads(DIALECT.write(Prompt("m", (Turn("user", (Text("hi"),)),)), ROW, True, True))
    assert body["model"] == "up" and body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


def test_sampling_can_be_expressed() -> None:
    """Clients of other shapes ask for it as a capability, since some models refuse it."""
    assert DIALECT.carries("any") >= passing.CAPABILITIES | {"sampling"}


def test_both_halves_are_of_one_family() -> None:
    """Whose opaque tokens they carry as they are."""
    assert VOICE.family == DIALECT.family == "openai"
    assert DIALECT.path == "/chat/completions" and DIALECT.stream_path is None
