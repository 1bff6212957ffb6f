"""The lines of a batch: its input read and checked, its results written, and read again after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
import orjson

from lbd.model.batch import Fault
from lbd.model.outcome import Usage
from lbd.shapes import loose
from lbd.shapes.chat.usage import odd
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.responses import usage as responses

MOST_LINES = 50_000  # as OpenAI's
MOST_FAULTS = 100  # told of one file; who has more of them has the same one in each line
LONGEST_MODEL = 256  # characters of a name that is kept with its batch; nobody's model has a longer one
EXPIRED = ("batch_expired", "This request could not be executed before the completion window expired.")
CANCELLED = ("batch_cancelled", "The batch was cancelled before this request was executed.")


class Line(msgspec.Struct, frozen=True, gc=False):
    """One request of a batch, and where its line stands in the input, in bytes."""

    custom_id: str
    offset: int
    size: int
    model: str | None = None  # what it asks for; None where that is no name


class _Line(msgspec.Struct):
    custom_id: Any = None
    method: Any = None
    url: Any = None
    body: msgspec.Raw = msgspec.Raw()


class _Body(msgspec.Struct):
    stream: Any = None
    model: msgspec.Raw = msgspec.Raw()


class _Why(msgspec.Struct):
    code: str


class _Response(msgspec.Struct):
    body: msgspec.Raw = msgspec.Raw()
    status_code: int = 0


class _Result(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: _Why | None = None


class _Counted(msgspec.Struct):
    usage: Any = None


_read_line = msgspec.json.Decoder(_Line).decode
_read_body = msgspec.json.Decoder(_Body).decode
_read_result = msgspec.json.Decoder(_Result).decode
_read_text = msgspec.json.Decoder(str).decode
_read_counted = loose.reader(_Counted)


def _lines(data: bytes) -> Iterator[tuple[int, int]]:
    """Return where each line is, without its end."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0  # as some editors begin a file
    while at < len(data):
        stop = data.find(b"\n", at)
        stop = len(data) if stop < 0 else stop
        yield at, stop
        at = stop + 1


def read(data: bytes, endpoint: str) -> list[Line] | list[Fault]:
    """Return the requests of an input file, or what is wrong with it. Blank lines do not count."""
    out: list[Line] = []
    faults: list[Fault] = []
    seen: set[str] = set()
    models: dict[bytes, str | None] = {}  # thousands of lines name the same few: each name is kept once
    for number, (at, stop) in enumerate(_lines(data), 1):
        raw = data[at:stop]
        if not raw.strip():
            continue
        found = _checked(raw, endpoint, number)
        if isinstance(found, tuple) and found[0] in seen:
            text = f"custom_id {found[0][:100]!r} is not the first"
            found = Fault("duplicate_custom_id", text, number, "custom_id")
        if isinstance(found, Fault):
            faults.append(found)
            if len(faults) >= MOST_FAULTS:
                break
        else:
            custom_id, named = found
            if named not in models:
                models[named] = _name(named)
            seen.add(custom_id)
            out.append(Line(custom_id, at, stop - at, models[named]))
    if not faults and not out:
        return [Fault("empty_file", "the input file holds no request")]
    if not faults and len(out) > MOST_LINES:
        return [Fault("too_many_tasks", f"the input file holds {len(out)} requests, more than {MOST_LINES}")]
    return faults or out


def _checked(raw: bytes, endpoint: str, number: int) -> tuple[str, bytes] | Fault:
    """Return the custom_id of a good line and its model, as it stands there; or what is wrong with it."""
    try:
        raw.decode()
        line = _read_line(raw)
    except UNREADABLE as e:
        return Fault("invalid_json_line", f"this line is no JSON object: {str(e)[:200]}", number)
    if not isinstance(line.custom_id, str) or not line.custom_id:
        return Fault("missing_required_parameter", "custom_id must be a string", number, "custom_id")
    if line.method != "POST":
        return Fault("invalid_method", f"method must be POST, not {str(line.method)[:100]!r}", number, "method")
    if line.url != endpoint:
        text = f"url must be the batch's endpoint {endpoint}, not {str(line.url)[:100]!r}"
        return Fault("invalid_url", text, number, "url")
    try:
        body = _read_body(line.body)
    except UNREADABLE:
        return Fault("missing_required_parameter", "body must be an object", number, "body")
    if body.stream:
        return Fault("unsupported_value", "a batch cannot stream: leave stream out", number, "body.stream")
    return line.custom_id, bytes(body.model)


