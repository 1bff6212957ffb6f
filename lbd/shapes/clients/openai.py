"""OpenAI's chat completions, client side."""

from __future__ import annotations

import re
from operator import attrgetter
from typing import Any

import msgspec

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes import asked, said, sse, tokens
from lbd.shapes.chat import errors
from lbd.shapes.chat.resume import RESUME
from lbd.shapes.chat.voice import VOICE
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.loose import UNREADABLE


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
    best_of: Any = None  # of some servers, as in text completions
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
_JUDGED = asked.judged(_Request)
# Types of parts inside ``messages``; a quote in a prompt is escaped, so these bytes can only be JSON structure.
_PART = re.compile(rb'"type"\s*:\s*"(image_url|input_audio|file)"')
_MARKS = re.compile(rb'"(?:type"|name"|lbd\.)')
_NAME = re.compile(rb'"name"')
_PARTS = {b"image_url": "images", b"input_audio": "audio", b"file": "files"}


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What only the provider can judge is left to it."""
    request = asked.read(_decode, raw, _JUDGED)
    if isinstance(request, Failure):
        return request
    options = request.stream_options
    messages = memoryview(request.messages)
    # one look settles it for plain text: no parts of other types, no names, and nothing that lbd put there
    marks = _MARKS.search(messages) is not None
    limit = asked.widest(request.max_completion_tokens, request.max_tokens)
    return Head(
        model=request.model,
        stream=bool(request.stream),
        include_usage=options is not None and options.include_usage is True,
        max_output_tokens=asked.bound(limit),
        n=asked.count(request.n),
        draws=asked.count(request.best_of),
        needs=_needs(request, marks=marks),
        text_bytes=len(messages),
        prefix_hash=asked.prefix(messages),
        service_tier=request.service_tier if isinstance(request.service_tier, str) else None,
        metadata=request.metadata,
        marked=marks and tokens.MARK_BYTES in raw,
    )


_NO_NEEDS: frozenset[str] = frozenset()


def _needs(request: _Request, *, marks: bool) -> frozenset[str]:
    needs: list[str] = []
    if request.temperature is not None or request.top_p is not None:
        needs += asked.sampling(request.temperature, request.top_p)
    if request.tools or request.functions:
        needs.append("tools")
    if request.response_format is not None and request.response_format.type in ("json_schema", "json_object"):
        needs.append(request.response_format.type)
    if isinstance(request.modalities, list) and "audio" in request.modalities:
        needs.append("audio")
    if request.n is not None and asked.count(request.n) > 1:
        needs.append("n")
    if request.reasoning_effort not in (None, "none"):
        needs.append("reasoning")
    if _RARE(request) != _NOTHING_RARE:
        needs += _rare(request)
    if marks:
        messages = memoryview(request.messages)
        needs += {_PARTS[part] for part in _PART.findall(messages)}
        if _NAME.search(messages) is not None and _named(messages):
            needs.append("names")
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


class _Message(msgspec.Struct):
    role: Any = None
    name: Any = None


_messages = msgspec.json.Decoder(list[_Message]).decode


def _named(messages: memoryview) -> bool:
    """Tell whether a participant has a name; that of a tool says nothing that its call does not."""
    try:
        return any(m.name is not None and m.role not in ("tool", "function") for m in _messages(messages))
    except UNREADABLE:  # its provider's to refuse
        return False


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
        resume=RESUME,
        said=said.messages,
    )
)
