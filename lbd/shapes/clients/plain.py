"""OpenAI's endpoints that are no conversation, client side: embeddings, moderations, images, speech."""

from __future__ import annotations

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import Head
from lbd.shapes import plain, sse
from lbd.shapes.chat import errors
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.clients.openai import error_event, refusal
from lbd.shapes.loose import UNREADABLE


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What only the provider can judge is left to it."""
    try:
        head = plain.read(raw)
    except msgspec.ValidationError as e:
        return refusal(str(e))
    except UNREADABLE as e:
        return Failure(FailureKind.BAD_REQUEST, f"the body is not a JSON object: {e}", code="invalid_json")
    if not head.model:
        return Failure(FailureKind.BAD_REQUEST, "you must name a model", param="model", code="model_required")
    return head


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
