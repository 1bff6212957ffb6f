"""Text completions, as they are or translated."""

from __future__ import annotations

from lbd.shapes import bridge
from lbd.shapes.providers import PROVIDERS

SHAPES = PROVIDERS.load()


def test_who_has_the_endpoint_is_asked_there_and_who_has_not_is_asked_a_chat() -> None:
    """Of a hosted provider's models only those that say so have it."""
    assert bridge.wires(SHAPES["vllm"], "m")["openai.completions"].path == "/completions"
    assert bridge.wires(SHAPES["openai"], "m")["openai.completions"].path == "/chat/completions"
    assert bridge.wires(SHAPES["openai"], "m", {"completions"})["openai.completions"].path == "/completions"
    assert bridge.wires(SHAPES["anthropic"], "m")["openai.completions"].path == "/messages"
