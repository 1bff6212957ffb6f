"""The sockets that connections are made from, of which a transport may take the descriptor over.

uvloop closes the descriptors of its transports itself and has the socket forget its own, but for a transport that broke
before the socket was attached to it: a TLS greeting that is answered with RST, as uvloop 0.23 goes. Such a socket would
close, when it is collected, whatever has got that number since: somebody else's connection.

An answer may be thought about for minutes in which nothing is sent. Routers forget such connections without a word
(Azure's after 4 minutes, AWS's after 350 s), and a path that is lost says nothing either: so the kernel asks whether
the other side is there.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohappyeyeballs

_ASKS = (  # the other side is given up when it has been silent for 25 s; a path may be lost for some seconds
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 10),  # seconds
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 3),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 5),
)
_OPTIONS = tuple((level, getattr(socket, name), value) for level, name, value in _ASKS if hasattr(socket, name))


class Socket(socket.socket):
    """A socket that leaves its descriptor to the transport that it is attached to, whatever became of that."""

    def __del__(self) -> None:
        """Close it if it is nobody else's; uvloop counts itself among its users when it attaches it."""
        if getattr(self, "_io_refs", 0):  # one that got no descriptor has none of its fields
            self.detach()
        else:
            super().__del__()  # type: ignore[misc]


def new(info: aiohappyeyeballs.AddrInfoType) -> Socket:
    """Return a socket for an address. Raises OSError."""
    made = Socket(info[0], info[1], info[2])
    for level, option, value in _OPTIONS:
        made.setsockopt(level, option, value)
    return made
