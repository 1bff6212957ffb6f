"""How an answer is carried from a provider to its client.

forward   client and provider stream: slices go on as they came
fold      the client is unary, the provider streams: gathered into the unary answer
whole     both unary: read to the end
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from lbd.model.request import Body, Head
from lbd.model.units import WallTime
from lbd.shapes.wire import Watch, Wire
from lbd.upstream.line import Line


class Manner(StrEnum):
    """See the module."""

    FORWARD = "forward"
    FOLD = "fold"
    WHOLE = "whole"


# looking a member up in its enum costs 0.1 us each time
FORWARD, FOLD, WHOLE = Manner.FORWARD, Manner.FOLD, Manner.WHOLE


def manner_of(line: Line, wire: Wire, head: Head) -> Manner:
    """Return how an answer of ``line`` is carried over ``wire`` to a request with this head."""
    if head.stream:
        return FORWARD
    return FOLD if line.spec.unary_via_stream and wire.fold is not None else WHOLE


def following(manner: Manner, wire: Wire, body: Body, ask_usage: bool) -> Callable[[WallTime], Watch] | None:
    """Return what makes the watch of one answer's stream to this request, None where no stream is to come.

    ``ask_usage``: the provider is asked for its usage, whether the client wants it or not.
    """
    watch, head = wire.watch, body.head
    if manner is WHOLE or watch is None:
        return None
    shown = manner is FORWARD
    wants = head.include_usage if shown else ask_usage  # a whole answer always tells it
    hides = shown and ask_usage and not head.include_usage
    return lambda wall: watch(head.n, hides, wants_usage=wants, wall=wall, asked=body.raw)
