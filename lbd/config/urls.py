"""URLs of those who are told something: a receiver of alerts, a collector of traces."""

from __future__ import annotations

from urllib.parse import urlsplit


def wrong_url(url: str) -> str | None:
    """Return what is wrong with a URL, without repeating it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "this is no URL"
    if parts.scheme not in ("http", "https") or not host:
        return "must be an http:// or https:// URL"
    return None if url.isascii() and url.isprintable() and " " not in url else "a URL has no spaces and only ASCII"
