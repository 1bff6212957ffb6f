"""A multipart/form-data body (RFC 7578), read as a whole and strictly: what is not as it says is refused.

The content of a part is whatever stands between two delimiters, byte for byte. Names and file names are read as
browsers and HTTP libraries write them (WHATWG): quoted, in UTF-8, with ``%22``, ``%0D`` and ``%0A`` for what would
end them.
"""

from __future__ import annotations

import re

import msgspec

MOST_PARTS = 32
MOST_HEAD = 8192  # bytes of a part's own head
_BOUNDARY = re.compile(
    r'multipart/form-data\s*(?:;(?:[^;"]|"[^"]*")*)*?;\s*boundary=(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE
)
_PARAMETER = re.compile(r';\s*(name|filename|filename\*|[\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    """One field of a form; ``filename`` is None where it is no file."""

    name: str
    content: bytes
    filename: str | None = None


def boundary(content_type: str) -> bytes:
    """Return what delimits the parts. Raises ValueError."""
    found = _BOUNDARY.match(content_type.strip())
    text = None if found is None else found[1] or found[2]
    if text is None or len(text) > 70:
        raise ValueError("the Content-Type names no boundary")
    return text.encode("latin-1")


def read(content_type: str, body: bytes) -> list[Part]:
    """Return the fields of a form. Raises ValueError."""
    return [_part(body, at, stop) for at, stop in spans(b"--" + boundary(content_type), body)]


def spans(delimiter: bytes, body: bytes) -> list[tuple[int, int]]:
    """Return where parts begin and end, with their heads. Raises ValueError."""
    if body.startswith(delimiter):
        at = len(delimiter)
    else:
        at = body.find(b"\r\n" + delimiter)  # before it may stand a preamble that nobody reads
        if at < 0:
            raise ValueError("the body does not hold the boundary that its Content-Type names")
        at += len(delimiter) + 2
    inner = b"\r\n" + delimiter
    parts: list[tuple[int, int]] = []
    while not body.startswith(b"--", at):
        eol = body.find(b"\r\n", at)
        if eol < 0 or body[at:eol].strip(b" \t"):
            raise ValueError("a delimiter does not stand on a line of its own")
        stop = body.find(inner, eol)
        if stop < 0:
            raise ValueError("the last part has no end")
        if len(parts) >= MOST_PARTS:
            raise ValueError(f"more than {MOST_PARTS} parts")
        parts.append((eol + 2, stop))
        at = stop + len(inner)
    return parts


def _part(body: bytes, at: int, stop: int) -> Part:
    name, filename, start = head(body, at, stop)
    return Part(name, body[start:stop], filename)


def head(body: bytes, at: int, stop: int) -> tuple[str, str | None, int]:
    """Return a part's name, its file's name, and where its content begins. Raises ValueError."""
    end = body.find(b"\r\n\r\n", at, min(stop, at + MOST_HEAD))
    if end < 0:
        raise ValueError("a part has no head")
    name = filename = None
    for line in body[at:end].split(b"\r\n"):
        field, found, value = line.decode("utf-8").partition(":")
        if not found:
            raise ValueError("a part's head holds a line that is no field")
        kind = field.strip().lower()
        if kind == "content-disposition":
            name, filename = _disposition(value)
        elif kind == "content-transfer-encoding" and value.strip().lower() not in ("binary", "8bit", "7bit"):
            raise ValueError(f"Content-Transfer-Encoding {value.strip()[:40]!r} is not understood")
    if name is None:
        raise ValueError("a part names no field")
    return name, filename, end + 4


def _disposition(value: str) -> tuple[str | None, str | None]:
    kind, _, _ = value.partition(";")
    if kind.strip().lower() != "form-data":
        raise ValueError("a part's Content-Disposition is not form-data")
    words = {k.lower(): _unquoted(quoted or bare) for k, quoted, bare in _PARAMETER.findall(value)}
    return words.get("name"), words.get("filename")


def _unquoted(text: str) -> str:
    text = re.sub(r"\\([\"\\])", r"\1", text)
    return text.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
