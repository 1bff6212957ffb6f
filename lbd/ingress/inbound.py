"""A request of the API listener: its head, read once, and its body as it came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from lbd.ingress.crowd import Room
from lbd.model.failure import Failure, FailureKind
from lbd.model.peer import STRANGER
from lbd.model.units import Instant

PREFIX = b"x-lbd-"
_NO_WISHES: Mapping[str, str] = {}
_DECLINED = frozenset({b"upgrade", b"http2-settings", b"connection", b"expect"})
K = TypeVar("K", str, bytes)


class Inbound:
    """A request as the pipeline sees it. ``refusal``: it broke a bound of the listener."""

    __slots__ = (
        "_fields",
        "_repeated",
        "_wishes",
        "arrived",
        "body",
        "held",
        "keep_alive",
        "method",
        "old",
        "path",
        "peer",
        "query",
        "refusal",
        "room",
    )

    def __init__(self) -> None:
        self._fields: dict[bytes, bytes] = {}
        self._repeated = 0  # fields whose name had come before
        self._wishes: dict[str, str] | None = None
        self.arrived: Instant = 0.0
        self.body = b""
        self.held = 0  # bytes of it that the listener has counted
        self.room: Room | None = None  # where it counted them
        self.peer = STRANGER
        self.keep_alive = True
        self.old = False  # HTTP/1.0
        self.method = ""
        self.path = ""
        self.query = ""
        self.refusal: Failure | None = None

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        value = self._fields.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def field(self, name: bytes) -> bytes | None:
        """Return a header's value as it came; ``name`` in lower case."""
        return self._fields.get(name)

    def wishes(self) -> Mapping[str, str]:
        """Return the ``x-lbd-*`` headers, without their prefix."""
        return _NO_WISHES if self._wishes is None else self._wishes

    def add(self, name: bytes, value: bytes) -> int:
        """Take in one header field; returns how many came."""
        name = name.lower()
        if name in self._fields:
            self._repeated += 1
            if name in (b"host", b"content-length", b"authorization"):
                self.refusal = Failure(FailureKind.BAD_REQUEST, f"more than one {name.decode('latin-1')} header")
            value = self._fields[name] + b", " + value
        self._fields[name] = value
        if name.startswith(PREFIX):
            if self._wishes is None:
                self._wishes = {}
            self._wishes[name[len(PREFIX) :].decode("latin-1")] = value.decode("latin-1")
        return len(self._fields) + self._repeated

    def unsure_end(self) -> Failure | None:
        """Return why somebody on the way may see the end of the body elsewhere than the parser does.

        HTTP/1.0 knows no transfer codings, and what else was applied than chunks is not undone here (RFC 9112, 6.1).
        """
        coding = self._fields.get(b"transfer-encoding")
        if coding is None or (coding.lower() == b"chunked" and not self.old):
            return None
        if self.old:
            return Failure(FailureKind.BAD_REQUEST, "HTTP/1.0 has no Transfer-Encoding", code="bad_http")
        said = coding[:40].decode("latin-1")
        text = f"Transfer-Encoding {said!r} is not understood; send chunked, or a Content-Length"
        return Failure(FailureKind.BAD_REQUEST, text, code="bad_http")

    def unpacked(self, body: bytes) -> Failure | None:
        """Take the body as it was before it was packed; or say why there is no room for that."""
        refusal = None if self.room is None else self.room.grow(self.held, len(body))
        if refusal is None:
            self.body, self.held = body, max(self.held, len(body))
        return refusal

    def to_origin_form(self) -> None:
        """Read an absolute-form target (RFC 9112, 3.2.2): its authority counts, and the Host field does not."""
        scheme, found, rest = self.path.partition("://")
        if found and scheme.lower() in ("http", "https"):
            authority, slash, path = rest.partition("/")
            if not authority:  # RFC 9110, 4.2.1
                self.refusal = Failure(FailureKind.BAD_REQUEST, "the request target names no host", code="bad_http")
            self.path = slash + path or "/"
            self._fields = {**self._fields, b"host": authority.encode("latin-1")}

    @property
    def plain(self) -> bool:
        """Tell whether nothing about it is out of the ordinary: what would have to be looked at again each time."""
        odd = self.refusal is not None or self.closed or self.old or not self.keep_alive
        return not odd and b"expect" not in self._fields and b"upgrade" not in self._fields

    def again(self, body: bytes) -> Inbound:
        """Return another request with the same head; its content-length is not to be relied on."""
        new = Inbound()
        new._fields, new._wishes = self._fields, self._wishes
        new.method, new.path, new.query = self.method, self.path, self.query
        new.body = body
        return new

    def close(self) -> None:
        """Take in no more: what comes after the head are trailers, which are no headers (RFC 9110, 6.5.1)."""
        self._fields = _Closed(self._fields)
        self._wishes = _Closed(self._wishes or {})

    @property
    def closed(self) -> bool:
        """Tell whether the head is behind us."""
        return isinstance(self._fields, _Closed)

    def head(self, url: bytes) -> bytes:
        """Return the head anew, without what offers or asks for another protocol."""
        fields = {name: value for name, value in self._fields.items() if name not in _DECLINED}
        options = [word.strip() for word in (self._fields.get(b"connection") or b"").split(b",")]
        fields[b"connection"] = b", ".join(w for w in options if w.lower() not in _DECLINED)
        lines = [b"%b %b HTTP/1.%d" % (self.method.encode(), url, 0 if self.old else 1)]
        return b"\r\n".join([*lines, *(b"%b: %b" % field for field in fields.items()), b"", b""])


class _Closed(dict[K, K]):
    """Fields that stay as they are."""

    def __setitem__(self, name: K, value: K) -> None:
        pass
