"""What a table promises to requests that name no model: each deployment's score and the share that is meant for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lbd.decide import route
from lbd.decide.terms import Term
from lbd.model.plan import Ranking
from lbd.model.request import Ask, Urgency
from lbd.model.table import SIZE_BOUNDS, Snapshot
from lbd.model.units import DeploymentId, Ratio

# the most usual request: a short prompt that is streamed
_INTERACTIVE = Ask("auto", stream=True, input_tokens=SIZE_BOUNDS[0])
_BACKGROUND = Ask("auto", Urgency.BACKGROUND, stream=True, input_tokens=SIZE_BOUNDS[0])


class Outlook(NamedTuple):
    """Of one deployment: its score by urgency, None where it is excluded, and its share of interactive requests."""

    interactive: Ratio | None = None
    background: Ratio | None = None
    share: Ratio = 0.0


def outlook(snapshot: Snapshot, terms: Mapping[str, Term]) -> dict[DeploymentId, Outlook]:
    """Return the outlook of every deployment that is not excluded from both classes."""
    now = route.rank(snapshot, _INTERACTIVE, terms)
    later = route.rank(snapshot, _BACKGROUND, terms)
    soon, whenever, meant = _scores(now), _scores(later), shares(now)
    return {id_: Outlook(soon.get(id_), whenever.get(id_), meant.get(id_, 0.0)) for id_ in soon | whenever}


def _scores(ranking: Ranking) -> dict[DeploymentId, Ratio]:
    return {c.id: c.score for stage in ranking.stages for c in stage.candidates}


def shares(ranking: Ranking) -> dict[DeploymentId, Ratio]:
    """Return the chance of each candidate to be drawn first, before live load is looked at (:mod:`lbd.decide.pick`)."""
    out: dict[DeploymentId, Ratio] = {}
    left = 1.0
    normal = [stage for stage in ranking.stages if stage.manner == "normal"]
    weighed = []
    for stage in normal:
        weighed.append((stage, left * stage.standing))
        left -= left * stage.standing
    if left > 0 and ranking.stages:
        # as a pick does when no tier passes: the soonest of the normal ones, else whatever there is
        rest = min(normal, key=lambda s: min(c.predicted_s for c in s.candidates)) if normal else ranking.stages[0]
        weighed.append((rest, left))
    for stage, chance in weighed:
        for c, share in stage.shares():
            out[c.id] = out.get(c.id, 0.0) + chance * share
    return out
