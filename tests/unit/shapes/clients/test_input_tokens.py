"""Counting a prompt's tokens."""

from __future__ import annotations

import json

from openai.types.responses import InputTokenCountResponse

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes.clients.input_tokens import SHAPE, estimate, read


def test_what_the_answer_would_need_does_not_matter() -> None:
    """Nothing is generated; what is no request of this API is none here either."""
    asked = {"model": "m", "input": "hi", "tools": [{"type": "web_search"}], "reasoning": {"effort": "low"}}
    head = read(json.dumps(asked).encode())
    assert isinstance(head, Head)
    assert (head.model, head.stream, head.needs) == ("m", False, frozenset())
    assert isinstance(read(b"{}"), Failure)
    assert isinstance(read(json.dumps({**asked, "previous_response_id": "resp_1"}).encode()), Failure)


def test_lbd_s_own_answer_is_of_the_official_form() -> None:
    """As the official SDK reads it."""
    assert SHAPE.estimate is estimate
    told = InputTokenCountResponse.model_validate(json.loads(estimate(12)), strict=True)
    assert (told.input_tokens, told.object) == (12, "response.input_tokens")
