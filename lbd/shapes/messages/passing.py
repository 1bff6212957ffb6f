"""Requests and answers of Anthropic's Messages API that pass through: only the model's name is put in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import QuotaReading
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.model.units import WallTime
from lbd.shapes import edit, limits, loose, tokens
from lbd.shapes.chat.errors import in_band
from lbd.shapes.chat.plain import plain_error
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.messages.usage import UsageFields
from lbd.shapes.providers import Facts

FAMILY = "anthropic"
VERSION = "2023-06-01"
CAPABILITIES = frozenset(
    {
        "tools",
        "parallel_tools",
        "images",
        "files",
        "json_schema",
        "reasoning",
        "cache_control",
        "server_tools",
        "sampling",
        "top_k",
    }
)
# Up to here the models take temperature, top_p and top_k; later ones refuse a request that names them.
_SAMPLES = re.compile(
    r"claude-(?:2|instant|3|v\d|(?:opus|sonnet)-4(?:-(?:\d{8}|[0-6](?!\d)))?(?![\w.]*-[7-9])|haiku-4(?:-[0-5](?!\d))?)",
    re.ASCII,
)


def takes_sampling(model: str) -> bool:
    """Tell whether a model lets its sampling be set; one that is not Claude's is asked."""
    return "claude" not in model or _SAMPLES.search(model) is not None


def encode(body: Body, row: DeploymentSpec, stream: bool, _ask_usage: bool) -> bytes:
    """Return the bytes to send: the client's own, but for what must change."""
    raw, head = body.raw, body.head
    if tokens.MARK_BYTES in raw:
        raw = without_foreign(raw)
    members: dict[str, bytes] = {}
    if stream and not head.stream:
        members["stream"] = b"true"
    if row.upstream_model != head.model:
        if not members:
            return edit.with_model(raw, row.upstream_model)
        members["model"] = orjson.dumps(row.upstream_model)
    return edit.with_members(raw, members) if members else raw


def without_foreign(raw: bytes) -> bytes:
    """Return a request without the thoughts whose tokens another family minted; its own lose their tag."""
    body = orjson.loads(raw)
    for message in body.get("messages") or ():
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            message["content"] = [b for b in map(_domestic, content) if b is not None]
    return orjson.dumps(body)


def _domestic(block: Any) -> Any:
    for field in ("signature", "data"):
        value = block.get(field) if isinstance(block, dict) else None
        if isinstance(value, str) and value.startswith(tokens.MARK):
            own = tokens.own(tokens.read(value, FAMILY), FAMILY)
            return None if own is None else {**block, field: own}
    return block


def headers(key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the credential and the API's version."""
    version = ("anthropic-version", VERSION)
    return () if key is None else (("x-api-key", key), version)


class _Message(msgspec.Struct):
    type: Any = None
    model: Any = None
    content: list[Any] | None = None
    usage: UsageFields | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Message).decode


def facts(body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read a whole answer. Anything that is no message is a failure in spite of its 200."""
    body = body.removeprefix(loose.BOM)
    try:
        try:
            message = _decode(body)
        except UNREADABLE:
            message = loose.read(body, _Message)
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer is not a message: {e}", status=200))
    if message.error or message.type == "error":
        return Facts(failure=in_band(message.error))
    if message.content is None:
        error = plain_error(body)
        if error is not None:
            return Facts(failure=in_band(error))
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer has no content", status=200))
    usage = None if message.usage is None else message.usage.usage()
    return Facts(usage, message.model if isinstance(message.model, str) else None)


def quota(fields: Mapping[str, str], wall: WallTime) -> tuple[QuotaReading, ...]:
    """Read ``anthropic-ratelimit-*`` headers."""
    return limits.readings(fields.items(), "anthropic-ratelimit", wall)
