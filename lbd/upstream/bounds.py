"""How long one attempt may take: its cut-off, its deadlines, and what would be unusual for its row."""

from __future__ import annotations

import math
from typing import NamedTuple

from lbd.decide.cutoff import cut_after
from lbd.model.failure import Failure, FailureKind
from lbd.model.plan import Candidate
from lbd.model.request import Ask
from lbd.model.table import DeploymentView
from lbd.model.units import Instant, Seconds
from lbd.state.flight import Flight
from lbd.state.health import PRIOR_TPOT
from lbd.upstream.manner import FOLD, FORWARD, WHOLE, Manner

# A row that is alive, and since the request was sent has answered nobody: few answers are so much longer than most, and
# none of the others came.
MUTE_FACTOR = 5.0
MUTE_LEAST: Seconds = 10.0
LONGEST_OUTPUT = 8192  # tokens of an answer whose client sets no bound; few are longer


_tuple = tuple.__new__


class Bounds(NamedTuple):
    """Instants until which an attempt may be silent; see :mod:`lbd.upstream.attempt`.

    ``leave_at``: a whole answer is given up for another candidate then. ``usual_s`` is the p95 of the row's whole
    answers, None where nobody knows. ``hedge_at``: a second attempt is worth it from then on.
    """

    cut_at: Instant
    first_by: Instant
    total_by: Instant
    headers_at: Instant
    idle_s: Seconds
    leave_at: Instant = math.inf
    usual_s: Seconds | None = None
    hedge_at: Instant = math.inf


def bounds_of(
    flight: Flight,
    ask: Ask,
    candidate: Candidate,
    manner: Manner,
    view: DeploymentView | None,
    now: Instant,
    headers_at: Instant,
    idle_s: Seconds,
    *,
    hedge_s: Seconds = math.inf,
    next_s: Seconds | None = None,
) -> Bounds:
    """Return the bounds of an attempt at ``candidate`` that begins now.

    ``next_s``: what the next one takes, of an attempt that is hurried. See :mod:`lbd.decide.cutoff`.
    """
    first_by, leave_at, usual = flight.first_by, math.inf, None
    left_s = first_by - now
    cut_at = now + cut_after(candidate, left_s, next_s=next_s, whole=manner is WHOLE)
    if manner is WHOLE:
        usual = None if view is None else view.total_p95_s
        leave_at = now + max(left_s / 2, 2 * (usual or 0.0))  # nobody is left for being as slow as it always is
    if manner is FOLD:  # nothing of it shows before the end: each candidate gets its cut-off at least
        first_by = min(flight.total_by, max(flight.arrived + ask.first_content_s, cut_at))
    if manner is not FORWARD:
        headers_at = math.inf
    # half the time of calling the class
    return _tuple(Bounds, (cut_at, first_by, flight.total_by, headers_at, idle_s, leave_at, usual, now + hedge_s))


def longest(ask: Ask, view: DeploymentView | None, usual_s: Seconds | None) -> Seconds:
    """Return how long the longest answer that was asked for takes at half the usual speed."""
    tpot = PRIOR_TPOT if view is None else max(PRIOR_TPOT, view.tpot_s)
    by_tokens = ask.first_content_s + 2 * (ask.output_tokens or LONGEST_OUTPUT) * ask.choices * tpot
    return max(by_tokens, 2 * (usual_s or 0.0))


def overdue(usual_s: Seconds) -> Seconds:
    """Return how long a whole answer may take at a row that answers nobody else either, by the p95 of its answers."""
    return max(MUTE_LEAST, MUTE_FACTOR * usual_s)


def exceeded(manner: Manner, bounds: Bounds, ask: Ask, candidate: Candidate, total_s: Seconds) -> bool:
    """Tell whether an attempt that took so long has really been slower than its row usually is."""
    if manner is not WHOLE:
        return total_s * 2 >= candidate.cutoff_s  # which is at least twice the row's own p99
    if bounds.usual_s is not None:
        return total_s >= bounds.usual_s
    return ask.output_tokens is not None  # else nobody knows how long its answer may be


def silence(waited: Seconds, which: str = "", *, connected: bool) -> Failure:
    """Return the failure of an attempt that has brought no content for so long."""
    if connected:
        return Failure(FailureKind.TIMEOUT_FIRST, f"no content within {waited:.2f} s{which}")
    return Failure(FailureKind.CONNECT_TIMEOUT, f"no connection within {waited:.2f} s{which}")
