"""Embeddings on Bedrock, by way of ``InvokeModel``: each maker's models have a body of their own.

Sources: "Amazon Titan Embeddings Text", "Cohere Embed v3" and "Cohere Embed v4" in the service's guide. What Cohere's
models took stands in the answer's head alone. A model is known by its id wherever it stands in the upstream model's
name (behind a region, in an ARN); where an ARN does not tell it, by the name that clients use.

Cohere wants to know what vectors are for. A client says it by ``input_type``; who does not, gets vectors of documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import orjson

from lbd.model.failure import LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.ports import Headers
from lbd.shapes import dig, embeddings
from lbd.shapes.bedrock import errors
from lbd.shapes.chat.usage import count
from lbd.shapes.embeddings import Asked, Found, Vector

PURPOSE = "input_type"
DOCUMENT = "search_document"  # the one of Cohere's purposes that is meant for what is stored and searched
TOKENS = "x-amzn-bedrock-input-token-count"


class Family(NamedTuple):
    """Models that are asked alike."""

    mark: str  # what their ids have in common
    most: int  # texts in one request
    sizes: frozenset[int]  # of the vectors that they make
    purpose: str | None  # the member by which they are told what vectors are for
    write: Callable[[Asked], dict[str, Any]]


def _titan(asked: Asked) -> dict[str, Any]:
    return {"inputText": asked.texts[0]}


def _titan_sized(asked: Asked) -> dict[str, Any]:
    return _titan(asked) if asked.size is None else {**_titan(asked), "dimensions": asked.size}


def _cohere(asked: Asked) -> dict[str, Any]:
    # NONE: what is too long is refused and not shortened in silence
    return {"texts": asked.texts, "input_type": asked.purpose or DOCUMENT, "truncate": "NONE"}


def _cohere_sized(asked: Asked) -> dict[str, Any]:
    return _cohere(asked) if asked.size is None else {**_cohere(asked), "output_dimension": asked.size}


# The first whose mark stands in a model's id. Where there is one size alone, nothing is said of it.
FAMILIES = (
    Family("amazon.titan-embed-text-v2", 1, frozenset({256, 512, 1024}), None, _titan_sized),
    Family("amazon.titan-embed-text-v1", 1, frozenset({1536}), None, _titan),
    Family("amazon.titan-embed-g1-text", 1, frozenset({1536}), None, _titan),
    Family("cohere.embed-v4", 96, frozenset({256, 512, 1024, 1536}), PURPOSE, _cohere_sized),
    Family("cohere.embed-english-v3", 96, frozenset({1024}), PURPOSE, _cohere),
    Family("cohere.embed-multilingual-v3", 96, frozenset({1024}), PURPOSE, _cohere),
)


def family(row: DeploymentSpec) -> Family:
    """Return how a deployment's model is asked. Raises LbdError where its names do not tell."""
    for name in (row.upstream_model, row.model):
        for found in FAMILIES:
            if found.mark in name:
                return found
    known = ", ".join(f.mark for f in FAMILIES)
    raise dig.unsupported("/model", f"how {row.upstream_model} embeds is not known here; known are {known}")


def encode(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the request in the words of the model's maker. Raises LbdError."""
    kind = family(row)
    asked = embeddings.read(body.raw, kind.purpose)
    embeddings.at_most(asked.texts, kind.most, row.upstream_model)
    embeddings.of_size(asked.size, kind.sizes, row.upstream_model)
    return orjson.dumps(kind.write(asked))


class _ByType(msgspec.Struct):
    floats: list[Vector] | None = msgspec.field(name="float", default=None)


class _Answer(msgspec.Struct):
    embedding: Vector | None = None  # Titan's
    inputTextTokenCount: Any = None  # noqa: N815  as it is called there
    embeddings: list[Vector] | _ByType | None = None  # Cohere's: bare (v3) or by type (v4, which has several)


_decode = msgspec.json.Decoder(_Answer).decode


def read(body: bytes) -> Found:
    """Return the vectors. Raises LbdError, or what ``UNREADABLE`` names."""
    answer = _decode(body)
    vectors = answer.embeddings.floats if isinstance(answer.embeddings, _ByType) else answer.embeddings
    if answer.embedding is not None:
        vectors = [answer.embedding]
    if not vectors and (failure := errors.in_answer(errors.read(body), body)) is not None:
        raise LbdError(failure)
    return Found(vectors or [], _usage(answer.inputTextTokenCount))


def head_usage(headers: Headers) -> Usage | None:
    """Return what the head of an answer tells of usage."""
    return _usage(headers.get(TOKENS))


def _usage(told: object) -> Usage | None:
    tokens = count(told)
    return None if tokens is None else Usage(tokens)


EMBED = embeddings.wire("/model/{model}/invoke", encode, read, head_usage=head_usage)
