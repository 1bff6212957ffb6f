"""A response that waits: the request as it is kept meanwhile, and what is shown of it until it has its answer.

What an answer says again of its request stands in the file of the request, and is read from there by itself: who asks
every second how a request of some megabytes is doing does not have it read each time. Requests and answers are not
encoded anew, so nothing in them can be nested too deep to be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from lbd.model.batch import Batch, Fault
from lbd.model.failure import Failure, FailureKind
from lbd.shapes import edit, jsonl, loose
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.responses import echo

_ASKS = b'"background"'
_ONLY = b"1"  # the custom_id of the one line
_BREAKS = bytes.maketrans(b"\r\n", b"  ")  # in JSON they stand between tokens only
_NOT_SENT = ("background", "stream", "stream_options", "store")


class Asked(msgspec.Struct):
    """What a request says of how it is to be answered."""

    background: Any = None
    stream: Any = None


class _Named(msgspec.Struct):
    model: Any = None


class Kept(msgspec.Struct, frozen=True):
    """A request as it is kept: the one line of its file, the body in it, and where in it is what is said again."""

    line: bytes
    body: bytes
    echo: tuple[int, int]  # offset and size, in bytes

    @property
    def echoed(self) -> bytes:
        """Return what an answer says again of it, as an object."""
        at, size = self.echo
        return self.line[at : at + size]


class _Line(msgspec.Struct):
    body: msgspec.Raw


_read_line = msgspec.json.Decoder(_Line).decode
_read_asked = loose.reader(Asked)
_read_named = loose.reader(_Named)


def asks(body: bytes) -> Asked | None:
    """Return a request that wants to be answered in the background; None where it is read elsewhere."""
    if _ASKS not in body:
        return None
    try:
        found = _read_asked(body)
    except UNREADABLE:
        return None
    return found if found.background is True else None


def keep(asked: bytes, path: str) -> Kept | Failure:
    """Return a request (JSON) as it is sent when its time has come, or why it cannot be kept.

    It is kept byte for byte but for what is not sent. What only a second look could read (halves of characters, NaN)
    is written anew.
    """
    try:
        body = edit.without_members(asked.removeprefix(loose.BOM), _NOT_SENT).translate(_BREAKS)
        body = b'{"store":false%b%b' % (b"," if len(body) > len(b"{}") else b"", body[1:])
        kept, wrong = _line(body, path)
        if wrong is not None:
            kept, wrong = _line(orjson.dumps(loose.value(body)), path)
    except (*UNREADABLE, TypeError) as e:
        return _unkeepable(str(e))
    return kept if wrong is None else _unkeepable(wrong.message)


def _line(body: bytes, path: str) -> tuple[Kept, Fault | None]:
    echoed = orjson.dumps({**echo.members(body), "model": _read_named(body).model})
    head = b'{"echo":'
    rest = b',"custom_id":"%b","method":"POST","url":"%b","body":' % (_ONLY, path.encode())
    line = b"%b%b%b%b}\n" % (head, echoed, rest, body)
    (found,) = jsonl.read(line, path)
    return Kept(line, body, (len(head), len(echoed))), found if isinstance(found, Fault) else None


def _unkeepable(why: str) -> Failure:
    text = f"this body cannot be kept to be answered in the background ({why}): send strict JSON, nested less deep"
    return Failure(FailureKind.BAD_REQUEST, text, code="invalid_json")


def asked(line: bytes) -> bytes:
    """Return the body of a request that is kept as this line; nothing where it cannot be read."""
    try:
        return bytes(_read_line(line).body)
    except UNREADABLE:
        return b""


def answer(batch: Batch, body: bytes) -> bytes | None:
    """Return an answer as one to a request that waited; None for what is no JSON object."""
    own = {"id": orjson.dumps(batch.id), "background": b"true", "created_at": b"%d" % batch.created_at}
    try:
        return edit.with_members(body, own)
    except ValueError:
        return None


def pending(batch: Batch, echoed: bytes, status: str, error: Mapping[str, Any] | None = None) -> bytes:
    """Return a response that has no answer; ``echoed`` is what it says again of its request."""
    own = orjson.dumps(
        {
            "id": batch.id,
            "object": "response",
            "created_at": batch.created_at,
            "status": status,
            "background": True,
            "error": error,
            "incomplete_details": None,
            "output": [],
            "usage": None,
        }
    )
    return b"%b,%b" % (own[:-1], echoed[1:]) if echoed.startswith(b"{") else own
