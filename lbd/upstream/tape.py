"""What a client is sent, kept beside: of a sampled request, up to a bound."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from lbd.ports import Reply

MOST = 1024 * 1024  # bytes; of a longer answer nothing is kept


class Taping:
    """What all tapes under way hold, in ``bytes``, ``most`` of them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.bytes = 0


class Overheard(ABC):
    """Implements :class:`lbd.ports.Reply` around another one, and hears what that is told."""

    def __init__(self, reply: Reply, taping: Taping) -> None:
        self._reply = reply
        self._taping = taping
        self._kept: list[bytes] = []
        self._size = 0

    @property
    def started(self) -> bool:
        """Tell whether a head went out."""
        return self._reply.started

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        """Send a whole answer."""
        self._reply.send(status, headers, body)
        self._hear(body, whole=True)

    def start(self, status: int, headers: bytes) -> None:
        """Send the head of a streamed answer."""
        self._reply.start(status, headers)

    def write(self, data: bytes) -> None:
        """Send a piece of a streamed answer."""
        self._reply.write(data)
        self._hear(data)

    def end(self, data: bytes = b"") -> None:
        """Send the last piece and finish."""
        self._reply.end(data)
        self._hear(data)

    def flow(self, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        """Say whom to stop while the client cannot take more."""
        self._reply.flow(pause, resume)

    @abstractmethod
    def _hear(self, data: bytes, *, whole: bool = False) -> None:
        """Take a piece of a streamed answer, or a whole one."""

    def _keep(self, data: bytes) -> bool:
        """Keep a piece; False where that is too much, and all is forgotten."""
        self._size += len(data)
        self._taping.bytes += len(data)
        self._kept.append(data)
        if self._size > MOST or self._taping.bytes > self._taping.most:
            self._forget()
            return False
        return True

    def _forget(self) -> bytes:
        """Return what was kept, and keep nothing of it."""
        kept = b"".join(self._kept)
        self._taping.bytes -= self._size
        self._size = 0
        self._kept.clear()
        return kept


class Tape(Overheard):
    """Keeps the whole answer."""

    def __init__(self, reply: Reply, taping: Taping) -> None:
        super().__init__(reply, taping)
        self._lost = False

    def _hear(self, data: bytes, *, whole: bool = False) -> None:  # noqa: ARG002  all of it counts
        self._lost = self._lost or not self._keep(data)

    def close(self) -> bytes | None:
        """Return all that was sent, and forget it; None where it was too much."""
        kept = self._forget()
        return None if self._lost else kept
