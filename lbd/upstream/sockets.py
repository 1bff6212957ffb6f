"""The sockets that connections are made from, of which a transport may take the descriptor over.

uvloop closes the descriptors of its transports itself and has the socket forget its own, but for a transport that broke
before the socket was attached to it: a TLS greeting that is answered with RST, as uvloop 0.23 goes. Such a socket would
close, when it is collected, whatever has got that number since: somebody else's connection.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohappyeyeballs


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
    return Socket(info[0], info[1], info[2])
