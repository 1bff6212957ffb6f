"""Anthropic's Messages API, client side."""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.shapes import asked, said, sse
from lbd.shapes.clients import CLIENTS, ClientShape
from lbd.shapes.messages import errors, parts
from lbd.shapes.messages.resume import RESUME
from lbd.shapes.messages.voice import VOICE


class _OutputConfig(msgspec.Struct):
    format: Any = None
    effort: Any = None


class _Request(msgspec.Struct):
    model: str
    messages: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    max_tokens: Any = None
    stream: bool | None = None
    tools: Any = None
    tool_choice: Any = None
    thinking: Any = None
    output_config: _OutputConfig | None = None
    output_format: Any = None
    temperature: Any = None
    top_p: Any = None
    top_k: Any = None
    service_tier: Any = None
    metadata: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Request).decode
_JUDGED = asked.judged(_Request)


def read(raw: bytes) -> Head | Failure:
    """Read what routing needs. What only the provider can judge is left to it."""
    request = asked.read(_decode, raw, _JUDGED)
    if isinstance(request, Failure):
        return request
    system, messages = memoryview(request.system), memoryview(request.messages)
    return Head(
        model=request.model,
        stream=bool(request.stream),
        include_usage=True,  # an answer without it is none of this shape
        max_output_tokens=asked.bound(request.max_tokens),
        needs=_needs(request),
        text_bytes=len(system) + len(messages),
        prefix_hash=asked.prefix(system, messages),
        metadata=request.metadata,
    )


def _needs(request: _Request) -> frozenset[str]:
    needs = set(asked.sampling(request.temperature, request.top_p))
    tools = request.tools if isinstance(request.tools, list) else []
    if tools:
        needs.add("tools")
    if any(isinstance(t, dict) and t.get("type", "custom") not in ("custom", None) for t in tools):
        needs.add("server_tools")
    config = request.output_config
    if request.output_format or (config is not None and config.format):
        needs.add("json_schema")
    if (isinstance(request.thinking, dict) and request.thinking.get("type") != "disabled") or (
        config is not None and config.effort
    ):
        needs.add("reasoning")
    if request.top_k is not None:
        needs.add("top_k")
    return frozenset(needs | parts.needs(memoryview(request.messages)))


def error_event(failure: Failure) -> bytes:
    """Return the event that ends a broken stream; no end mark follows it."""
    return sse.encode(errors.encode(failure), b"error")


SHAPE = CLIENTS.add("anthropic.messages")(
    ClientShape(
        name="anthropic.messages",
        read=read,
        error_body=errors.encode,
        error_event=error_event,
        passes=errors.is_shaped,
        keep_alive=b'event: ping\ndata: {"type":"ping"}\n\n',
        voice=VOICE,
        resume=RESUME,
        said=said.messages,
        status=errors.status,
        forwards=("anthropic-beta", "anthropic-version"),
    )
)
