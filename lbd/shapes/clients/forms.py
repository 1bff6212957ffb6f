"""OpenAI's endpoints that take files, client side: transcriptions and translations of sound, changes of images."""

from __future__ import annotations

from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import Head
from lbd.shapes import asked, forms, sse
from lbd.shapes.chat import errors
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.clients.openai import error_event


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What only the provider can judge is left to it."""
    try:
        head = forms.read(raw)
    except ValueError as e:
        return Failure(FailureKind.BAD_REQUEST, f"the form cannot be read: {e}", code="invalid_multipart")
    return head if head.model else asked.nameless()


def read_unnamed(raw: bytes) -> Head | Failure:
    """Read a request that may leave its model out: OpenAI's API gives it one of its own."""
    try:
        head = forms.read(raw)
    except ValueError:
        return read(raw)
    return head if head.model else replace(head, model=asked.ANY)


for name in forms.FORMS:
    CLIENTS.add(name)(
        ClientShape(
            name=name,
            read=read_unnamed if name == "openai.image_edits" else read,
            error_body=errors.encode,
            error_event=error_event,
            passes=errors.is_openai_shaped,
            keep_alive=sse.comment(b"waiting"),
            forwards=("content-type",),  # it holds the boundary
            named=forms.with_model,
        )
    )
