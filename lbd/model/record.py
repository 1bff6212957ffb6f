"""The record of a request: every decision, every attempt, and what the client got. Never the prompt."""

from __future__ import annotations

import msgspec

from lbd.model.experiment import Arm
from lbd.model.failure import FailureKind
from lbd.model.judged import Judged
from lbd.model.outcome import Usage
from lbd.model.plan import Decision
from lbd.model.units import DeploymentId, Micros, NanoUsd, Seconds, WallTime


class AttemptRecord(msgspec.Struct, frozen=True, gc=False):
    """One attempt. ``failure`` None: it served the client. Times are seconds from the request's arrival.

    An invalid answer may have been served all the same, where nobody had a better one (``served_by`` of the request).
    """

    decision: Decision
    started_s: Seconds
    ended_s: Seconds
    ttft_s: Seconds | None
    failure: FailureKind | None
    message: str = ""
    status: int | None = None
    usage: Usage | None = None
    cost: NanoUsd = 0
    upstream_id: str | None = None
    refused: str | None = None  # the lease was refused for this reason: nothing was sent
    fingerprint: str | None = None  # of the build that answered, as the provider told it
    resent: bool = False  # the kept connection was stale, so it was sent once more on a fresh one
    prompt: str | None = None  # version of the prompt that the deployment adds of its own
    hedge: bool = False  # it was sent beside one that was late
    span: str = ""  # id that the provider was told, 16 hexadecimal digits; "" where nothing was sent


class RequestRecord(msgspec.Struct, frozen=True, gc=False):
    """One request from arrival to the last byte.

    ``outcome`` is ``ok``, a failure's kind, or ``client_gone``. ``slo_missed``: the first content came
    later than asked.
    """

    id: str
    time: WallTime
    client: str
    surface: str
    asked: str
    target: str
    operation: str
    stream: bool
    urgency: str
    attempts: tuple[AttemptRecord, ...]
    outcome: str
    status: int
    served_by: DeploymentId | None
    ttft_s: Seconds | None
    total_s: Seconds
    overhead_us: Micros
    usage: Usage | None
    cost: NanoUsd
    slo_missed: bool = False
    waited_s: Seconds = 0.0
    moved: int = 0
    judged: Judged | None = None
    arms: tuple[Arm, ...] = ()  # of experiments in which it counts
    splices: tuple[str, ...] = ()  # what became of each try to go on with its stream, once that had broken
    trace: str = ""  # id of the trace that it is part of, 32 hexadecimal digits
    parent: str = ""  # id of its client's span, 16 digits; "" where the trace begins here
    flags: str = "00"  # of the trace, as its client set them
    trace_state: str = ""  # what tracing systems on the way note in it, as its client told it

    @property
    def spliced(self) -> int:
        """Count how often its stream went on elsewhere."""
        return self.splices.count("went_on")
