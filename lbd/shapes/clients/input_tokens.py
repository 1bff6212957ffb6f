"""Counting a prompt's tokens as OpenAI's Responses API does: lbd's own estimate, from what the models of late took."""

from __future__ import annotations

import orjson
from msgspec.structs import replace

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.model.units import Tokens
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.clients.responses import SHAPE as RESPONSES
from lbd.shapes.clients.responses import read as read_response


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What a model has to do for the answer does not matter where it is only counted."""
    head = read_response(raw)
    return head if isinstance(head, Failure) else replace(head, stream=False, needs=frozenset())


def estimate(tokens: Tokens) -> bytes:
    """Return the answer that lbd gives by itself."""
    return orjson.dumps({"object": "response.input_tokens", "input_tokens": tokens})


SHAPE = CLIENTS.add("openai.input_tokens")(
    ClientShape(
        name="openai.input_tokens",
        read=read,
        error_body=RESPONSES.error_body,
        error_event=RESPONSES.error_event,
        passes=RESPONSES.passes,
        keep_alive=RESPONSES.keep_alive,
        estimate=estimate,
    )
)
