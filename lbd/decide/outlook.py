"""What a table promises to requests that name no model: each deployment's score and the share that is meant for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lbd.decide import route
from lbd.decide.terms import Term
from lbd.model.plan import Ranking
from lbd.model.provider import Deadlines
from lbd.model.request import Ask, Urgency
from lbd.model.table import SIZE_BOUNDS, Snapshot
from lbd.model.units import DeploymentId, Ratio, Seconds


class Outlook(NamedTuple):
    """Of one deployment: its score by urgency, None where it is excluded, and its share of interactive requests."""

    interactive: Ratio | None = None
    background: Ratio | None = None
    share: Ratio = 0.0


def _ask(urgency: Urgency, first_content_s: Seconds, total_s: Seconds) -> Ask:
    """Return the most usual request: a short prompt that is streamed."""
    return Ask(
        "auto",
        urgency,
        stream=True,
        input_tokens=SIZE_BOUNDS[0],
        first_content_s=min(first_content_s, total_s),
        total_s=total_s,
    )


def outlook(snapshot: Snapshot, deadlines: Deadlines, terms: Mapping[str, Term]) -> dict[DeploymentId, Outlook]:
    """Return the outlook of every deployment that is not excluded from both classes."""
    first, total, days = (
        deadlines.interactive_first_content_s,
        deadlines.interactive_total_s,
        deadlines.background_total_s,
    )
    now = route.rank(snapshot, _ask(Urgency.INTERACTIVE, first, total), terms)
    later = route.rank(snapshot, _ask(Urgency.BACKGROUND, days, days), terms)
    soon, whenever, meant = _scores(now), _scores(later), shares(now)
    return {id_: Outlook(soon.get(id_), whenever.get(id_), meant.get(id_, 0.0)) for id_ in soon | whenever}


def _scores(ranking: Ranking) -> dict[DeploymentId, Ratio]:
    return {c.id: c.score for stage in ranking.stages if stage.manner != "trial" for c in stage.candidates}


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
