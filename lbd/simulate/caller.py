"""A simulated client's side of one request: what it sends, and what it notes of the answer."""

from __future__ import annotations

import json
from collections.abc import Callable

from lbd.model.peer import STRANGER
from lbd.model.units import Instant

_BEGIN = b'{"error"'
_ERROR = b"data: " + _BEGIN


class Inbound:
    """Implements :class:`lbd.pipeline.Inbound`."""

    peer = STRANGER

    def __init__(self, arrived: Instant, headers: dict[str, str]) -> None:
        self.arrived = arrived
        self._headers = headers

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        return self._headers.get(name)

    def wishes(self) -> dict[str, str]:
        """Return the ``x-lbd-*`` headers, without their prefix."""
        return {k.removeprefix("x-lbd-"): v for k, v in self._headers.items() if k.startswith("x-lbd-")}


class Caller:
    """Implements :class:`lbd.ports.Reply`; keeps what became of it, and nothing of an answer."""

    def __init__(self) -> None:
        self.started = False
        self.status = 0
        self.error = ""  # its code
        self.ended = False

    @property
    def good(self) -> bool:
        """Tell whether the answer was whole."""
        return self.ended and self.status == 200 and not self.error

    def send(self, status: int, headers: bytes, body: bytes) -> None:  # noqa: ARG002  nobody reads it
        """Note a whole answer."""
        self.started = self.ended = True
        self.status = status
        if status != 200:
            self.error = _code(body)

    def start(self, status: int, headers: bytes) -> None:  # noqa: ARG002  nobody reads it
        """Note the head of a stream."""
        self.started = True
        self.status = status

    def write(self, data: bytes) -> None:
        """Note a piece of a stream."""
        if data.startswith(_ERROR):
            self.error = _code(data[len(_ERROR) - len(_BEGIN) :])

    def end(self, data: bytes = b"") -> None:
        """Note the end of a stream."""
        self.write(data)
        self.ended = True

    def flow(self, pause: Callable[[], object], resume: Callable[[], object]) -> None:
        """Never be slow."""


def _code(body: bytes) -> str:
    """Return the code of an error in OpenAI's shape."""
    try:
        error = json.loads(body.split(b"\n", 1)[0])["error"]
        return str(error["code"] or error["type"])
    except (ValueError, KeyError, TypeError):
        return "error"
