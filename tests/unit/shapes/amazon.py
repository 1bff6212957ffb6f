"""Amazon's event stream as a server writes it, and botocore's service model and decoder to hold lbd's against."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from functools import cache
from typing import Any
from zlib import crc32

import botocore.session
from botocore.eventstream import EventStreamBuffer
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
LATER = "us.anthropic.claude-opus-4-8-v1"
NOVA = "amazon.nova-lite-v1:0"


def header(name: str, value: str) -> bytes:
    """Return one header with a string."""
    raw, text = name.encode(), value.encode()
    return bytes([len(raw)]) + raw + b"\x07" + struct.pack("!H", len(text)) + text


def framed(headers: bytes, payload: bytes) -> bytes:
    """Return one message."""
    lengths = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    data = lengths + struct.pack("!I", crc32(lengths)) + headers + payload
    return data + struct.pack("!I", crc32(data))


def event(kind: str, told: Any) -> bytes:
    """Return one event."""
    payload = told if isinstance(told, bytes) else json.dumps(told).encode()
    names = header(":event-type", kind) + header(":content-type", "application/json")
    return framed(names + header(":message-type", "event"), payload)


def exception(kind: str, message: str, **more: Any) -> bytes:
    """Return one exception."""
    names = header(":exception-type", kind) + header(":content-type", "application/json")
    payload = json.dumps({"message": message, **more}).encode()
    return framed(names + header(":message-type", "exception"), payload)


def delta(index: int, **told: Any) -> bytes:
    """Return a piece of a block."""
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": told, "p": "abcdef"})


def start(index: int, **told: Any) -> bytes:
    """Return the beginning of a block."""
    return event("contentBlockStart", {"contentBlockIndex": index, "start": told, "p": "abc"})


def stop(index: int) -> bytes:
    """Return the end of a block."""
    return event("contentBlockStop", {"contentBlockIndex": index, "p": "abcd"})


BEGIN = event("messageStart", {"role": "assistant", "p": "abcdefgh"})
USAGE = {
    "inputTokens": 20,
    "outputTokens": 7,
    "totalTokens": 43,
    "cacheReadInputTokens": 12,
    "cacheWriteInputTokens": 4,
}
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 412}, "p": "abc"})


def ended(reason: str, **more: Any) -> bytes:
    """Return the end of the message."""
    return event("messageStop", {"stopReason": reason, "p": "abcdefghijk", **more})


@cache
def service() -> ServiceModel:
    """Return the service model of the runtime."""
    return botocore.session.get_session().get_service_model("bedrock-runtime")


def faults(body: dict[str, Any], model: str) -> str:
    """Return what the service's model has against a Converse request; botocore's validator passes over some of it."""
    shape, told = service().operation_model("Converse").input_shape, {"modelId": model, **body}
    return str(ParamValidator().validate(told, shape).generate_report()) or ", ".join(_finer(told, shape))


def _finer(value: Any, shape: Any, at: str = "") -> Iterator[str]:
    """Yield words of no enum, texts against their pattern, what is too long, and unions of none or two."""
    rules = shape.metadata
    if shape.type_name == "structure" and not rules.get("document"):
        if rules.get("union") and len(value) != 1:
            yield f"{at}: one of {sorted(shape.members)}"
        for name, member in value.items():
            yield from _finer(member, shape.members[name], f"{at}/{name}")
    elif shape.type_name in ("list", "map"):
        for name, member in value.items() if shape.type_name == "map" else enumerate(value):
            yield from _finer(member, shape.value if shape.type_name == "map" else shape.member, f"{at}/{name}")
    elif shape.type_name == "string":
        if "pattern" in rules and re.fullmatch(rules["pattern"], value) is None:
            yield f"{at}: {value!r} is not as {rules['pattern']}"
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"{at}: {value!r} is none of {shape.enum}"
    if shape.type_name in ("string", "list", "map") and len(value) > rules.get("max", len(value)):
        yield f"{at}: too long"
    if shape.type_name in ("float", "integer") and value > rules.get("max", value):
        yield f"{at}: too large"


def serialized(params: dict[str, Any], operation: str = "Converse") -> tuple[str, dict[str, Any]]:
    """Return path and body of the request that botocore makes of these parameters."""
    made = create_serializer("rest-json").serialize_to_request(params, service().operation_model(operation))
    return made["url_path"], json.loads(made["body"])


def decoded(stream: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Return the messages of a stream as botocore reads them."""
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    return [(message.headers, message.payload) for message in buffer]
