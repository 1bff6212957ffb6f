"""Traces as data: where they are sent and which are kept, spans, and what became of those that were kept."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, TypeAlias

import msgspec

from lbd.model.secret import Secret
from lbd.model.units import Ratio, Seconds

Value: TypeAlias = str | bool | int | float | tuple[str, ...]
PATH = "/v1/traces"  # of a collector
SERVER, CLIENT = 2, 3  # kinds of spans, as OTLP numbers them


class Keep(StrEnum):
    """Why a trace is kept; of several reasons the first."""

    ERROR = "error"
    SPLICE = "splice"
    HEDGE = "hedge"
    FALLBACK = "fallback"
    SLO_MISSED = "slo_missed"
    SAMPLED = "sampled"  # its client records it
    SHARE = "share"  # of the ordinary ones


class TracesSpec(msgspec.Struct, frozen=True):
    """Where traces are sent, and which. ``resource``: attributes that say whose they are."""

    url: Secret
    headers: tuple[tuple[str, Secret], ...] = ()
    keep_share: Ratio = 0.01
    keep_sampled: bool = True
    timeout_s: Seconds = 10.0
    resource: tuple[tuple[str, str], ...] = ()

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Return what of it nobody is to be told."""
        return tuple(value for _, value in self.headers)


class SpanEvent(NamedTuple):
    """What happened at one instant of a span. Times are nanoseconds since the epoch."""

    name: str
    at_ns: int
    attributes: dict[str, Value]


class Span(NamedTuple):
    """One span as OTLP has it. Ids are hexadecimal digits; ``parent`` is empty for the first of a trace.

    ``remote``: its parent is not lbd's. ``flags`` and ``state`` are those of the trace context.
    """

    trace: str
    id: str
    parent: str
    remote: bool
    flags: int
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    failed: bool = False
    events: tuple[SpanEvent, ...] = ()
    state: str = ""
