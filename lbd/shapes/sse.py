"""Event-stream framing (WHATWG HTML, 9.2.6): find event boundaries, read an event's fields.

Relaying works on slices: everything up to the last event boundary goes on as it came, the tail waits. So a
client never receives half an event, whatever becomes of the provider, and bytes are not rewritten.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LARGEST_EVENT = 16 * 1024 * 1024  # bytes; an image in an event is some megabytes long

# Line ends are LF, CRLF or CR, in any mixture. A CR that is the last byte so far is none yet: its LF may follow.
_EOL = rb"(?:\r\n|\n|\r(?=[^\n]))"
# An event ends at a blank line; further blank lines are events of nothing. No group is possessive: up to Python 3.11.4
# such a one keeps what its last, failed round has taken.
_END = re.compile(_EOL + rb"{2,}")
_BLANK = re.compile(_EOL + rb"*")
_EVENT = re.compile(rb"(?:[^\r\n]++" + _EOL + rb")*" + _EOL)
_LINE = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_STARTS = (b"data:", b"event:", b":", b"id:", b"retry:")


class Frame(NamedTuple):
    """One event: its bytes as they came (blank line included), its type and its data.

    ``error`` is the value of a field that the standard does not know: until September 2025 llama.cpp's server said
    in it, not as data, what went wrong in a stream (ggml-org/llama.cpp, pull request 16109).
    """

    raw: bytes
    event: bytes
    data: bytes | None  # None: a comment or a field that dispatches nothing
    error: bytes | None = None


class Framer:
    """Cuts a byte stream at event boundaries. Whoever feeds it bounds ``tail``, the event that is not complete yet."""

    __slots__ = ("tail",)

    def __init__(self) -> None:
        self.tail = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Return all complete events up to here as one slice; what is incomplete stays in ``tail``."""
        tail = self.tail
        if tail:
            return self._go_on(data)
        if data.endswith((b"\n\n", b"\r\n\r\n")):
            return data
        end = _last_end(data, 0)
        tail += data[end:]
        return data[:end]

    def _go_on(self, data: bytes) -> bytes:
        """Add to the tail in its place: to copy it at every read would take time in the square of its length."""
        tail = self.tail
        start = max(0, len(tail) - 3)  # there was no end in it, but perhaps the beginning of one
        tail += data
        end = len(tail) if tail.endswith((b"\n\n", b"\r\n\r\n")) else _last_end(tail, start)
        out = bytes(tail[:end])
        del tail[:end]
        return out

    def rest(self) -> bytes:
        """Return what is incomplete, and forget it."""
        out = bytes(self.tail)
        self.tail.clear()
        return out


def _last_end(data: bytes | bytearray, start: int) -> int:
    """Return where the last complete event ends, 0 where none does. Before ``start`` no end begins."""
    end = 0
    # the last end is mostly near the end: look at a suffix first, at everything only if it has none
    near = len(data) - 4096
    for at in (near, start) if near > start else (start,):
        for match in _END.finditer(data, at):
            end = match.end()
        if end:
            return end
    blank = _BLANK.match(data)  # what is left of the event before
    return blank.end() if blank else 0


def frames(block: bytes) -> list[Frame]:
    """Split a slice of complete events into events; a blank line that ends nothing is a frame of its own."""
    out = []
    start = 0
    while start < len(block):
        match = _EVENT.match(block, start)
        end = match.end() if match else len(block)
        out.append(_frame(block[start:end]))
        start = end
    return out


def _frame(raw: bytes) -> Frame:
    event = b""
    error = None
    data: list[bytes] = []
    text = raw.removeprefix(_BOM)
    for line in _LINE.split(text) if b"\r" in text else text.split(b"\n"):
        name, colon, value = line.partition(b":")
        if not name:  # a comment, or the blank line
            continue
        value = value.removeprefix(b" ") if colon else b""
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
        elif name == b"error":
            error = value
    return Frame(raw, event, b"\n".join(data) if data else None, error)


def looks_like_events(data: bytes) -> bool | None:
    """Tell from an answer's first bytes whether it is an event stream; None where they are too few.

    For answers whose content type is missing or wrong: no JSON and no web page begins as a field does.
    """
    text = data.removeprefix(_BOM).lstrip()
    if text.startswith(_STARTS):
        return True
    open_still = (_BOM, *_STARTS) if text is data else _STARTS
    return None if any(start.startswith(text) for start in open_still) else False


def encode(data: bytes, event: bytes = b"") -> bytes:
    """Return one event with this data."""
    head = b"event: " + event + b"\n" if event else b""
    return head + b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"


def comment(text: bytes) -> bytes:
    """Return a comment, which every client ignores."""
    return b": " + text + b"\n\n"
