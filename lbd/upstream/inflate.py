"""Take off a compression that nobody asked for: lbd always asks for none, but some proxies compress all the same."""

from __future__ import annotations

import zlib

# Of what one read may become. A read is 256 KiB at most, and no honest text shrinks a thousandfold.
MOST = 64 * 1024 * 1024
_EITHER = zlib.MAX_WBITS | 32  # gzip or zlib, by its header
_BARE = -zlib.MAX_WBITS  # what some servers send as "deflate"


class BadEncoding(Exception):
    """The compression is broken, is none that can be taken off, or hides too much."""


class Inflate:
    """Decompresses a body piece by piece."""

    __slots__ = ("_begun", "_left", "_stream")

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_EITHER)
        self._begun = False
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return what they stand for. Raises BadEncoding."""
        out: list[bytes] = []
        self._left = MOST
        while data:
            if self._stream.eof:  # gzip streams may follow each other (RFC 1952, 2.2)
                self._stream = zlib.decompressobj(_EITHER)
            out.append(self._piece(data))
            data = self._stream.unused_data
        return out[0] if len(out) == 1 else b"".join(out)

    def _piece(self, data: bytes) -> bytes:
        try:
            piece = self._stream.decompress(data, self._left + 1)
        except zlib.error as e:
            if self._begun:
                raise BadEncoding(f"the answer's compression is broken: {e}") from None
            self._begun = True
            self._stream = zlib.decompressobj(_BARE)
            return self._piece(data)
        self._begun = True
        self._left -= len(piece)
        if self._left < 0:
            raise BadEncoding(f"one read of the answer becomes more than {MOST} bytes")
        return piece


def inflate(encoding: bytes) -> Inflate | None:
    """Return what takes this Content-Encoding off, None where there is nothing to do. Raises BadEncoding."""
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return None
    if name in (b"gzip", b"x-gzip", b"deflate"):
        return Inflate()
    raise BadEncoding(f"the answer comes as {name.decode('latin-1')[:40]!r}, which was not asked for")
