"""Work that is no conversation: embeddings, moderation, images, speech. A request goes to who declares it, as it is.

What comes back is one whole body, JSON or not, and goes on as it came.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.model.units import WallTime
from lbd.shapes import edit, embeddings, loose
from lbd.shapes.chat.errors import in_band
from lbd.shapes.chat.plain import plain_error
from lbd.shapes.chat.usage import count
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.wire import Facts, Wire


class _Request(msgspec.Struct):
    model: str = ""
    input: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    metadata: dict[str, Any] | None = None


class _Counts(msgspec.Struct):
    prompt_tokens: Any = None
    input_tokens: Any = None
    output_tokens: Any = None


class _Answer(msgspec.Struct):
    error: Any = None
    model: Any = None
    usage: _Counts | None = None
    data: Any = None
    results: Any = None


_decode = msgspec.json.Decoder(_Request).decode
JUDGED = frozenset(_Request.__struct_encode_fields__)
_read_answer = loose.reader(_Answer)


def read(raw: bytes) -> Head:
    """Read what routing needs. Raises what msgspec does."""
    request = _decode(raw)
    return Head(
        model=request.model,
        text_bytes=max(1, len(memoryview(request.input)) + len(memoryview(request.prompt))),
        metadata=request.metadata,
    )


def encode(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the client's own bytes with the upstream model's name."""
    model = row.upstream_model
    return body.raw if model == body.head.model else edit.with_model(body.raw, model)


def facts(holds: str | None, body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read a whole answer: an error in spite of its status, and what it used.

    What is no JSON is sound, or a whole stream.
    ``holds``: the member that makes it an answer, None where it may be anything.
    """
    if not body:
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer is empty", status=200))
    if body[:1] not in b"{[\xef \r\n\t" and (holds is None or body.startswith((b"event:", b"data:"))):
        return Facts()
    try:
        answer = _read_answer(body)
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer cannot be read: {e}", status=200))
    error = answer.error or plain_error(body)
    if error:
        return Facts(failure=in_band(error))
    if not loose.utf8(body):
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer is not UTF-8", status=200))
    held = [] if holds is None else getattr(answer, holds)
    if holds is not None and (not isinstance(held, list) or not held):
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer holds no {holds}", status=200))
    model = answer.model if isinstance(answer.model, str) else None
    return Facts(None if answer.usage is None else _usage(answer.usage), model)


def _usage(told: _Counts) -> Usage | None:
    prompt = count(told.prompt_tokens)
    prompt = count(told.input_tokens) if prompt is None else prompt
    return None if prompt is None else Usage(prompt, count(told.output_tokens) or 0)


def wire(path: str, serves: str, holds: str | None) -> Wire:
    """Return how requests to a path of OpenAI's API pass through, to deployments that declare them."""
    return Wire(path=path, carries=frozenset(), encode=encode, facts=partial(facts, holds), serves=serves)


def _vectors(answer: bytes) -> list[Any]:
    return [item for item in loose.items(_read_answer(answer).data) if loose.members(item).get("embedding", item)]


EMBEDDINGS = replace(wire("/embeddings", "embeddings", "data"), lacks=partial(embeddings.lacks, _vectors))
PLAIN = {
    "openai.embeddings": EMBEDDINGS,
    "openai.moderations": wire("/moderations", "moderations", "results"),
    "openai.images": wire("/images/generations", "images", "data"),
    "openai.speech": wire("/audio/speech", "speech", None),
}
