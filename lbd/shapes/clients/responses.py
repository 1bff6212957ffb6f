"""OpenAI's Responses API, client side."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes import asked, said, sse
from lbd.shapes.chat import errors
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.responses import state
from lbd.shapes.responses.resume import RESUME
from lbd.shapes.responses.voice import VOICE

# The number of an event that comes after all others, however many there were.
LAST = 2**31 - 1


class _Format(msgspec.Struct):
    type: Any = None


class _Text(msgspec.Struct):
    format: _Format | None = None


class _Reasoning(msgspec.Struct):
    effort: Any = None
    summary: Any = None


class _Request(msgspec.Struct):
    model: str
    input: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    stream: bool | None = None
    max_output_tokens: Any = None
    tools: Any = None
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    include: Any = None
    temperature: Any = None
    top_p: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    background: Any = None
    store: Any = None
    service_tier: Any = None
    metadata: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Request).decode
_JUDGED = asked.judged(_Request)
# Types of parts inside ``input``; a quote in a prompt is escaped, so these bytes can only be JSON structure.
_PART = re.compile(rb'"type"\s*:\s*"(input_image|input_file)"')
_PARTS = {b"input_image": "images", b"input_file": "files"}


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs, and refuse what would have to be kept. The rest is left to the provider to judge."""
    request = asked.read(_decode, raw, _JUDGED)
    if isinstance(request, Failure):
        return request
    wants = state.kept(request.previous_response_id, request.conversation, request.background, request.store)
    if wants is not None:
        return wants
    said = memoryview(request.input)
    if state.refers(said):
        return state.reference()
    instructions = memoryview(request.instructions)
    return Head(
        model=request.model,
        stream=bool(request.stream),
        include_usage=True,  # the last event of every stream tells it
        max_output_tokens=asked.bound(request.max_output_tokens),
        needs=_needs(request, raw),
        text_bytes=len(instructions) + len(said),
        prefix_hash=asked.prefix(instructions, said),
        service_tier=request.service_tier if isinstance(request.service_tier, str) else None,
        metadata=request.metadata,
    )


def _needs(request: _Request, raw: bytes) -> frozenset[str]:
    needs = set(asked.sampling(request.temperature, request.top_p))
    tools = request.tools if isinstance(request.tools, list) else []
    if tools:
        needs.add("tools")
    if any(isinstance(t, dict) and t.get("type", "function") != "function" for t in tools):
        needs.add("server_tools")
    form = None if request.text is None or request.text.format is None else request.text.format.type
    if form in ("json_schema", "json_object"):
        needs.add(form)
    thinks = request.reasoning
    if thinks is not None and (thinks.effort not in (None, "none") or thinks.summary is not None):
        needs.add("reasoning")
    if isinstance(request.include, list) and "message.output_text.logprobs" in request.include:
        needs.add("logprobs")
    if b'"type"' in raw:
        needs |= {_PARTS[part] for part in _PART.findall(memoryview(request.input))}
    return frozenset(needs)


def error_event(failure: Failure) -> bytes:
    """Return the event that ends a broken stream: OpenAI's own error event, with the error as in an error's body.

    The documented members say it to who reads events; ``error`` is what makes the official SDK raise.
    """
    body = msgspec.json.decode(errors.encode(failure))
    error = body["error"]
    told = {name: error[name] for name in ("code", "message", "param")}
    return sse.encode(msgspec.json.encode({"type": "error", "sequence_number": LAST, **told, "error": error}), b"error")


SHAPE = CLIENTS.add("openai.responses")(
    ClientShape(
        name="openai.responses",
        read=read,
        error_body=errors.encode,
        error_event=error_event,
        passes=errors.is_openai_shaped,
        keep_alive=sse.comment(b"waiting"),
        voice=VOICE,
        resume=RESUME,
        said=said.items,
    )
)
