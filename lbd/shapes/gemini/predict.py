"""Embeddings on Vertex AI: ``predict`` for the text models, ``embedContent`` for those that came after them.

Sources: "Text embeddings API" and "Get text embeddings" (limits), the REST reference of ``models.embedContent``, and
Google's own SDK, which chooses between the two by the model's name as it is done here. A text that is too long is
refused and never shortened in silence: ``predict`` is told so, and an answer that says ``truncated`` is none.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes import embeddings
from lbd.shapes.chat.usage import count
from lbd.shapes.embeddings import Found, Vector
from lbd.shapes.gemini.embed import PURPOSE, options
from lbd.shapes.gemini.errors import in_band
from lbd.shapes.gemini.usage import usage_of
from lbd.shapes.wire import Wire

# "250 input texts for non-Gemini models, and a single input text for Gemini Embedding models" (API limits)
MOST_TEXTS = 250
# Models that ``predict`` does not serve: Gemini's from the second generation on, and those of other makers ("maas").
_CONTENT = re.compile(r"gemini-(?!embedding-(?:001|exp))|-maas$", re.ASCII)


class _Statistics(msgspec.Struct):
    token_count: Any = None
    truncated: Any = None


class _Embedding(msgspec.Struct):
    values: Vector
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Embedding


class _Predicted(msgspec.Struct):
    predictions: list[_Prediction] | None = None
    error: Any = None


class _Embedded(msgspec.Struct):
    embedding: _Embedding | None = None
    usageMetadata: Any = None  # noqa: N815  as it is called there
    truncated: Any = None
    error: Any = None


_decode_predicted = msgspec.json.Decoder(_Predicted).decode
_decode_embedded = msgspec.json.Decoder(_Embedded).decode


def encode_predict(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the request for ``predict``: an instance for each text, in order. Raises LbdError."""
    asked = embeddings.read(body.raw, PURPOSE)
    model = row.upstream_model
    embeddings.at_most(asked.texts, 1 if "gemini" in model else MOST_TEXTS, model)
    instances = [{"content": text, **options(task_type=asked.purpose)} for text in asked.texts]
    parameters = {"autoTruncate": False, **options(outputDimensionality=asked.size)}
    return orjson.dumps({"instances": instances, "parameters": parameters})


def read_predicted(body: bytes) -> Found:
    """Return the vectors. Raises LbdError, or what ``UNREADABLE`` names."""
    answer = _decode_predicted(body)
    if answer.error:
        raise LbdError(in_band(answer.error))
    found = [prediction.embeddings for prediction in answer.predictions or ()]
    told = [e.statistics or _Statistics() for e in found]
    _refuse_shortened(any(s.truncated is True for s in told))
    tokens = [n for n in (count(s.token_count) for s in told) if n is not None]
    return Found([e.values for e in found], Usage(sum(tokens)) if tokens and len(tokens) == len(told) else None)


def encode_content(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the request for ``embedContent``, which takes one text. Raises LbdError."""
    asked = embeddings.read(body.raw, PURPOSE)
    embeddings.at_most(asked.texts, 1, row.upstream_model)
    out: dict[str, Any] = {"content": {"role": "user", "parts": [{"text": asked.texts[0]}]}}
    more = options(outputDimensionality=asked.size, taskType=asked.purpose)
    return orjson.dumps({**out, "embedContentConfig": more} if more else out)


def read_content(body: bytes) -> Found:
    """Return the vector. Raises LbdError, or what ``UNREADABLE`` names."""
    answer = _decode_embedded(body)
    if answer.error:
        raise LbdError(in_band(answer.error))
    _refuse_shortened(answer.truncated is True)
    vectors = [] if answer.embedding is None else [answer.embedding.values]
    return Found(vectors, usage_of(answer.usageMetadata))


def _refuse_shortened(shortened: bool) -> None:
    if shortened:
        raise LbdError(Failure(FailureKind.CONTEXT, "a text is longer than the model takes", status=200))


def _of_model(model: str) -> Wire:
    return CONTENT if _CONTENT.search(model) else PREDICT


CONTENT = embeddings.wire("/models/{model}:embedContent", encode_content, read_content)
PREDICT = embeddings.wire("/models/{model}:predict", encode_predict, read_predicted, of_model=_of_model)
