"""Errors that do not stand in an ``error`` field: the payload is one itself, or the event's type says so."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lbd.shapes import loose
from lbd.shapes.loose import UNREADABLE

_STATUS = re.compile(r"[45]\d\d", re.ASCII)


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
