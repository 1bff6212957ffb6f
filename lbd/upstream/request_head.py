"""The head of a request to a provider, as bytes: what is the same for all requests there is written once."""

from __future__ import annotations

from lbd.ports import Endpoint


def head_bytes(endpoint: Endpoint, length: int) -> bytes:
    """Return the request head. Header values were checked when the configuration was read."""
    prefix = _prefix(endpoint if endpoint.like is None else endpoint.like)
    return b"%b%d\r\n%b\r\n" % (prefix, length, endpoint.own)


_prefixes: dict[int, tuple[Endpoint, bytes]] = {}


def _prefix(endpoint: Endpoint) -> bytes:
    # endpoints are few and live as long as a configuration; hashing one costs more than building this once
    known = _prefixes.get(id(endpoint))
    if known is not None and known[0] is endpoint:
        return known[1]
    if len(_prefixes) > 4096:
        _prefixes.clear()
    lines = [f"{endpoint.method} {endpoint.path} HTTP/1.1", f"host: {endpoint.origin.authority}"]
    lines += [f"{name}: {value}" for name, value in endpoint.headers]
    prefix = "\r\n".join(lines).encode("latin-1") + b"\r\ncontent-length: "
    if endpoint.lasting:
        _prefixes[id(endpoint)] = (endpoint, prefix)
    return prefix
