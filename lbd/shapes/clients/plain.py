"""OpenAI's endpoints that are no conversation, client side: embeddings, moderations, images, speech."""

from __future__ import annotations

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes import asked, plain, sse
from lbd.shapes.chat import errors
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.clients.openai import error_event


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What only the provider can judge is left to it."""
    return asked.read(plain.read, raw)


for name in plain.PLAIN:
    CLIENTS.add(name)(
        ClientShape(
            name=name,
            read=read,
            error_body=errors.encode,
            error_event=error_event,
            passes=errors.is_openai_shaped,
            keep_alive=sse.comment(b"waiting"),
        )
    )
