"""OpenAI's chat completions, client side."""

from __future__ import annotations

import re
import zlib
from operator import attrgetter
from typing import Any

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import Head
from lbd.shapes import sse, tokens
from lbd.shapes.chat import errors
from lbd.shapes.chat.voice import VOICE
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.loose import UNREADABLE

# A prompt cache works on blocks from the start of the conversation. Below some thousand bytes re-reading it
# costs a server next to nothing, and pinning short prompts to one server would only unbalance the load.
PREFIX_BYTES = 4096


class _StreamOptions(msgspec.Struct):
    include_usage: Any = None


class _ResponseFormat(msgspec.Struct):
    type: Any = None


class _Request(msgspec.Struct):
    model: str
    messages: msgspec.Raw = msgspec.Raw()
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    n: Any = None
    tools: Any = None
    functions: Any = None
    response_format: _ResponseFormat | None = None
    logprobs: Any = None
    seed: Any = None
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    logit_bias: Any = None
    reasoning_effort: Any = None
    web_search_options: Any = None
    modalities: Any = None
    service_tier: Any = None
    metadata: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Request).decode
# Types of parts inside ``messages``; a quote in a prompt is escaped, so these bytes can only be JSON structure.
_PART = re.compile(rb'"type"\s*:\s*"(image_url|input_audio|file)"')
_MARKS = re.compile(rb'"(?:type"|lbd\.)')
_PARTS = {b"image_url": "images", b"input_audio": "audio", b"file": "files"}


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What only the provider can judge is left to it."""
    try:
        request = _decode(raw)
    except msgspec.ValidationError as e:
        return refusal(str(e))
    except UNREADABLE as e:
        return Failure(FailureKind.BAD_REQUEST, f"the body is not a JSON object: {e}", code="invalid_json")
    if not request.model:
        return Failure(FailureKind.BAD_REQUEST, "you must name a model", param="model", code="model_required")
    options = request.stream_options
    messages = memoryview(request.messages)
    size = len(messages)
    # one look settles it for plain text: no parts of other types, and nothing that lbd put there
    marks = _MARKS.search(messages) is not None
    limit = request.max_completion_tokens or request.max_tokens
    return Head(
        model=request.model,
        stream=bool(request.stream),
        include_usage=options is not None and options.include_usage is True,
        max_output_tokens=limit if isinstance(limit, int) and limit > 0 else None,
        n=request.n if isinstance(request.n, int) and request.n > 0 else 1,
        needs=_needs(request, marks=marks),
        text_bytes=size,
        prefix_hash=zlib.crc32(messages[:PREFIX_BYTES]) if size >= PREFIX_BYTES else 0,
        service_tier=request.service_tier if isinstance(request.service_tier, str) else None,
        metadata=request.metadata,
        marked=marks and tokens.MARK_BYTES in raw,
    )


_NO_NEEDS: frozenset[str] = frozenset()


def _needs(request: _Request, *, marks: bool) -> frozenset[str]:
    needs: list[str] = []
    if request.temperature is not None or request.top_p is not None:
        needs += sampling(request.temperature, request.top_p)
    if request.tools or request.functions:
        needs.append("tools")
    if request.response_format is not None and request.response_format.type in ("json_schema", "json_object"):
        needs.append(request.response_format.type)
    if isinstance(request.modalities, list) and "audio" in request.modalities:
        needs.append("audio")
    if isinstance(request.n, int) and request.n > 1:
        needs.append("n")
    if request.reasoning_effort not in (None, "none"):
        needs.append("reasoning")
    if _RARE(request) != _NOTHING_RARE:
        needs += _rare(request)
    if marks:
        needs += {_PARTS[part] for part in _PART.findall(memoryview(request.messages))}
    return frozenset(needs) if needs else _NO_NEEDS


_RARE = attrgetter(
    "logprobs", "seed", "top_k", "frequency_penalty", "presence_penalty", "logit_bias", "web_search_options"
)
_NOTHING_RARE = (None,) * 7


def _rare(request: _Request) -> list[str]:
    given = (
        (request.logprobs, "logprobs"),
        (request.seed is not None, "seed"),
        (request.top_k is not None, "top_k"),
        (request.frequency_penalty or request.presence_penalty, "penalties"),
        (request.logit_bias, "logit_bias"),
        (request.web_search_options is not None, "server_tools"),
    )
    return [word for value, word in given if value]


def sampling(temperature: object, top_p: object) -> list[str]:
    """Return the word for a sampling that is another than everybody's default."""
    return [] if temperature in (None, 1) and top_p in (None, 1) else ["sampling"]


def refusal(error: str) -> Failure:
    """Return what a request is refused with whose types are not as they must be."""
    # msgspec says: Expected `str`, got `int` - at `$.model`
    text, _, at = error.partition(" - at `$.")
    param = at.rstrip("`") or None
    if "missing required field `model`" in error:
        return Failure(FailureKind.BAD_REQUEST, "you must name a model", param="model", code="model_required")
    # told as a JSON pointer; ``param`` is as OpenAI writes it
    where = f"/{param.replace('.', '/').replace('[', '/').replace(']', '')}: " if param else ""
    return Failure(FailureKind.BAD_REQUEST, f"{where}{text}", param=param, code="invalid_type")


def error_event(failure: Failure) -> bytes:
    """Return the event that ends a broken stream; no end mark follows it."""
    return sse.encode(errors.encode(failure))


SHAPE = CLIENTS.add("openai.chat")(
    ClientShape(
        name="openai.chat",
        read=read,
        error_body=errors.encode,
        error_event=error_event,
        passes=errors.is_openai_shaped,
        keep_alive=sse.comment(b"waiting"),
        voice=VOICE,
    )
)
