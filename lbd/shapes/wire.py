"""The seam between a client shape and a provider: how a request is put, and how answers are followed and read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import msgspec
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.model.units import WallTime
from lbd.ports import Headers
from lbd.shapes import loose

NOTHING = "the answer says nothing, nor why it ended"  # some servers answer so when their model did not


class Facts(msgspec.Struct, frozen=True):
    """What lbd reads out of a whole (unary) answer. ``failure``: an error in spite of a good status.

    ``answer`` is what the client gets, None where that is the provider's own body.
    """

    usage: Usage | None = None
    model: str | None = None
    failure: Failure | None = None
    answer: bytes | None = None


class Watch(Protocol):
    """Follows one answer stream: what may go on to the client, and how far the answer has come.

    Until the first content nothing is forwarded: the slice that commits brings what was held with it.
    """

    @property
    def committed(self) -> bool:
        """Content came; what ``feed`` returns may be sent."""

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
    def contents(self) -> int:
        """Count of content deltas so far."""

    @property
    def whole(self) -> bool:
        """Every choice has finished, and the usage that the client wants has come: only the end is missing."""

    @property
    def finished(self) -> bool:
        """Every choice has told why it ended."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return those to forward."""

    def end(self) -> tuple[bytes, Failure | None]:
        """The provider closed: return what completes the stream, or the failure that this end is."""


class Watching(Protocol):
    """Makes the watch of one stream: how many choices it will have, and whose wish its usage event is."""

    def __call__(
        self,
        choices: int,
        hide_usage: bool,
        /,
        *,
        wants_usage: bool = False,
        wall: WallTime = 0.0,
        asked: bytes = b"",
    ) -> Watch:
        """``hide_usage``: lbd asked for usage, the client did not. ``wants_usage``: the client did.

        ``asked``: the body of the client's request, which some answers say again.
        """


class Fold(Protocol):
    """Gathers a stream into the unary answer it stands for."""

    def feed(self, data: bytes) -> None:
        """Take forwarded bytes of the stream."""

    def result(self) -> bytes:
        """Return the unary body."""


@dataclasses.dataclass(frozen=True)
class Wire:
    """How requests of one client shape go to a provider, and how its answers come back to them.

    ``path`` is below the base URL, ``{model}`` in it is the upstream model; ``stream_path`` where streams have another.
    ``watch`` and ``fold`` are None for what is never streamed. ``native``: the provider speaks the client's shape
    itself, so bytes pass through.
    """

    path: str
    carries: frozenset[str]  # capabilities that can be expressed
    encode: Callable[[Body, DeploymentSpec, bool, bool], bytes]  # (body, row, stream, ask for usage)
    facts: Callable[[bytes, WallTime], Facts]  # of a unary answer that came at this time
    watch: Watching | None = None
    fold: Callable[[Watch], Fold] | None = None
    stream_path: str | None = None
    native: bool = True
    names_deployment: bool = True  # where paths hold the deployment's name (Azure), this one does
    # a unary answer as the client asked for it: (answer, body, row, usage as it was told or is estimated)
    finish: Callable[[bytes, Body, DeploymentSpec, Usage | None], bytes] | None = None
    serves: str = "chat"  # the word of a deployment's ``serves`` that it takes
    head_usage: Callable[[Headers], Usage | None] | None = None  # of a unary answer whose body tells none
    lacks: Callable[[Body, bytes], Failure | None] | None = None  # what of the request a unary answer leaves out
    of_model: Callable[[str], Wire] | None = None  # the one for an upstream model, where not all are asked alike

    def lacking(self, asked: Body, answer: bytes | None) -> Failure | None:
        """Return the failure that a unary answer is where it leaves out some of what was asked for."""
        return None if self.lacks is None or answer is None else self.lacks(asked, answer)

    def read(self, body: bytes, headers: Headers, wall: WallTime) -> Facts:
        """Read a unary answer: its body, and of its head what the body does not tell."""
        facts = self.facts(body, wall)
        if self.watch is not None and facts.failure is None and not loose.utf8(body):
            return Facts(facts.usage, failure=Failure(FailureKind.BAD_BODY, "the answer is not UTF-8", status=200))
        if self.head_usage is None or facts.usage is not None:
            return facts
        return replace(facts, usage=self.head_usage(headers))
