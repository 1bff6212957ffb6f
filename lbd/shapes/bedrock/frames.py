"""Amazon's event stream (``application/vnd.amazon.eventstream``): binary messages cut out of a stream of bytes.

A message is its length, the length of its headers and a CRC32 of both; then the headers, the payload, and a CRC32 of
all that. Numbers are big-endian. A header is a name, the type of its value, and the value. Source: "Event stream
encoding" in Amazon's guides, and what botocore's decoder takes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple
from zlib import crc32

PRELUDE = 12  # bytes: two lengths and their checksum
CHECKSUM = 4
LEAST = PRELUDE + CHECKSUM
# What the encoding allows.
MOST_HEADERS = 128 * 1024
MOST_PAYLOAD = 16 * 1024 * 1024

_PRELUDE = struct.Struct("!III")
_NUMBER = struct.Struct("!I")
_SHORT = struct.Struct("!H")
_BYTES, _STRING = 6, 7
# Bytes of a value by its type: true, false, 8, 16, 32 and 64 bits, a time, a UUID.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}


class BadFrame(Exception):
    """What came is no message; the text says why."""


class Message(NamedTuple):
    """One message. Of its headers only strings are kept: lbd reads no others."""

    headers: dict[str, str]
    payload: bytes


class Framer:
    """Cuts a byte stream into messages. What follows a broken one cannot be found, so ``broken`` is for good."""

    __slots__ = ("_tail", "broken")

    def __init__(self) -> None:
        self._tail = bytearray()
        self.broken: str | None = None

    @property
    def pending(self) -> bool:
        """Tell whether a message has begun that is not complete."""
        return bool(self._tail)

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that are complete now; those before a broken one too."""
        if self.broken is not None:
            return []
        tail = self._tail
        tail += data
        out: list[Message] = []
        at = 0
        try:
            while (size := _size(tail, at)) and len(tail) - at >= size:
                out.append(_message(bytes(tail[at : at + size])))
                at += size
        except BadFrame as e:
            self.broken = str(e)
            tail.clear()
        del tail[:at]
        return out


def _size(data: bytearray, at: int) -> int:
    """Return the length of the message that begins there, 0 where too little came to tell. Raises BadFrame."""
    if len(data) - at < PRELUDE:
        return 0
    size, headers, checksum = _PRELUDE.unpack_from(data, at)
    if crc32(data[at : at + PRELUDE - CHECKSUM]) != checksum:
        raise BadFrame("the checksum of a message's lengths is wrong")
    if headers > MOST_HEADERS or not LEAST + headers <= size <= LEAST + headers + MOST_PAYLOAD:
        raise BadFrame(f"a message of {size} bytes cannot be, or is too large")
    return int(size)


def _message(data: bytes) -> Message:
    """Return a whole message, whose prelude is in order. Raises BadFrame."""
    if crc32(data[:-CHECKSUM]) != _NUMBER.unpack_from(data, len(data) - CHECKSUM)[0]:
        raise BadFrame("the checksum of a message is wrong")
    end = PRELUDE + _NUMBER.unpack_from(data, 4)[0]
    try:
        return Message(_headers(data[PRELUDE:end]), data[end:-CHECKSUM])
    except (IndexError, struct.error, UnicodeDecodeError) as e:
        raise BadFrame("the headers of a message cannot be read") from e


def _headers(data: bytes) -> dict[str, str]:
    out: dict[str, str] = {}
    at = 0
    while at < len(data):
        start = at + 1
        at = start + data[at]
        name = data[start:at].decode()
        kind = data[at]
        at += 1
        if kind in (_BYTES, _STRING):
            size = _SHORT.unpack_from(data, at)[0]
            at += 2
            if kind == _STRING:
                out[name] = data[at : at + size].decode()
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise BadFrame(f"a header's value is of type {kind}, which there is not")
        at += size
    if at != len(data):
        raise BadFrame("a header is longer than all headers together")
    return out
