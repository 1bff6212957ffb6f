"""Requests and answers of the Responses API that pass through: only the model's name is put in its place."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import orjson

from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.model.units import WallTime
from lbd.shapes import dig, edit, loose, tokens
from lbd.shapes.chat.errors import in_band
from lbd.shapes.chat.plain import plain_error
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.responses import items, usage
from lbd.shapes.wire import NOTHING, Facts

FAMILY = "openai"
CAPABILITIES = frozenset(
    {
        "tools",
        "parallel_tools",
        "images",
        "files",
        "json_schema",
        "json_object",
        "logprobs",
        "reasoning",
        "server_tools",
    }
)
_WRITTEN = re.compile(f"(?:msg|fc|rs){items.WRITTEN}", re.ASCII)
_FOREIGN = re.compile(f'"(?:lbd\\.|{_WRITTEN.pattern})'.encode())
UNFINISHED = ("queued", "in_progress")
FAILED = ("failed", "cancelled")


def encode(body: Body, row: DeploymentSpec, stream: bool, _ask_usage: bool) -> bytes:
    """Return the bytes to send: the client's own, but for what must change."""
    raw, head = body.raw, body.head
    if _FOREIGN.search(raw):
        raw = without_foreign(raw)
    members: dict[str, bytes] = {}
    if stream and not head.stream:
        members["stream"] = b"true"
    if row.upstream_model != head.model:
        if not members:
            return edit.with_model(raw, row.upstream_model)
        members["model"] = orjson.dumps(row.upstream_model)
    return edit.with_members(raw, members) if members else raw


class _Input(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b"null")


def without_foreign(raw: bytes) -> bytes:
    """Return a request without the reasoning that its provider cannot read: another's, or lbd's own writing of it.

    What it minted itself loses the tag. Items that lbd wrote lose their ids, which the provider would look up in vain.
    All but ``input`` stays as it came.
    """
    try:
        found = orjson.loads(bytes(msgspec.json.decode(raw, type=_Input).input))
    except UNREADABLE:
        return raw
    if not isinstance(found, list):
        return raw
    kept = [item for item in map(_domestic, found) if item is not None]
    return raw if kept == found else edit.with_members(raw, {"input": dig.encoded(kept, "/input")})


def _domestic(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    written = isinstance(item.get("id"), str) and _WRITTEN.match(item["id"])
    if written:
        item = {name: value for name, value in item.items() if name != "id"}
    if item.get("type") == "function_call":  # a signature in it is always another's
        return {name: value for name, value in item.items() if name != "thought_signature"}
    if item.get("type") != "reasoning":
        return item
    value = item.get("encrypted_content")
    if isinstance(value, str) and value.startswith(tokens.MARK):
        own = tokens.own(tokens.read(value, FAMILY), FAMILY)
        return None if own is None else {**item, "encrypted_content": own}
    return None if written and not value else item


class _Response(msgspec.Struct):
    object: Any = None
    status: Any = None
    model: Any = None
    output: Any = None
    usage: Any = None
    error: Any = None


_read = loose.reader(_Response)


def facts(body: bytes, _wall: WallTime = 0.0) -> Facts:
    """Read a whole answer. Anything that is no response, or one that failed, is a failure in spite of its 200."""
    body = body.removeprefix(loose.BOM)
    try:
        found = _read(body)
    except UNREADABLE as e:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer is not a response: {e}", status=200))
    if found.error or found.status in FAILED:
        return Facts(failure=in_band(found.error or f"the provider says that the response is {found.status}"))
    if not isinstance(found.output, list):
        error = plain_error(body)
        if error is not None:
            return Facts(failure=in_band(error))
        return Facts(failure=Failure(FailureKind.BAD_BODY, "the answer has no output", status=200))
    if found.status in UNFINISHED:
        return Facts(failure=Failure(FailureKind.BAD_BODY, f"the answer is still {found.status}", status=200))
    if not found.output and not found.status:
        return Facts(failure=Failure(FailureKind.BAD_BODY, NOTHING, status=200))
    return Facts(usage.read(found.usage), found.model if isinstance(found.model, str) else None)
