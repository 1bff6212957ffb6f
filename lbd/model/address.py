"""Where a listener listens: ``host:port``, ``[v6]:port`` or ``unix:/path``."""

from __future__ import annotations

import ipaddress

import msgspec

LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})


class Address(msgspec.Struct, frozen=True):
    """A TCP address, or a unix socket's path."""

    host: str = ""
    port: int = 0
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def local(self) -> bool:
        """Tell whether it is reachable from this host only."""
        return self.path is not None or is_loopback(self.host)


def parse(text: str) -> Address:
    """Read an address. Raises ValueError."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{text!r}: a unix socket needs an absolute path")
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    numeric = port.isascii() and port.isdigit() and int(port) <= 65535
    if not colon or not numeric or (":" in host) != bracketed or "[" in host or "]" in host:
        raise ValueError(f"{text!r} is no address: write host:port, [v6]:port or unix:/path")
    return Address(host, int(port))


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this host."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
