"""The words for the codes of decisions, for whoever explains one to a person."""

from __future__ import annotations

REASONS = {
    "only": "the only candidate there",
    "weighted": "drawn by weight; nobody else was less loaded",
    "least_loaded": "least loaded of the candidates with a like score",
    "best_of_two": "the less loaded of two that were drawn",
    "affinity": "the home of this session or prompt prefix",
    "explore": "explored, because its estimate was stale",
    "again": "the same one once more, after a short wait",
}
MANNERS = {
    "slo_missed": "nobody was predicted to meet the target: this comes closest",
    "suspect": "only suspects were left: their last sign was bad",
    "ejected": "only what stands out from its peers was left",
    "trial": "last resort: nothing was left but an open breaker",
}
EXCLUSIONS = {
    "capability": "lacks what the request needs",
    "context": "the prompt is too long for it",
    "admin_drain": "drained by an operator",
    "admin_maint": "in maintenance",
    "not_allowed": "not allowed for this client",
    "breaker_open": "its breaker is open",
    "trials_under_way": "half-open, all its trials are under way",
    "quota_exhausted": "its quota is used up for now",
    "weight_zero": "its weight is 0",
    "quality_unknown": "a quality floor is set, and its quality is not known",
    "under_quality_floor": "under the quality floor",
    "quality_dropped": "its scored answers have become worse",
    "price_unknown": "its price is not known",
    "over_max_usd": "predicted to cost too much",
    "over_max_cost_per_1k": "predicted to cost too much a token",
    "ejected": "stands out from its peers",
    "over_slo": "predicted to be too slow for the target",
    "over_deadline": "predicted to miss the deadline",
    "over_total": "predicted not to finish in time",
}


def exclusion(code: str) -> str:
    """Return why a deployment was not eligible, empty where the code says it all."""
    return EXCLUSIONS.get(code, "locked until a person acts" if code.startswith("locked") else "")
