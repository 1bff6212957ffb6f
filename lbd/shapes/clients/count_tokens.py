"""Counting a prompt's tokens as Anthropic's API does: by a provider that can, else by lbd's own estimate."""

from __future__ import annotations

import orjson
from msgspec.structs import replace

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.model.units import Tokens
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.clients.anthropic import SHAPE as MESSAGES
from lbd.shapes.clients.anthropic import read as read_message


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What a model has to do for the answer does not matter where it is only counted."""
    head = read_message(raw)
    return head if isinstance(head, Failure) else replace(head, stream=False, needs=frozenset())


def estimate(tokens: Tokens) -> bytes:
    """Return the answer that lbd gives by itself."""
    return orjson.dumps({"input_tokens": tokens})


SHAPE = CLIENTS.add("anthropic.count_tokens")(
    ClientShape(
        name="anthropic.count_tokens",
        read=read,
        error_body=MESSAGES.error_body,
        error_event=MESSAGES.error_event,
        passes=MESSAGES.passes,
        keep_alive=MESSAGES.keep_alive,
        status=MESSAGES.status,
        forwards=MESSAGES.forwards,
        estimate=estimate,
    )
)
