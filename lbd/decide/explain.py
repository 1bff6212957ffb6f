"""Say why: a decision as plain data, and the same decision executed again from its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lbd.decide import pick, route
from lbd.decide.experiment import under
from lbd.decide.terms import Term
from lbd.model.plan import Choice, Decision, Live, Ranking
from lbd.model.table import Snapshot, size_bucket

_UNSEEN = Live(0, 1.0, 0.0, 0.0)


def ranking_facts(ranking: Ranking, snapshot: Snapshot, chosen: str | None = None) -> dict[str, Any]:
    """Return every candidate with its terms and share, and every exclusion with its reason."""
    snapshot = under(snapshot, ranking.ask.variant)
    names = [name for name, _ in snapshot.scorer.weights]
    size = size_bucket(ranking.ask.input_tokens)
    stages = []
    for stage in ranking.stages:
        rows = []
        for c, share in stage.shares():
            view = snapshot.rows[c.row]
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
                    "cutoff_s": round(c.cutoff_s, 6),
                    "predicted_usd": c.usd,
                    "estimate": "samples" if c.fresh else "prior",
                    "state": view.state,
                    "chosen": c.id == chosen,
                }
            )
        stages.append({"stage": stage.name, "manner": stage.manner, "candidates": rows})
    excluded = [{"deployment": e.id, "reason": e.reason, "detail": e.detail, "soft": e.soft} for e in ranking.excluded]
    return {
        "generation": ranking.generation,
        "weights": dict(snapshot.scorer.weights),
        "stages": stages,
        "excluded": excluded,
        "panic": ranking.panic,
    }


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
