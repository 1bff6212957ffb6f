"""Embeddings at the Gemini API, by way of ``batchEmbedContents``: one request for each text, in one body.

``task_type`` of a request goes on as the API's ``taskType``: OpenAI has no word for what vectors are for.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lbd.model.failure import LbdError
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes import embeddings
from lbd.shapes.embeddings import Found, Vector
from lbd.shapes.gemini.errors import in_band
from lbd.shapes.gemini.usage import usage_of

PURPOSE = "task_type"  # as Google's own SDKs call it


class _Embedding(msgspec.Struct):
    values: Vector


class _Answer(msgspec.Struct):
    embeddings: list[_Embedding] | None = None
    usageMetadata: Any = None  # noqa: N815  newer models tell it
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


def encode(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the request: one for each text, in order. Raises LbdError."""
    asked = embeddings.read(body.raw, PURPOSE)
    name = f"models/{row.upstream_model}"
    more = options(outputDimensionality=asked.size, taskType=asked.purpose)
    requests = [{"model": name, "content": {"parts": [{"text": text}]}, **more} for text in asked.texts]
    return orjson.dumps({"requests": requests})


def options(**given: Any) -> dict[str, Any]:
    """Return what was asked for."""
    return {name: value for name, value in given.items() if value is not None}


def read(body: bytes) -> Found:
    """Return the vectors. Raises LbdError, or what ``UNREADABLE`` names."""
    answer = _decode(body)
    if answer.error:
        raise LbdError(in_band(answer.error))
    return Found([e.values for e in answer.embeddings or ()], usage_of(answer.usageMetadata))


EMBED = embeddings.wire("/models/{model}:batchEmbedContents", encode, read)
