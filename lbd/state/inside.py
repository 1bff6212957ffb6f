"""What a server itself tells of the requests inside it: how many run, and how many wait (vLLM, SGLang, TGI, llama.cpp).

The gauges are read once a period, and hold until they are read again. Those that are not lbd's own count as load until
then. Where many wait that are lbd's own, more were sent than there are slots, and as many as ran are the slots: the
adaptive limit (:mod:`lbd.state.limit`) need not find that out from times to the first token.
"""

from __future__ import annotations

from msgspec.structs import replace

from lbd.model.outcome import Load
from lbd.model.units import Instant, Ratio
from lbd.state import limit as limits
from lbd.state.limit import HEADROOM, WAITING_SHARE, Limit

QUEUE = 2  # one may wait for no more than the server's next step
OWN: Ratio = 0.5  # of those inside: a queue of others says little of how many of lbd's own are served


def taken(load: Load, inflight: int) -> Load:
    """Return the load with how many of those inside are others', where ``inflight`` are lbd's own."""
    return replace(load, others=max(0, load.running + load.waiting - inflight))


def busy(load: Load | None, inflight: int) -> int:
    """Return how many requests run and wait there now: lbd's own, and those of others when it was told."""
    if load is None:
        return inflight
    return inflight + (max(0, load.running + load.waiting - inflight) if load.others is None else load.others)


def limited(limit: Limit, load: Load, inflight: int, now: Instant) -> Limit:
    """Return the limit after the server's own word, while ``inflight`` of lbd's own are there.

    It only ever makes it smaller: that nobody waits is no sign that more could run.
    """
    inside = load.running + load.waiting
    queues = load.waiting >= QUEUE and load.waiting > WAITING_SHARE * inside and load.running > 0
    if not queues or inflight < OWN * inside:
        return limit
    served = load.running * min(1.0, inflight / inside) + HEADROOM
    return limits.cut(limit, served, now) if served < limit.value else limit
