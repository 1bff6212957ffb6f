"""How OpenRouter's clients are told of failures: a number as code, lbd's own word for it beside it.

Source: OpenRouter's page "Errors and Debugging". Its SDKs read a number there and refuse a word.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec

from lbd.model.failure import Blame, Failure
from lbd.shapes import sse
from lbd.shapes.chat import errors
from lbd.shapes.clients import ClientShape


def spoken(shape: ClientShape) -> ClientShape:
    """Return OpenAI's shape ``shape`` as OpenRouter's clients speak it; another house's as it is."""
    if not shape.name.startswith("openai."):
        return shape
    last = event if shape.name in ("openai.chat", "openai.completions") else shape.error_event
    return dataclasses.replace(shape, error_body=encode, error_event=last, passes=is_shaped)


def encode(failure: Failure) -> bytes:
    """Return the error body of a failure."""
    return msgspec.json.encode({"error": _told(failure)})


def event(failure: Failure) -> bytes:
    """Return the event that ends a broken stream: a chunk whose choice ended by an error; no end mark follows it."""
    ended = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "error"}
    chunk = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": "", "choices": [ended]}
    return sse.encode(msgspec.json.encode({**chunk, "error": _told(failure)}))


def is_shaped(body: bytes) -> bool:
    """Tell whether an error body can go to such a client as it is."""
    error = errors.worded(body)
    return error is not None and type(error.get("code")) is int


def _told(failure: Failure) -> dict[str, Any]:
    told = errors.fields(failure)
    own = failure.row.blame is Blame.CLIENT and failure.status is not None and 400 <= failure.status < 500
    status = failure.status if own else failure.row.status
    return {**told, "code": status, "metadata": {"error_type": told["code"]}}
