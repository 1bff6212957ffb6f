"""Say why: a decision as plain data, and the same decision executed again from its record."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lbd.decide import cutoff, pick, route
from lbd.decide.experiment import under
from lbd.decide.terms import Term
from lbd.model.plan import Choice, Decision, Live, Ranking
from lbd.model.request import Ask
from lbd.model.table import Snapshot, size_bucket
from lbd.model.units import DeploymentId, Seconds

_UNSEEN = Live(0, 1.0, 0.0, 0.0)


def ranking_facts(
    ranking: Ranking,
    snapshot: Snapshot,
    chosen: str | None = None,
    *,
    tried: Collection[DeploymentId] = (),
    left_s: Seconds | None = None,
) -> dict[str, Any]:
    """Return every candidate with its terms and share, and every exclusion with its reason.

    ``cutoff_s`` is what cuts an attempt there, behind those that were ``tried``, where so much time was left for the
    first content (None: a request that has just arrived), and behind the stages before its own. It is null where
    nothing cuts, since nobody is left besides.
    """
    snapshot = under(snapshot, ranking.ask.variant)
    names = [name for name, _ in snapshot.scorer.weights]
    size = size_bucket(ranking.ask.input_tokens)
    stages = []
    out = list(tried)
    for stage in ranking.stages:
        rows = []
        for c, share in stage.shares():
            view = snapshot.rows[c.row]
            whole = not ranking.ask.stream and not view.spec.unary_via_stream
            cut = cutoff.told(ranking, c, out, left_s, whole=whole)
            rows.append(
                {
                    "deployment": c.id,
                    "model": c.model,
                    "score": round(c.score, 6),
                    "terms": {n: round(v, 6) for n, v in zip(names, c.terms, strict=True)},
                    "share": round(share, 6),
                    "standing": c.standing,
                    "predicted_ttft_p95_s": round(c.predicted_s, 6),
                    "meets_target": round(view.meets_target[size], 4),
                    "predicted_total_s": round(c.total_s, 6),
                    "cutoff_s": None if cut is None else round(cut, 6),
                    "predicted_usd": c.usd,
                    "estimate": "samples" if c.fresh else "prior",
                    "state": view.state,
                    "chosen": c.id == chosen,
                }
            )
        stages.append({"stage": stage.name, "manner": stage.manner, "candidates": rows})
        out += [c.id for c in stage.candidates]
    excluded = [{"deployment": e.id, "reason": e.reason, "detail": e.detail, "soft": e.soft} for e in ranking.excluded]
    return {
        "generation": ranking.generation,
        "weights": dict(snapshot.scorer.weights),
        "stages": stages,
        "excluded": excluded,
        "panic": ranking.panic,
    }


def time_left(ask: Ask, started_s: Seconds, broken_s: Seconds | None = None) -> Seconds:
    """Return how long an attempt could take for its first content that began so many seconds after its request came.

    ``broken_s``: when the stream broke that it was to go on with; a client that has content waits anew.
    """
    by = min(ask.total_s, (broken_s or 0.0) + ask.first_content_s) if ask.stream else ask.total_s
    return max(0.0, by - started_s)


def rank_again(snapshot: Snapshot, decision: Decision, terms: Mapping[str, Term]) -> Ranking:
    """Return the ranking that a decision was made on."""
    return route.rank(snapshot, decision.ask, terms)


def replay(snapshot: Snapshot, decision: Decision, terms: Mapping[str, Term]) -> Choice | None:
    """Execute a recorded decision again on the snapshot it was made on."""
    recorded = dict(decision.live)
    ranking = rank_again(snapshot, decision, terms)
    return pick.choose(ranking, decision.query, decision.seed, lambda row: recorded.get(row, _UNSEEN))


def replays(snapshot: Snapshot, decision: Decision, terms: Mapping[str, Term]) -> bool:
    """Tell whether a recorded decision executes again to the same choice, or to nobody, for the same reason."""
    if decision.reason == "again":
        return decision.chosen in decision.query.out
    choice = replay(snapshot, decision, terms)
    if choice is None:
        return decision.chosen is None
    return (choice.candidate.id, choice.stage, choice.manner, choice.reason) == (
        decision.chosen,
        decision.stage,
        decision.manner,
        decision.reason,
    )
