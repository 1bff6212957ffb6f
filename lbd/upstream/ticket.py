"""An admitted request, as its flight takes it."""

from __future__ import annotations

import msgspec

from lbd.model.experiment import Arm
from lbd.model.judged import Judged
from lbd.model.request import AfterContent, Ask, Body
from lbd.model.units import Instant
from lbd.model.validation import Validation
from lbd.shapes.clients import ClientShape
from lbd.upstream.trace import NO_TRACE, Trace


class Ticket(msgspec.Struct, frozen=True):
    """An admitted request: everything its flight needs."""

    id: str
    arrived: Instant
    body: Body
    ask: Ask
    shape: ClientShape
    client: str
    affinity: int = 0
    forward: tuple[tuple[str, str], ...] = ()  # headers for a provider that speaks the client's own shape
    validation: Validation | None = None  # what a whole answer is held to
    sampled: bool = True  # its answer may be sampled to be scored
    judged: Judged | None = None  # what the prompt was held to be, where the choice was left to lbd
    arms: tuple[Arm, ...] = ()  # of experiments in which it counts
    after_content: AfterContent = AfterContent.SPLICE
    trace: Trace = NO_TRACE  # that it is part of
