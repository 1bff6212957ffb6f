"""How Google's models are asked."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from lbd.model.messages import Prompt, Text, Turn
from lbd.model.provider import DeploymentSpec
from lbd.shapes.gemini.hear import GeminiListener, read
from lbd.shapes.gemini.voice import DIALECT

ROW = DeploymentSpec("p/m", "p", "m", "gemini-2.5-flash", "primary")


def test_the_model_and_the_stream_stand_in_the_path() -> None:
    """As events, of which each is a whole object, not as one list."""
    assert DIALECT.path == "/models/{model}:generateContent"
    assert DIALECT.stream_path is not None
    split = urlsplit(DIALECT.stream_path)
    assert split.path == "/models/{model}:streamGenerateContent"
    assert parse_qs(split.query) == {"alt": ["sse"]}


def test_a_prompt_is_written_for_the_upstream_model() -> None:
    """Its name is not in the body, and a stream is asked for as a whole is."""
    prompt = Prompt("m", (Turn("user", (Text("hi"),)),))
    bodies = {DIALECT.write(prompt, ROW, stream, usage) for stream in (False, True) for usage in (False, True)}
    assert [json.loads(b) for b in bodies] == [{"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}]


def test_what_hears_is_googles() -> None:
    """And the tokens are of its family."""
    assert DIALECT.family == "gemini"
    assert isinstance(DIALECT.listen("m", 1), GeminiListener)
    assert DIALECT.read is read
    assert "reasoning" in DIALECT.carries("gemini-2.5-flash")
    assert "reasoning" not in DIALECT.carries("gemini-2.0-flash")
