"""OpenAI's endpoints that are no conversation, client side: embeddings, moderations, images, speech."""

from __future__ import annotations

from msgspec.structs import replace

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes import asked, plain, sse
from lbd.shapes.chat import errors
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.clients.openai import error_event

# OpenAI's API gives these a model of its own where the request names none.
_UNNAMED = ("openai.moderations", "openai.images")


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What only the provider can judge is left to it."""
    return asked.read(plain.read, raw, plain.JUDGED, asked.MOST_NUMBERS)


def read_unnamed(raw: bytes) -> Head | Failure:
    """Read a request that may leave its model out."""
    return asked.read(_any_model, raw, plain.JUDGED, asked.MOST_NUMBERS)


def _any_model(raw: bytes) -> Head:
    head = plain.read(raw)
    return head if head.model else replace(head, model=asked.ANY)


for name in plain.PLAIN:
    CLIENTS.add(name)(
        ClientShape(
            name=name,
            read=read_unnamed if name in _UNNAMED else read,
            error_body=errors.encode,
            error_event=error_event,
            passes=errors.is_openai_shaped,
            keep_alive=sse.comment(b"waiting"),
        )
    )
