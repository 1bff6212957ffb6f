"""Counting a prompt's tokens with Google's ``countTokens``, as Anthropic's clients ask for it.

Sources: ``models.countTokens`` of the Gemini API, which takes a whole request for generateContent, and its
namesake on Vertex AI, which takes some members of one. It costs nothing, so there is no usage.
"""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.model.units import WallTime
from lbd.shapes import ignore, prompts
from lbd.shapes.chat.usage import count
from lbd.shapes.gemini.errors import in_band
from lbd.shapes.gemini.write import write
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.messages.read import read
from lbd.shapes.wire import Facts, Wire

_OF_VERTEX = ("contents", "systemInstruction", "tools", "generationConfig")


class _Counted(msgspec.Struct):
    totalTokens: Any = None  # noqa: N815  as it is called there
    error: Any = None


_decode = msgspec.json.Decoder(_Counted).decode


def _asked(body: Body, row: DeploymentSpec) -> dict[str, Any]:
    prompt = ignore.of_prompt(read(body.raw), row.ignores)
    asked: dict[str, Any] = orjson.loads(write(prompts.of_prompt(prompt, row.prompt), row.upstream_model))
    return asked


def encode(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the request of the Gemini API. Raises LbdError."""
    whole = {"model": f"models/{row.upstream_model}", **_asked(body, row)}
    return orjson.dumps({"generateContentRequest": whole})


def encode_vertex(body: Body, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    """Return the request of Vertex AI. Raises LbdError."""
    return orjson.dumps({name: value for name, value in _asked(body, row).items() if name in _OF_VERTEX})


def facts(body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read the count, and say it as Anthropic does."""
    try:
        counted = _decode(body)
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer is no count: {e}", status=200))
    if counted.error:
        return Facts(failure=in_band(counted.error))
    total = count(counted.totalTokens)
    if total is None:
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer holds no count", status=200))
    return Facts(answer=orjson.dumps({"input_tokens": total}))


_PATH = "/models/{model}:countTokens"
COUNT = Wire(path=_PATH, carries=frozenset(), encode=encode, facts=facts, native=False)
COUNT_VERTEX = Wire(path=_PATH, carries=frozenset(), encode=encode_vertex, facts=facts, native=False)
