"""What keeps a connection from coming about: the provider's host, name resolution, or this host, which is short of
something. Only errors tell them apart, and not always: a resolver that gets no descriptor says that there is no such
name, and TLS that its authorities cannot be found.
"""

from __future__ import annotations

import errno
import os
import socket

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Seconds

WAIT: Seconds = 1.0  # that a client is told: requests that end give back what they held
_SHORT = {
    errno.EMFILE: "this process is out of file descriptors: raise LimitNOFILE= of the service (ulimit -n)",
    errno.ENFILE: "this host is out of file descriptors: raise fs.file-max",
    errno.ENOBUFS: "this host has no buffers left for connections: raise net.ipv4.tcp_mem, or its memory",
    errno.ENOMEM: "this host has no memory left for connections",
    errno.EADDRNOTAVAIL: "this host has no port or address left to connect from: widen net.ipv4.ip_local_port_range",
}


NO_DESCRIPTOR = Failure(FailureKind.LOCAL, _SHORT[errno.EMFILE], retry_after_s=WAIT)


def shortage(error: BaseException | None) -> Failure | None:
    """Return the failure that this host's being short of something is, None where that is not what ``error`` says."""
    if not isinstance(error, OSError) or isinstance(error, socket.gaierror):  # whose numbers are others
        return None
    said = _SHORT.get(error.errno or 0)
    return None if said is None else Failure(FailureKind.LOCAL, said, retry_after_s=WAIT)


def no_descriptor() -> Failure | None:
    """Return the same where no descriptor can be had now, whatever an error says."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as e:
        return shortage(e)
    return None


def unreached(error: Exception, authority: str) -> Failure:
    """Return what an error in connecting to ``authority`` means."""
    found = shortage(error)
    vague = isinstance(error, socket.gaierror) or getattr(error, "errno", None) in (None, errno.EINVAL)
    if found is None and vague:
        found = no_descriptor()
    if found is not None:
        return found
    said = getattr(error, "strerror", None) or error
    if isinstance(error, socket.gaierror | UnicodeError):  # of a name that no resolver can be asked for
        return Failure(FailureKind.DNS, f"no address for the name of {authority}: {said}")
    return Failure(FailureKind.CONNECT, f"no connection to {authority}: {said}")


def untrusted(error: OSError, text: str) -> Failure:
    """Return what an error of TLS means; ``text`` says where it came up."""
    return shortage(error) or no_descriptor() or Failure(FailureKind.TLS, text)
