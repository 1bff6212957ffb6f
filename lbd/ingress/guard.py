"""Loopback is no security boundary: what a browser can be made to send is refused.

A page that rebinds its own name to 127.0.0.1 sends that name as ``Host``; an IP address cannot be rebound, so
addresses are accepted and names only when they are known. A page of another site sends its ``Origin``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection

from lbd.model.address import LOOPBACK_NAMES

# no more than a browser sends: what is put otherwise is read differently by somebody on the way
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:/@,\s]+))(?::[0-9]{0,5})?")
# how a page got here, as browsers tell it (Fetch Metadata); none of them is the own page's, or a person's own doing
_FOREIGN = frozenset({"cross-site", "same-site"})

PAGE_FORM = "application/x-www-form-urlencoded"


def host_name(host: str) -> str:
    """Return the name or address of a Host header, without port and brackets, in lower case; nothing if it is none."""
    host = host.strip().lower()
    found = _HOST.fullmatch(host)
    if found is not None:
        return found[1] or found[2]
    return host if _is_address(host) else ""  # an IPv6 address without brackets


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def known_host(host: str | None, allowed: Collection[str]) -> bool:
    """Tell whether a request with this Host may be served (none at all is HTTP/1.0's or a unix socket's)."""
    if host is None or not host:
        return True
    name = host_name(host)
    return name != "" and (name in LOOPBACK_NAMES or name in allowed or _is_address(name))


def known_origin(origin: str | None, host: str | None, allowed: Collection[str], *, secure: bool) -> bool:
    """Tell whether a request with this Origin may be served: its own page's, or a listed host's.

    ``secure``: it came by TLS. Then a page that came without is nobody's here: whoever is on the way may have written
    it, in the name of any host. The other way round, a proxy before a listener without TLS speaks it for the listener.
    """
    if origin is None:
        return True
    scheme, _, authority = origin.partition("://")
    if not authority or (secure and scheme.lower() != "https"):
        return False  # "null" and everything else that names no host
    if host is not None and authority.lower() == host.lower():
        return True
    name = host_name(authority)
    return name != "" and name in allowed


def known_page(header: Callable[[str], str | None], *, reads: bool) -> bool:
    """Tell whether a request that a page caused may be served, by what the browser says of it (Fetch Metadata).

    Not every such request has an Origin: a picture, a script or a frame of another site's page has none. Served are
    those that have one, which was looked at, and a person's following of a link, which only reads.
    """
    site = header("sec-fetch-site")
    if site is None or site.strip().lower() not in _FOREIGN or header("origin") is not None:
        return True
    followed = header("sec-fetch-mode") == "navigate" and header("sec-fetch-dest") in (None, "document")
    return reads and followed


def is_json(content_type: str | None) -> bool:
    """Tell whether a body's type is JSON: no HTML form can send that without the browser asking first.

    Some clients say it twice, in one field or in two: browsers' ``fetch`` does, of a name in two spellings.
    """
    return content_type is not None and all(map(_is_json, content_type.split(",")))


def _is_json(content_type: str) -> bool:
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def is_form(content_type: str | None) -> bool:
    """Tell whether a body is a form with files; a page of another site can send one, but its Origin tells."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def is_page_form(content_type: str | None) -> bool:
    """Tell whether a body is a plain form, as the admin page sends them."""
    return content_type is not None and content_type.partition(";")[0].strip().lower() == PAGE_FORM
