"""Statistical ejection: a deployment that stands out from its peers is set aside for a while.

Evaluated once a second over the rows of one peer group (the deployments of one tier). Hard failures are the
breaker's business; this is for the row that answers, but clearly worse than the others: its error ratio, or
its time to the first token. Ejection times grow with repetition as Envoy's do, and whether an ejection is
obeyed is decided per request (panic mode, :func:`obeyed`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from lbd.model.units import Instant, Ratio, Seconds

MIN_PEERS = 3
MIN_TRAFFIC = 20
ERROR_FLOOR: Ratio = 0.1  # below this nobody is ejected for errors, however clean the peers
ERROR_FACTOR = 3.0
TTFT_FACTOR = 3.0
FIRST: Seconds = 30.0
LONGEST: Seconds = 300.0
PANIC: Ratio = 0.5  # more than this share of a request's eligible rows ejected: ejection is ignored


class Peer(msgspec.Struct, frozen=True):
    """What is compared: the last minute of one row."""

    error_ratio: Ratio
    ttft_p50_s: Seconds | None
    n: int


class Ejection(msgspec.Struct, frozen=True):
    """Whether and why a row is set aside. ``times`` falls by one for each quiet ``LONGEST``."""

    until: Instant = 0.0
    times: int = 0
    reason: str = ""
    value: float = 0.0
    limit: float = 0.0


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def judge(peers: Sequence[Peer], mine: int) -> tuple[str, float, float] | None:
    """Return (reason, value, limit) if row ``mine`` stands out from the others, else None."""
    me = peers[mine]
    if me.n < MIN_TRAFFIC:
        return None
    others = [p for i, p in enumerate(peers) if i != mine and p.n >= MIN_TRAFFIC]
    if len(others) + 1 < MIN_PEERS:
        return None
    error_limit = max(ERROR_FLOOR, ERROR_FACTOR * _median([p.error_ratio for p in others]))
    if me.error_ratio > error_limit:
        return ("outlier_errors", me.error_ratio, error_limit)
    times = [p.ttft_p50_s for p in others if p.ttft_p50_s is not None]
    if me.ttft_p50_s is not None and len(times) + 1 >= MIN_PEERS:
        ttft_limit = TTFT_FACTOR * _median(times)
        if me.ttft_p50_s > ttft_limit:
            return ("outlier_ttft", me.ttft_p50_s, ttft_limit)
    return None


def step(ejection: Ejection, verdict: tuple[str, float, float] | None, now: Instant) -> Ejection:
    """Return the ejection after one evaluation."""
    if now < ejection.until:
        return ejection
    if verdict is not None:
        times = ejection.times + 1
        reason, value, limit = verdict
        return Ejection(now + min(LONGEST, FIRST * times), times, reason, value, limit)
    if ejection.times and now - ejection.until > LONGEST:
        return replace(ejection, times=ejection.times - 1, until=now)
    return ejection


def active(ejection: Ejection, now: Instant) -> bool:
    """Tell whether the row is set aside now."""
    return now < ejection.until


def obeyed(eligible: int, ejected: int) -> bool:
    """Tell whether ejections hold for a request with so many eligible rows, or panic overrides them."""
    return not (eligible >= MIN_PEERS and ejected > PANIC * eligible) and ejected < max(1, eligible)
