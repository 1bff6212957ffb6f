"""Listening sockets: those that systemd passes (sd_listen_fds(3)), else bound here."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable, Mapping, MutableMapping
from pathlib import Path

from lbd.model.address import Address, is_loopback, parse

FIRST_FD = 3
BACKLOG = 4096


class ListenError(Exception):
    """A socket that cannot be listened on; the message says why and what to do."""


def passed(environ: MutableMapping[str, str] = os.environ) -> dict[str, list[socket.socket]]:
    """Return the sockets that the service manager passed, by their FileDescriptorName (``api``, ``admin``).

    One without a known name is the API's. The variables are taken out, so that children do not see them. Raises
    ListenError.
    """
    pid, count = environ.pop("LISTEN_PID", None), environ.pop("LISTEN_FDS", "0")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return {}
    out: dict[str, list[socket.socket]] = {}
    for i in range(int(count)):
        sock = _listening(FIRST_FD + i)
        name = names[i] if i < len(names) else ""
        out.setdefault(name if name in ("api", "admin") else "api", []).append(sock)
    return out


def _listening(fd: int) -> socket.socket:
    try:
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as e:
        raise ListenError(f"descriptor {fd}, passed by LISTEN_FDS, is no listening socket: {e.strerror}") from None
    if not listens:
        raise ListenError(f"descriptor {fd}, passed by LISTEN_FDS, is no listening socket")
    sock.setblocking(False)
    return sock


def usual_socket(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return where the admin API's unix socket is if nobody says: in the directory that systemd made, if it did."""
    folder = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return f"{folder}/admin.sock" if folder else None


def bind(text: str, *, mode: int = 0o660) -> list[socket.socket]:
    """Bind an address and listen. Raises ListenError."""
    address = parse(text)
    try:
        if address.path is not None:
            return [_unix(Path(address.path), mode)]
        return _tcp(address)
    except OSError as e:
        raise ListenError(f"cannot listen on {address}: {e.strerror or e}") from None


def _tcp(address: Address) -> list[socket.socket]:
    out: list[socket.socket] = []
    infos = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    port = address.port
    for family, kind, proto, _, where in dict.fromkeys(infos):
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            # port 0: every family gets the port that the first one was given
            sock.bind((where[0], port, *where[2:]))
        except OSError as e:
            sock.close()
            if e.errno == errno.EADDRNOTAVAIL and (out or len(infos) > 1):
                continue  # localhost names ::1 too, on hosts without IPv6
            for bound in out:
                bound.close()
            raise
        port = port or sock.getsockname()[1]
        sock.listen(BACKLOG)
        sock.setblocking(False)
        out.append(sock)
    if not out:
        raise OSError(errno.EADDRNOTAVAIL, "no such address on this host")
    return out


def _unix(path: Path, mode: int) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise OSError(0, f"{path} exists and is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)  # a full queue is no reason to wait, and a sign of life
            found = probe.connect_ex(str(path))
        if found in (0, errno.EAGAIN):
            raise OSError(0, f"another process listens on {path}")
        if found != errno.ECONNREFUSED:  # only a socket that nobody listens on is taken away
            raise OSError(found, os.strerror(found))
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        sock.bind(str(path))
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(before)
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def beyond(sockets: Iterable[socket.socket]) -> list[str]:
    """Return the addresses of those that are reachable from other hosts."""
    return [describe(s) for s in sockets if s.family != socket.AF_UNIX and not is_loopback(s.getsockname()[0])]


def describe(sock: socket.socket) -> str:
    """Return the address of a listening socket as it is written in the configuration."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if sock.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"
