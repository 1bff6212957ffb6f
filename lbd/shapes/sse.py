"""Event-stream framing (WHATWG HTML, 9.2.6): find event boundaries, read an event's fields.

Relaying works on slices: everything up to the last event boundary goes on as it came, the tail waits. So a
client never receives half an event, whatever becomes of the provider, and bytes are not rewritten.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# An event ends at a blank line. Line ends are LF, CRLF or CR, in any mixture.
_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_LINE = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class Frame(NamedTuple):
    """One event: its bytes as they came (blank line included), its type and its data."""

    raw: bytes
    event: bytes
    data: bytes | None  # None: a comment or a field that dispatches nothing


class Framer:
    """Cuts a byte stream at event boundaries."""

    __slots__ = ("tail",)

    def __init__(self) -> None:
        self.tail = b""

    def feed(self, data: bytes) -> bytes:
        """Return all complete events up to here as one slice; what is incomplete stays in ``tail``."""
        if self.tail:
            data = self.tail + data
            self.tail = b""
        if data.endswith((b"\n\n", b"\r\n\r\n")):
            return data
        end = 0
        # the last boundary is near the end: look at a suffix first, at everything only if it has none
        start = max(0, len(data) - 4096)
        for match in _END.finditer(data, start):
            end = match.end()
        if not end and start:
            for match in _END.finditer(data):
                end = match.end()
        self.tail = data[end:]
        return data[:end]


def frames(block: bytes) -> list[Frame]:
    """Split a slice of complete events into events."""
    out = []
    start = 0
    for match in _END.finditer(block):
        out.append(_frame(block[start : match.end()]))
        start = match.end()
    if start < len(block):
        out.append(_frame(block[start:]))
    return out


def _frame(raw: bytes) -> Frame:
    event = b""
    data: list[bytes] = []
    for line in _LINE.split(raw.removeprefix(_BOM)):
        name, colon, value = line.partition(b":")
        if not name:  # a comment, or the blank line
            continue
        value = value.removeprefix(b" ") if colon else b""
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
    return Frame(raw, event, b"\n".join(data) if data else None)


def encode(data: bytes, event: bytes = b"") -> bytes:
    """Return one event with this data."""
    head = b"event: " + event + b"\n" if event else b""
    return head + b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n"


def comment(text: bytes) -> bytes:
    """Return a comment, which every client ignores."""
    return b": " + text + b"\n\n"
