"""Both halves of a translation: how a provider of another shape is asked and heard, and how a client is answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from lbd.model.failure import Failure
from lbd.model.messages import Answer, Piece, Prompt
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec


class Listener(Protocol):
    """Hears one answer stream out: bytes in as they come, pieces of the answer out."""

    @property
    def done(self) -> bool:
        """The provider's own end mark came."""

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, as far as they were told."""

    @property
    def failure(self) -> Failure | None:
        """What the provider said has gone wrong, or that it sent what is no event."""

    @property
    def whole(self) -> bool:
        """Every choice has finished, and the usage has come: only the end is missing."""

    @property
    def finished(self) -> bool:
        """Every choice has told why it ended."""

    def feed(self, data: bytes) -> Sequence[Piece]:
        """Take bytes."""

    def end(self) -> tuple[Sequence[Piece], Failure | None]:
        """The provider closed: return what is left, and the failure where that was too early."""


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a provider is asked a prompt. See :class:`lbd.shapes.wire.Wire` for the paths."""

    family: str  # whose opaque tokens it takes
    path: str
    carries: Callable[[str], frozenset[str]]  # what can be expressed to this upstream model
    write: Callable[[Prompt, DeploymentSpec, bool, bool], bytes]  # (prompt, row, stream, ask for usage)
    listen: Callable[[str, int], Listener]  # (upstream model, choices)
    read: Callable[[bytes, str], Sequence[Piece]]  # a unary answer, and the upstream model; raises LbdError
    stream_path: str | None = None


class Speaker(Protocol):
    """Writes one answer stream in the client's shape."""

    def say(self, pieces: Iterable[Piece]) -> bytes:
        """Return the events of these pieces. Raises LbdError for what the shape cannot say."""

    def end(self) -> bytes:
        """Return what ends the stream. Raises LbdError as ``say`` does."""


@dataclasses.dataclass(frozen=True)
class Voice:
    """How a client's request is understood, and how it is answered from pieces."""

    family: str  # whose opaque tokens its clients carry untagged
    read: Callable[[bytes], Prompt]  # raises LbdError
    speak: Callable[[bool, bytes], Speaker]  # (the client wants usage in its stream, what it asked)
    whole: Callable[[Answer], bytes]  # a unary answer
    counts: Callable[[Usage], object]  # the ``usage`` of a unary answer
    echo: Callable[[bytes, bytes], bytes] | None = None  # puts into a unary answer what it says again of what was asked
