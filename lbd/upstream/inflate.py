"""Take off a compression: a client's, or one that nobody asked a provider for.

lbd always asks providers for none, but some proxies compress all the same.
"""

from __future__ import annotations

import zlib

# Of what one read may become. A read is 256 KiB at most, and no honest text shrinks a thousandfold.
MOST = 64 * 1024 * 1024
# gzip streams in one read: empty ones cost time; tools that pack in blocks make one of each 64 KiB or more.
MOST_MEMBERS = 1024
_PIECE = 16 * 1024  # bytes taken at a time: zlib copies what follows the end of a stream
_EITHER = zlib.MAX_WBITS | 32  # gzip or zlib, by its header


class BadEncoding(Exception):
    """The compression is broken, or is none that can be taken off."""


class TooMuch(BadEncoding):
    """It hides more than may be unpacked."""


class Inflate:
    """Decompresses a body piece by piece; of one piece come at most ``most`` bytes.

    ``bare``: it may lack the header that deflate should have.
    """

    __slots__ = ("_bare", "_first", "_left", "_most", "_stream")

    def __init__(self, *, bare: bool = False, most: int | None = None) -> None:
        self._stream = zlib.decompressobj(_EITHER)
        self._bare = bare
        self._first = b""
        self._most = MOST if most is None else most
        self._left = 0

    @property
    def ended(self) -> bool:
        """Tell whether what came so far is whole."""
        return self._stream.eof

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return what they stand for. Raises BadEncoding."""
        if self._bare:  # two bytes tell
            data = self._first = self._first + data
            if len(data) < 2:
                return b""
            self._bare = False
            if not _has_header(data):
                self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        out: list[bytes] = []
        self._left = self._most
        at = members = 0
        while at < len(data):
            if self._stream.eof:  # gzip streams may follow each other (RFC 1952, 2.2)
                members += 1
                if members >= MOST_MEMBERS:
                    raise BadEncoding(f"more than {MOST_MEMBERS} gzip streams follow each other")
                self._stream = zlib.decompressobj(_EITHER)
            piece = data[at : at + _PIECE]
            out.append(self._piece(piece))
            at += len(piece) - len(self._stream.unused_data)
        return out[0] if len(out) == 1 else b"".join(out)

    def _piece(self, data: bytes) -> bytes:
        try:
            piece = self._stream.decompress(data, self._left + 1)
        except zlib.error as e:
            raise BadEncoding(f"the compression is broken: {e}") from None
        self._left -= len(piece)
        if self._left < 0:
            raise TooMuch(f"what is compressed becomes more than {self._most} bytes")
        return piece


def _has_header(data: bytes) -> bool:
    return data.startswith(b"\x1f\x8b") or (data[0] & 0x0F == 8 and int.from_bytes(data[:2]) % 31 == 0)


def inflate(encoding: bytes) -> Inflate | None:
    """Return what takes this Content-Encoding off, None where there is nothing to do. Raises BadEncoding."""
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        return None
    if name in (b"gzip", b"x-gzip", b"deflate"):
        return Inflate(bare=name == b"deflate")
    raise BadEncoding(f"the answer comes as {name.decode('latin-1')[:40]!r}, which was not asked for")
