"""Errors that do not stand in an ``error`` field of an event.

The payload is one itself, or the event's type says so, or the reason of a finish; or one stands where an event should.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.shapes import loose
from lbd.shapes.chat.errors import in_band
from lbd.shapes.loose import UNREADABLE

_STATUS = re.compile(r"[45]\d\d", re.ASCII)
# Reasons of a finish that is none: what came is a part of an answer.
CUT: dict[str, FailureKind] = {
    "error": FailureKind.STREAM_ERROR,
    "abort": FailureKind.STREAM_ERROR,  # vLLM's and SGLang's servers have called it off
    "insufficient_system_resource": FailureKind.OVERLOADED,  # DeepSeek's has interrupted it
}
# How begins what stands between events and is neither a comment nor a field: an error, or a page of a proxy's.
BARE = (b"{", b"[", b"<")


class _Plain(msgspec.Struct):
    object: Any = None
    type: Any = None
    code: Any = None
    message: Any = None


_decode_plain = msgspec.json.Decoder(_Plain).decode


def plain_error(payload: bytes) -> dict[str, object] | None:
    """Return the error that a payload without choices is in itself, not in a field; None where it is none.

    vLLM before 0.10 wrote ``{"object":"error","message":...}``; gateways write only a message and a status.
    """
    try:
        said = _decode_plain(payload)
    except UNREADABLE:
        try:
            said = loose.read(payload, _Plain)
        except UNREADABLE:
            return None
    by_status = bool(said.message) and _STATUS.fullmatch(str(said.code))
    if said.object != "error" and said.type != "error" and not by_status:
        return None
    return {"message": said.message, "type": said.type, "code": said.code}


def any_error(payload: bytes) -> object:
    """Read what is said to be an error: the object in its ``error`` field, an object of its own, or text."""
    try:
        error: object = loose.sound(loose.loads(payload))
    except UNREADABLE:
        return payload.decode("utf-8", "replace").strip()
    return error["error"] if isinstance(error, dict) and "error" in error else error


def cut(reason: object, error: object) -> Failure | None:
    """Return the failure that the end of a choice is, by its reason or the error in it; None where it is an end."""
    if error:
        return in_band(error)
    kind = CUT.get(reason) if isinstance(reason, str) else None
    if kind is None:
        return None
    return Failure(kind, f"the provider ended the answer with {reason!r}, which is no end of one", status=200)


def typed(error: object, kind: object) -> object:
    """Return an error that is only text as an object: TGI tells beside it what kind of one it is."""
    return {"message": error, "type": kind} if isinstance(error, str) and isinstance(kind, str) else error


def bare(raw: bytes) -> Failure:
    """Return the failure that is sent where an event should be, without a field around it."""
    try:
        found = loose.sound(loose.loads(raw))
    except UNREADABLE:
        found = None
    inner = found[0] if isinstance(found, list) and found else found
    if isinstance(inner, dict) and (inner.get("error") or plain_error(raw) is not None):
        return in_band(inner.get("error") or inner)
    return Failure(FailureKind.BAD_BODY, "what came in the stream is no event", status=200)
