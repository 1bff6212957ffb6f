"""OpenAI's embeddings endpoint at providers of other shapes: what is asked is read here, and vectors are answered.

What a provider cannot take is refused by name, so that another deployment is asked: token ids, which are of OpenAI's
own vocabulary; more texts than its model takes at once; a size that its model does not make.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Collection
from functools import partial
from typing import Annotated, Any, NamedTuple

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.model.units import WallTime
from lbd.shapes import counting, dig
from lbd.shapes.chat.read import decode
from lbd.shapes.ignore import Encode
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.wire import Facts, Wire

FLOAT32_MAX = 3.4028234663852886e38  # what base64 answers are made of; beyond it a value is no part of a vector
_HINTS = frozenset({"model", "user", "metadata"})
_ENCODINGS = ("float", "base64")

Vector = list[Annotated[float, msgspec.Meta(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]]


class Asked(NamedTuple):
    """What a request asks for: texts in order, the vectors' size (None: the model's own), and what they are for."""

    texts: tuple[str, ...]
    size: int | None
    purpose: str | None


class Found(NamedTuple):
    """What an answer holds: vectors in the order of the texts, and what the provider says that they took."""

    vectors: list[Vector]
    usage: Usage | None


class _Given(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw()


def read(raw: bytes, purpose: str | None = None) -> Asked:
    """Return what a request asks. Raises LbdError.

    ``purpose``: the member by which clients that know the model say what its vectors are for, in the model's own words;
    None where the model is not told.
    """
    asked = decode(raw)
    known = {*_HINTS, "input", "dimensions", "encoding_format", *(() if purpose is None else (purpose,))}
    dig.only(asked, known, "", asked)
    encoding = dig.maybe_text(asked.get("encoding_format"), "/encoding_format")
    if encoding not in (None, *_ENCODINGS):
        raise dig.unsupported("/encoding_format", f"{encoding!r} is none of {', '.join(_ENCODINGS)}")
    size = dig.whole(asked.get("dimensions"), "/dimensions")
    return Asked(_texts(asked), size, purpose and dig.maybe_text(asked.get(purpose), f"/{purpose}"))


def _texts(asked: dict[str, Any]) -> tuple[str, ...]:
    given = asked.get("input")
    if isinstance(given, list) and given and not isinstance(given[0], str):
        raise dig.unsupported("/input", "token ids cannot be embedded here; send text")
    if not given:
        raise dig.bad("/input", "expected a string or a list of strings, and not an empty one")
    return dig.words(given, "/input")


def texts_of(raw: bytes) -> int | None:
    """Return how many texts a request has embedded, None where that is not plain: one may be a list of token ids."""
    given = bytes(msgspec.json.decode(raw, type=_Given).input).lstrip()
    if not given.startswith(b"["):
        return 1 if given.startswith(b'"') else None
    several = msgspec.json.decode(given, type=list[msgspec.Raw])
    return 1 if several and bytes(several[0]).isdigit() else len(several)


def lacks(vectors: Callable[[bytes], Collection[Any]], body: Body, answer: bytes) -> Failure | None:
    """Return the failure that an answer is with another number of vectors: whose each is nobody could tell."""
    try:
        texts, found = texts_of(body.raw), len(vectors(answer))
    except UNREADABLE:
        return None
    if texts is None or texts == found:
        return None
    return Failure(FailureKind.BAD_BODY, f"the answer holds {found} embeddings of {texts} texts", status=200)


def at_most(texts: Collection[str], most: int, model: str) -> None:
    """Refuse more texts than a model takes in one request."""
    if len(texts) > most:
        what = "one text" if most == 1 else f"at most {most} texts"
        raise dig.unsupported("/input", f"{model} takes {what} a request, and this one has {len(texts)}")


def of_size(size: int | None, sizes: Collection[int], model: str) -> None:
    """Refuse a size of vectors that a model does not make."""
    if size is not None and size not in sizes:
        raise dig.unsupported("/dimensions", f"{model} makes vectors of {', '.join(map(str, sorted(sizes)))}")


# Reads a provider's answer. It raises LbdError for an error in spite of its status, or what ``UNREADABLE`` names.
Read = Callable[[bytes], Found]


def wire(path: str, encode: Encode, read: Read, **more: Any) -> Wire:
    """Return how embeddings are asked at a path of another shape. See :class:`lbd.shapes.wire.Wire`."""
    return Wire(
        path=path,
        carries=frozenset(),
        encode=encode,
        facts=partial(_facts, read),
        native=False,
        serves="embeddings",
        finish=partial(_finish, read),
        lacks=partial(lacks, lambda answer: read(answer).vectors),
        **more,
    )


def _facts(read: Read, body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read whether it is an answer, and its usage; :func:`_finish` writes it as the client reads it."""
    try:
        found = read(body)
    except LbdError as e:
        return Facts(failure=e.failure)
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer holds no embeddings: {e}", status=200))
    if not found.vectors or not all(found.vectors):
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer holds no embeddings", status=200))
    return Facts(found.usage)


def _finish(read: Read, answer: bytes, body: Body, row: DeploymentSpec, usage: Usage | None = None) -> bytes:
    """Return the answer in OpenAI's shape, in the encoding that the client asked for; its usage is told or estimated.

    OpenAI's own SDK asks for base64 by itself, and decodes it without looking.
    """
    packed = decode(body.raw).get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _packed(vector) if packed else vector}
        for i, vector in enumerate(read(answer).vectors)
    ]
    tokens = counting.prompt_tokens(body.head.text_bytes) if usage is None else usage.prompt
    counts = {"prompt_tokens": tokens, "total_tokens": tokens}
    return orjson.dumps({"object": "list", "data": data, "model": row.upstream_model, "usage": counts})


def _packed(vector: Vector) -> str:
    """Return a vector as OpenAI packs it: float32, little-endian, in base64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
