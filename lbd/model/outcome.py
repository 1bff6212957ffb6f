"""What became of an attempt, and what a probe saw: the observations that move the table."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.units import Instant, NanoUsd, Seconds, Tokens, WallTime


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts of one answer. ``estimated``: the provider gave none."""

    prompt: Tokens = 0
    completion: Tokens = 0
    cached: Tokens = 0
    reasoning: Tokens = 0
    estimated: bool = False
    written: Tokens = 0  # of the prompt, to the provider's cache


class QuotaReading(msgspec.Struct, frozen=True):
    """One limit as a provider told it: ``what`` is ``requests`` or ``tokens`` (or a finer word).

    ``fixed``: its reset was told as a point of time, so it counts from when it was read; else from when it was told.
    """

    what: str
    limit: int | None
    remaining: int
    reset_s: Seconds | None
    fixed: bool = False


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How one attempt ended. ``failure`` is None for a good answer.

    ``ttft_s`` is from sending the request to the first content (None where none came or the answer was
    unary), ``total_s`` to the last byte. ``exceeded_own_p99`` tells whether a cut attempt had really
    been slower than its row usually is; only then does the cut count against the row.
    """

    failure: Failure | None
    size: int  # prompt-size bucket
    total_s: Seconds
    ttft_s: Seconds | None = None
    usage: Usage | None = None
    exceeded_own_p99: bool = True
    quota: tuple[QuotaReading, ...] = ()
    quota_age_s: Seconds = 0.0  # since the head that told it
    text_bytes: int = 0  # of the request, to learn tokens per byte from
    fingerprint: str | None = None  # of the build that answered
    choices: int = 1  # answers to the one prompt, counted together in the usage
    checked: bool = False  # the answer was held to what was asked of it
    asked: bytes = b""  # the request's body, by which one that is sent again is known

    @property
    def kind(self) -> FailureKind | None:
        """Name the failure's kind, None for a good answer."""
        return None if self.failure is None else self.failure.kind


class Verdict(StrEnum):
    """What a probe says of a deployment. Busy is not down."""

    UP = "up"
    DOWN = "down"
    BUSY = "busy"


class Load(msgspec.Struct, frozen=True):
    """Queue gauges as the server itself reports them, other gateways' traffic included.

    ``others``: how many of those inside were not lbd's own then, None until that is known.
    """

    running: int
    waiting: int
    slots: int | None = None
    others: int | None = None


class ProbeResult(msgspec.Struct, frozen=True):
    """What one probe found.

    ``kind`` is the probe's registered name. ``models`` is the provider's list, where it was asked.
    ``expires`` is the end of the TLS certificate. ``cost`` is what the probe spent.
    """

    kind: str
    verdict: Verdict
    at: Instant
    took_s: Seconds
    detail: str = ""
    failure: FailureKind | None = None
    load: Load | None = None
    quota: tuple[QuotaReading, ...] = ()
    models: frozenset[str] | None = None
    expires: WallTime | None = None
    ttft_s: Seconds | None = None
    cost: NanoUsd = 0
    retry_after_s: Seconds | None = None
