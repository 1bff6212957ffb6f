"""What a response says again of the request it answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response

from lbd.shapes.gather import gather
from lbd.shapes.responses import echo
from lbd.shapes.responses.speak import ResponsesSpeaker
from lbd.shapes.responses.voice import VOICE
from tests.unit.shapes.responses.answers import ANSWERS
from tests.unit.shapes.streams import spec_events

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}
ASKED: dict[str, Any] = {
    "model": "m",
    "input": "hi",
    "instructions": "Be brief.",
    "temperature": 0.25,
    "top_p": 0.5,
    "max_output_tokens": 99,
    "max_tool_calls": 3,
    "metadata": {"a": "b"},
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low"},
    "text": {"format": {"type": "json_object"}, "verbosity": "low"},
    "tool_choice": {"type": "function", "name": "f"},
    "tools": [TOOL, {"type": "function", "name": "g"}],
    "top_logprobs": 2,
    "truncation": "disabled",
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "service_tier": "flex",
    "stream": True,
}


def test_what_was_asked_is_said_again() -> None:
    """In the members that the API has for it, and nothing of the prompt's input or the service."""
    found = echo.members(json.dumps(ASKED).encode())
    quiet = {"model", "input", "service_tier", "stream"}
    same = {k: v for k, v in ASKED.items() if k not in {*quiet, "tools", "reasoning"}}
    assert {k: found[k] for k in same} == same
    assert found["reasoning"] == {"effort": "low", "summary": None}
    assert found["tools"] == [TOOL, {"type": "function", "name": "g", "parameters": None, "strict": None}]
    assert not quiet & set(found)


@pytest.mark.parametrize("asked", [b"", b'{"model":"m"}', b"junk", b"[1]", b'{"tools":null,"text":null}'])
def test_where_nothing_was_asked_the_api_has_defaults(asked: bytes) -> None:
    """Null where it is up to the model."""
    found = echo.members(asked)
    assert found["text"] == {"format": {"type": "text"}} and found["tools"] == [] and found["tool_choice"] == "auto"
    assert found["temperature"] is None and found["store"] is False


@given(st.sampled_from(["tools", "text", "reasoning", "metadata"]), st.sampled_from([1, "x", [1], {"a": 1}, True]))
def test_values_out_of_order_raise_nothing(name: str, value: Any) -> None:
    """Its provider may take them, who knows."""
    assert echo.members(json.dumps({"model": "m", name: value}).encode())


@pytest.mark.parametrize("said", ANSWERS.values(), ids=ANSWERS)
def test_a_stream_and_a_whole_answer_say_the_same(said: Any) -> None:
    """From the first event on, and the official SDK reads it."""
    asked = json.dumps(ASKED).encode()
    speaker = ResponsesSpeaker(True, asked)
    events = [json.loads(data) for _, data in spec_events(speaker.say(said) + speaker.end())]
    whole = json.loads(echo.put(VOICE.whole(gather(said)), asked))
    assert events[-1]["response"] == whole
    assert events[0]["response"]["instructions"] == whole["instructions"] == "Be brief."
    assert Response.model_validate(whole).temperature == 0.25
