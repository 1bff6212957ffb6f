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
from lbd.shapes.wire import NOTHING, Facts

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
        "citations",
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


# Up to here they think by a budget in tokens and know no other way; from 4.7 on they refuse a budget.
_BUDGETED = re.compile(
    r"claude-(?:2|instant|3|v\d|(?:opus|sonnet)-4(?:-(?:\d{8}|[0-5](?!\d)))?(?![\w.]*-[6-9])|haiku-4(?:-[0-5](?!\d))?)",
    re.ASCII,
)


# These cannot be held to a schema.
_SHAPELESS = re.compile(r"claude-(?:2|instant|3|v\d|(?:opus|sonnet)-4(?![-.][1-9](?!\d)))", re.ASCII)


def keeps_schemas(model: str) -> bool:
    """Tell whether a model's answers can be held to a schema; one that is not Claude's is asked."""
    return _SHAPELESS.search(model) is None


def thinks_by_budget(model: str) -> bool:
    """Tell whether a model has to be told how many tokens it may think."""
    return _BUDGETED.search(model) is not None


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


class _Conversation(msgspec.Struct):
    messages: list[msgspec.Raw]


class _Turn(msgspec.Struct):
    content: list[msgspec.Raw]


class _Marked(msgspec.Struct):
    signature: Any = None
    data: Any = None
    thought_signature: Any = None


_conversation = msgspec.json.Decoder(_Conversation).decode
_turn = msgspec.json.Decoder(_Turn).decode
_marked = msgspec.json.Decoder(_Marked).decode


def without_foreign(raw: bytes) -> bytes:
    """Return a request without the thoughts whose tokens another family minted; its own lose their tag.

    Every other byte stays as it came. A request that is out of order is its provider's to refuse.
    """
    try:
        messages = _conversation(raw).messages
        kept = [m for m in map(_purged, map(bytes, messages)) if m]
    except UNREADABLE:
        return raw
    if kept == list(map(bytes, messages)):
        return raw
    return edit.with_members(raw, {"messages": b"[%b]" % b",".join(kept)})


def _purged(message: bytes) -> bytes:
    """Return a message without what is foreign in it; nothing where nothing else was said."""
    if tokens.MARK_BYTES not in message:
        return message
    try:
        blocks = list(map(bytes, _turn(message).content))
    except UNREADABLE:  # plain text, or none of a message
        return message
    kept = [b for b in map(_domestic, blocks) if b]
    if kept == blocks:
        return message
    return edit.with_members(message, {"content": b"[%b]" % b",".join(kept)}) if kept else b""


def _domestic(block: bytes) -> bytes:
    """Return a block as Anthropic takes it: nothing of what another family has signed."""
    if tokens.MARK_BYTES not in block:
        return block
    try:
        marked = _marked(block)
    except UNREADABLE:
        return block
    for field, value in (("signature", marked.signature), ("data", marked.data)):
        if isinstance(value, str) and value.startswith(tokens.MARK):
            own = tokens.own(tokens.read(value, FAMILY), FAMILY)
            return b"" if own is None else edit.with_members(block, {field: orjson.dumps(own)})
    if isinstance(marked.thought_signature, str) and marked.thought_signature.startswith(tokens.MARK):
        return _unsigned(block)
    return block


def _unsigned(block: bytes) -> bytes:
    """Return a call without the signature that stands beside it."""
    members = msgspec.json.decode(block, type=dict[str, msgspec.Raw])
    del members["thought_signature"]
    return msgspec.json.encode(members)


def headers(key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the credential and the API's version."""
    version = ("anthropic-version", VERSION)
    return (version,) if key is None else (("x-api-key", key), version)


class _Message(msgspec.Struct):
    type: Any = None
    model: Any = None
    content: list[Any] | None = None
    stop_reason: Any = None
    usage: UsageFields | None = None
    error: Any = None


_read = loose.reader(_Message)


def facts(body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read a whole answer. Anything that is no message is a failure in spite of its 200."""
    body = body.removeprefix(loose.BOM)
    try:
        message = _read(body)
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer is not a message: {e}", status=200))
    if message.error or message.type == "error":
        return Facts(failure=in_band(message.error))
    if message.content is None:
        error = plain_error(body)
        if error is not None:
            return Facts(failure=in_band(error))
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer has no content", status=200))
    if not message.content and not message.stop_reason:
        return Facts(failure=Failure(FailureKind.BAD_BODY, NOTHING, status=200))
    usage = None if message.usage is None else message.usage.usage()
    return Facts(usage, message.model if isinstance(message.model, str) else None)


def quota(fields: Mapping[str, str], wall: WallTime) -> tuple[QuotaReading, ...]:
    """Read ``anthropic-ratelimit-*`` headers."""
    return limits.readings(fields, "anthropic-ratelimit", wall)
