"""How long a row may take for its first content before the request goes on with another: what cuts, and what is shown.

The cut-off is twice the row's own p99, at least its tier's target. While others are left, nobody gets more than half of
what is left of the deadline, unless samples say that it needs more: or a patient tier (10 s) would leave the next
candidate nothing. An attempt that is :func:`hurried` gets so much time that the next one can have begun by twice the
tier's target, where that leaves it the target's time; half as much again at most.
"""

from __future__ import annotations

from collections.abc import Collection

from lbd.decide import pick
from lbd.model.plan import Candidate, Query, Ranking
from lbd.model.request import Ask, Urgency
from lbd.model.units import DeploymentId, Seconds

# How long an interactive request stays with a row that is held to meet its tier's target, in targets: an answer of
# another one is to have begun by twice that, 3 s, also where the row's own p99 is near it.
MOST_PATIENCE, LEAST_PATIENCE, BEGUN_BY = 1.5, 1.0, 2.0


def hurried(ask: Ask, candidate: Candidate) -> bool:
    """Tell whether who comes next matters: a row that meets its tier's target could keep an interactive request longer.

    One with a target of its own has that in its cut-off already.
    """
    late = candidate.predicted_s <= candidate.target_s < candidate.cutoff_s
    return late and ask.slo_s is None and ask.urgency is Urgency.INTERACTIVE


def next_of(ranking: Ranking, candidate: Candidate, tried: Collection[DeploymentId]) -> Seconds | None:
    """Return what the next one takes of an attempt that is hurried, else None; ``tried`` holds the candidate itself."""
    return pick.following_s(ranking, tried) if hurried(ranking.ask, candidate) else None


def cut_after(candidate: Candidate, left_s: Seconds, *, next_s: Seconds | None = None, whole: bool = False) -> Seconds:
    """Return after how long it is cut while others are left. ``left_s``: until the deadline of its first content.

    ``next_s``: see :func:`next_of`. ``whole``: its answer shows nothing before its end, so its row is asked then
    whether it is there.
    """
    cut = candidate.cutoff_s
    if next_s is not None:
        target_s = candidate.target_s
        spare, most = BEGUN_BY * target_s - next_s, MOST_PATIENCE * target_s
        if spare < LEAST_PATIENCE * target_s:  # the next one could not be in time anyway
            spare = most
        cut = min(cut, most, spare)
    half = left_s / 2
    return cut if whole or cut <= half else max(half, candidate.slow_s if candidate.fresh else 0.0)


def told(
    ranking: Ranking, candidate: Candidate, tried: Collection[DeploymentId], left_s: Seconds | None, *, whole: bool
) -> Seconds | None:
    """Return the cut-off that an attempt at ``candidate`` would have after those that were tried, None without one.

    The last one that is left gets all the time there is. ``left_s``: None for a request that has just arrived.
    """
    ask = ranking.ask
    out = (*tried, candidate.id)
    if not pick.left(ranking, Query(out)):
        return None
    if left_s is None:
        left_s = min(ask.first_content_s, ask.total_s) if ask.stream else ask.total_s
    return cut_after(candidate, left_s, next_s=next_of(ranking, candidate, out), whole=whole)
