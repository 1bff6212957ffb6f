"""Loopback is no security boundary: what a browser can be made to send is refused.

A page that rebinds its own name to 127.0.0.1 sends that name as ``Host``; an IP address cannot be rebound, so
addresses are accepted and names only when they are known. A page of another site sends its ``Origin``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from lbd.model.address import LOOPBACK_NAMES


def host_name(host: str) -> str:
    """Return the name or address of a Host header, without port and brackets, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def known_host(host: str | None, allowed: Collection[str]) -> bool:
    """Tell whether a request with this Host may be served (none at all is HTTP/1.0's or a unix socket's)."""
    if host is None or not host:
        return True
    name = host_name(host)
    if name in LOOPBACK_NAMES or name in allowed:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def known_origin(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Tell whether a request with this Origin may be served: its own page's, or a listed host's."""
    if origin is None:
        return True
    authority = origin.partition("://")[2]
    if not authority:
        return False  # "null" and everything else that names no host
    if host is not None and authority.lower() == host.lower():
        return True
    return host_name(authority) in allowed


def is_json(content_type: str | None) -> bool:
    """Tell whether a body's type is JSON: no HTML form can send that without the browser asking first."""
    if content_type is None:
        return False
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def is_form(content_type: str | None) -> bool:
    """Tell whether a body is a form with files; a page of another site can send one, but its Origin tells."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == "multipart/form-data"