def _name(raw: bytes) -> str | None:
    try:
        name = _read_text(raw)
    except UNREADABLE:  # none, or not a name: its line is refused when it is sent
        return None
    return name if 0 < len(name) <= LONGEST_MODEL else None


def model_of(lines: Iterable[Line]) -> str | None:
    """Return the model that all of these ask for, None where they ask for more than one, or one of them for none."""
    models = {line.model for line in lines}
    return models.pop() if len(models) == 1 else None


def body_of(raw: bytes) -> bytes:
    """Return the request in a line that was found good, byte for byte."""
    return bytes(_read_line(raw).body)


def answered(line_id: str, custom_id: str, status: int, request_id: str, body: bytes) -> bytes:
    """Return the result line of a request that has an answer."""
    return b'{"id":%b,"custom_id":%b,"response":{"status_code":%d,"request_id":%b,"body":%b},"error":null}\n' % (
        orjson.dumps(line_id),
        _text(custom_id),
        status,
        orjson.dumps(request_id),
        _one_line(body),
    )


def unanswered(line_id: str, custom_id: str, error: tuple[str, str]) -> bytes:
    """Return the result line of a request that has none; ``error`` is code and message."""
    code, message = error
    told = orjson.dumps({"code": code, "message": message})
    return b'{"id":%b,"custom_id":%b,"response":null,"error":%b}\n' % (orjson.dumps(line_id), _text(custom_id), told)


def _text(text: str) -> bytes:
    return msgspec.json.encode(text)


def _one_line(body: bytes) -> bytes:
    """Return a body without line breaks; what is no JSON becomes a string."""
    try:
        body.decode()
        return msgspec.json.format(body, indent=-1)
    except UNREADABLE:
        return orjson.dumps(body.decode("utf-8", "replace"))


def used(line: bytes) -> Usage | None:
    """Return what the answer in a result line says it used, None where it says nothing of that."""
    try:
        return _used(_read_result(line))
    except UNREADABLE:
        return None


def _used(result: _Result) -> Usage | None:
    if result.response is None:
        return None
    body = bytes(result.response.body)
    try:
        if body.startswith(b'"'):  # what is not quite JSON was kept as a text
            body = _read_text(body).encode()
        told = _read_counted(body).usage
    except UNREADABLE:
        return None
    counted = odd(told)
    usage = None if counted is None else counted.usage()
    return responses.read(told) if usage is None else usage


def together(one: Usage | None, other: Usage | None) -> Usage | None:
    """Return what two answers used; one that says nothing of it adds nothing."""
    if one is None or other is None:
        return other if one is None else one
    return Usage(
        one.prompt + other.prompt,
        one.completion + other.completion,
        one.cached + other.cached,
        one.reasoning + other.reasoning,
        written=one.written + other.written,
    )


class Result(NamedTuple):
    """What a result line says: a status and a body; or ``why``, a code, where nobody answered."""

    status: int
    body: bytes
    why: str | None


def result(line: bytes) -> Result | None:
    """Return the first result of a file, None where it holds none."""
    try:
        told = _read_result(line.partition(b"\n")[0])
    except UNREADABLE:
        return None
    if told.response is None:
        return Result(0, b"", told.error.code if told.error is not None else "unknown")
    body = bytes(told.response.body)
    if body.startswith(b'"'):
        body = _read_text(body).encode()
    return Result(told.response.status_code, body, None)


class Scan:
    """Reads a file of results that was being written, in pieces: which requests have theirs already.

    A line that has no end was cut off by a crash: ``size`` is where the good lines end, in bytes.
    """

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.expired = 0
        self.usage: Usage | None = None  # of all answers that say what they used
        self.size = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in the next piece."""
        data = self._rest + data
        whole, found, self._rest = data.rpartition(b"\n")
        if not found:
            return
        self.size += len(whole) + 1
        for raw in whole.split(b"\n"):
            try:
                result = _read_result(raw)
            except UNREADABLE:  # a machine that lost its power: the request is sent again
                continue
            if result.custom_id not in self.ids:
                self.ids.add(result.custom_id)
                self.usage = together(self.usage, _used(result))
            self.expired += result.error is not None and result.error.code == EXPIRED[0]
