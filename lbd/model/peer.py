"""Who is at the other end of a connection, as far as the connection itself shows: by the certificate of a TLS client.

A certificate bears names: those of its subjectAltName (RFC 5280, 4.2.1.6), and in older houses the common name of its
subject. Each is written with its kind, as openssl does: ``DNS:bot.example``, ``URI:spiffe://house/bot``,
``email:bot@house.example``, ``CN:bot``. A name of one kind never stands for the same text of another: an authority that
lets people choose their common name does not let them choose their host. Nothing here is a pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

KINDS = {kind.lower(): kind for kind in ("DNS", "URI", "email", "CN")}
WANTED = "write DNS:host.example, URI:spiffe://..., email:name@host.example, or CN:name for the subject's common name"


class Peer(NamedTuple):
    """What a connection shows of its client: whether it speaks TLS, and the names in its certificate, normal."""

    secure: bool = False
    names: frozenset[str] = frozenset()


STRANGER = Peer()


def normal(text: str) -> str:
    """Return a certificate's name as it is compared. Raises ValueError."""
    kind, _, name = text.partition(":")
    known = KINDS.get(kind.strip().lower())
    name = name.strip()
    if known is None or not name or not name.isprintable():
        raise ValueError(WANTED)
    return _normal(known, name)


def _normal(kind: str, name: str) -> str:
    """Host names know no case, nor does the host of an address (RFC 5280, 7.2 and 7.5); everything else does."""
    if kind == "DNS":
        name = name.lower()
    elif kind == "email":
        local, at, host = name.rpartition("@")
        name = f"{local}{at}{host.lower()}"
    return f"{kind}:{name}"


def names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the names of a certificate that was verified, as ``ssl`` tells it (``SSLSocket.getpeercert``)."""
    if not certificate:
        return frozenset()
    told: Iterable[tuple[str, str]] = certificate.get("subjectAltName", ())
    found = {_normal(known, name) for kind, name in told if (known := KINDS.get(kind.lower())) not in (None, "CN")}
    common = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    if len(common) == 1:  # of several, nobody can tell which is meant
        found.add(_normal("CN", common[0]))
    return frozenset(found)
