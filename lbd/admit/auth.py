"""Who asks: by a key, by the certificate of the connection, or by both where a client is bound to one.

Keys are known by their SHA-256 only; compared as hashes, never logged, never part of a query.

Nothing here compares a key with what was sent, character by character: a table is asked for the digest of what was
sent, which nobody can steer, and what was accepted before is found by a hash whose key is drawn at each start. How long
either takes says nothing of how much of a guess was right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import cachetools

from lbd.model.failure import Failure, FailureKind
from lbd.model.peer import STRANGER, Peer
from lbd.model.provider import ClientSpec

LOCAL = ClientSpec("local", b"")  # its empty digest is that of no key
REMEMBERED = 4096


def digest(key: str) -> bytes:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


class Clients:
    """The clients of one configuration. Without any, callers on the host itself need no key."""

    def __init__(self, clients: Iterable[ClientSpec]) -> None:
        self._by_name = {c.name: c for c in clients if c.key_sha256 or c.certificates}
        self._by_digest = {c.key_sha256: c for c in self._by_name.values() if c.key_sha256}
        # those who need no key
        self._by_certificate = {n: c for c in self._by_name.values() if not c.key_sha256 for n in c.certificates}
        # header text -> client: hashing costs more than a lookup, and a client sends the same header each time.
        # One memory a header: what one accepts says nothing of the other
        self._bearers: cachetools.LRUCache[str, ClientSpec] = cachetools.LRUCache(REMEMBERED)
        self._keys: cachetools.LRUCache[str, ClientSpec] = cachetools.LRUCache(REMEMBERED)

    @property
    def open(self) -> bool:
        """Tell whether no key is asked."""
        return not self._by_name

    def named(self, name: str) -> ClientSpec | None:
        """Return the client of this name, for work that it left here to be done; None where it is no more."""
        return self._by_name.get(name) if self._by_name else LOCAL if name == LOCAL.name else None

    def who(self, authorization: str | None, api_key: str | None, peer: Peer = STRANGER) -> ClientSpec | Failure:
        """Return the client behind ``Authorization: Bearer``, ``x-api-key`` or ``api-key``, or behind a certificate.

        A key that is known tells whose request it is. Without one the certificate may: SDKs send some key always, so
        what is no client's key is as good as none there.
        """
        if not self._by_name:
            return LOCAL
        client = self._by_key(authorization, api_key)
        if isinstance(client, Failure):
            return self._certified(peer.names) or client
        if client.certificates and client.certificates.isdisjoint(peer.names):
            text = (
                "this API key is taken only on a connection with the TLS certificate of its client,"
                " and that is not the certificate of this one"
            )
            return Failure(FailureKind.FORBIDDEN, text, code="wrong_certificate")
        return client

    def _by_key(self, authorization: str | None, api_key: str | None) -> ClientSpec | Failure:
        text, seen = (authorization, self._bearers) if authorization is not None else (api_key, self._keys)
        if text is None:
            return Failure(
                FailureKind.UNAUTHORIZED,
                "no API key: send it as Authorization: Bearer <key>",
                code="missing_api_key",
            )
        known = seen.get(text)
        if known is not None:
            return known
        key = text
        if authorization is not None:
            scheme, _, key = authorization.partition(" ")
            if scheme.lower() != "bearer":
                return Failure(
                    FailureKind.UNAUTHORIZED, f"the Authorization scheme must be Bearer, not {scheme[:20]!r}"
                )
        client = self._by_digest.get(digest(key.strip()))
        if client is None:
            return Failure(FailureKind.UNAUTHORIZED, "this API key is not known", code="invalid_api_key")
        seen[text] = client
        return client

    def _certified(self, names: frozenset[str]) -> ClientSpec | Failure | None:
        """Return whose certificate bears one of these names, of those who need no key; None where it is nobody's."""
        if not self._by_certificate or not names:
            return None
        found = {c.name: c for name in names if (c := self._by_certificate.get(name)) is not None}
        if len(found) > 1:
            text = "the TLS certificate of this connection is that of more than one client: each needs its own"
            return Failure(FailureKind.FORBIDDEN, text, code="ambiguous_certificate")
        return next(iter(found.values()), None)
