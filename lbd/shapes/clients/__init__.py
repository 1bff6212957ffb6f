"""Client shapes: what applications speak to lbd, one a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from lbd.model.failure import Failure
from lbd.model.request import Head
from lbd.registry import Registry


@dataclasses.dataclass(frozen=True)
class ClientShape:
    """How one kind of client asks, and how it is answered where lbd itself speaks."""

    name: str
    read: Callable[[bytes], Head | Failure]  # what routing needs of a request body
    error_body: Callable[[Failure], bytes]
    error_event: Callable[[Failure], bytes]  # the last event of a stream that broke
    passes: Callable[[bytes], bool]  # may a provider's error body go to this client as it is
    keep_alive: bytes  # a frame that every client of this shape ignores


CLIENTS: Registry[ClientShape] = Registry("client shape", __name__)
