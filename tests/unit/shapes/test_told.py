"""What a client was told in all."""

from __future__ import annotations

import json

import pytest

from lbd.plugins import load
from lbd.shapes.told import FOLDS, whole
from lbd.shapes.validate.texts import READERS, said
from tests.fakes.stage import stream
from tests.unit.shapes.test_alike import said as delta


def test_every_shape_that_can_be_read_can_be_told() -> None:
    """As a stream or at once."""
    assert set(FOLDS) == set(READERS) <= set(load().clients)


def test_a_stream_is_the_answer_it_stands_for() -> None:
    """In each shape that has streams of its own."""
    assert said("openai.chat", whole("openai.chat", stream("Ber", "lin")))[0].text == "Berlin"
    events = delta({"type": "text_delta", "text": "Ber"}) + delta({"type": "text_delta", "text": "lin"})
    assert said("anthropic.messages", whole("anthropic.messages", events))[0].text == "Berlin"
    older = b"".join(
        b"data: " + json.dumps({"choices": [{"index": 0, "text": text}]}).encode() + b"\n\n" for text in ("Ber", "lin")
    )
    assert said("openai.completions", whole("openai.completions", older))[0].text == "Berlin"
    output = [{"type": "message", "content": [{"type": "output_text", "text": "Berlin"}]}]
    last = {"type": "response.completed", "response": {"id": "r", "output": output}}
    events = b"event: response.completed\ndata: " + json.dumps(last).encode() + b"\n\n"
    assert said("openai.responses", whole("openai.responses", events))[0].text == "Berlin"


@pytest.mark.parametrize("shape", sorted(FOLDS))
def test_a_whole_answer_stays_as_it_is(shape: str) -> None:
    """Byte for byte."""
    assert whole(shape, b'{"choices": []}') == b'{"choices": []}'
