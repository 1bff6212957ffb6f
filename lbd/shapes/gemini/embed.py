"""Embeddings: OpenAI's request and answer by way of ``batchEmbedContents``.

Usage is not told there, so that the answer's is lbd's own estimate. Token ids of OpenAI's vocabulary mean nothing here.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.model.units import WallTime
from lbd.shapes import dig
from lbd.shapes.chat.read import decode
from lbd.shapes.gemini.errors import in_band
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.wire import Facts, Wire

BYTES_PER_TOKEN = 4
_HINTS = frozenset({"model", "user", "metadata"})


class _Embedding(msgspec.Struct):
    values: list[float]


class _Answer(msgspec.Struct):
    embeddings: list[_Embedding] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


def encode(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the request: one for each text, in order. Raises LbdError."""
    asked = decode(body.raw)
    dig.only(asked, {*_HINTS, "input", "dimensions", "encoding_format"}, "", asked)
    name = f"models/{row.upstream_model}"
    size = dig.whole(asked.get("dimensions"), "/dimensions")
    more = {} if size is None else {"outputDimensionality": size}
    requests = [{"model": name, "content": {"parts": [{"text": text}]}, **more} for text in _texts(asked)]
    return orjson.dumps({"requests": requests})


def _texts(asked: dict[str, Any]) -> tuple[str, ...]:
    given = asked.get("input")
    if isinstance(given, list) and given and not isinstance(given[0], str):
        raise dig.unsupported("/input", "token ids cannot be embedded here; send text")
    if not given:
        raise dig.bad("/input", "expected a string or a list of strings, and not an empty one")
    return dig.words(given, "/input")


def facts(body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read whether it is an answer; :func:`finish` writes it as the client reads it."""
    try:
        answer = _decode(body)
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer holds no embeddings: {e}", status=200))
    if answer.error:
        return Facts(failure=in_band(answer.error))
    if not answer.embeddings:
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer holds no embeddings", status=200))
    return Facts()


def finish(answer: bytes, body: Body, row: DeploymentSpec) -> bytes:
    """Return the answer in OpenAI's shape, in the encoding that the client asked for."""
    packed = orjson.loads(body.raw).get("encoding_format") == "base64"
    found = _decode(answer).embeddings or []
    data = [
        {"object": "embedding", "index": i, "embedding": _packed(e.values) if packed else e.values}
        for i, e in enumerate(found)
    ]
    tokens = max(1, body.head.text_bytes // BYTES_PER_TOKEN)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": row.upstream_model, "usage": usage})


def _packed(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


EMBED = Wire(
    path="/models/{model}:batchEmbedContents",
    carries=frozenset(),
    encode=encode,
    facts=facts,
    native=False,
    serves="embeddings",
    finish=finish,
)
