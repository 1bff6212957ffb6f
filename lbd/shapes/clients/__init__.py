"""Client shapes: what applications speak to lbd, one a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.model.units import Tokens
from lbd.registry import Registry
from lbd.shapes.dialect import Voice
from lbd.shapes.splice import Resume


@dataclasses.dataclass(frozen=True)
class ClientShape:
    """How one kind of client asks, and how it is answered where lbd itself speaks."""

    name: str
    read: Callable[[bytes], Head | Failure]  # what routing needs of a request body
    error_body: Callable[[Failure], bytes]
    error_event: Callable[[Failure], bytes]  # the last event of a stream that broke
    passes: Callable[[bytes], bool]  # may a provider's error body go to this client as it is
    keep_alive: bytes  # a frame that every client of this shape ignores
    voice: Voice | None = None  # how it is understood and answered where the provider speaks another shape
    status: Callable[[Failure], int] = lambda failure: failure.row.status
    estimate: Callable[[Tokens], bytes] | None = None  # lbd's own answer where no deployment can give one
    # where it is a form and not JSON: its body with another model's name
    named: Callable[[bytes, str], bytes] | None = None
    said: Callable[[bytes], tuple[str, ...]] | None = None  # the user's turns, the oldest first, where there are any
    resume: Resume | None = None  # how a stream that broke is taken up, where it can be
    forwards: tuple[str, ...] = ()  # headers that a provider of this very shape gets as the client sent them


CLIENTS: Registry[ClientShape] = Registry("client shape", __name__)
