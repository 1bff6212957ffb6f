"""What is told of experiments: definition, arms, each metric with its interval, and the verdict in words."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from lbd.model.experiment import By
from lbd.state.trial import Reading, Shown, enough, read
from lbd.state.trial_bounds import FEWEST
from lbd.state.trial_ratio import ALPHA, log_evidence
from lbd.state.trial_values import Metric
from lbd.table.report import rfc3339
from lbd.table.trials import Experiment

_WORDS = {
    Metric.QUALITY: "quality",
    Metric.ERRORS: "errors",
    Metric.COST: "cost",
    Metric.TTFT: "time to the first content",
    Metric.TOTAL: "time of whole answers",
}


def document(found: Experiment) -> dict[str, Any]:
    """Return one experiment as ``GET /v1/experiments`` tells it."""
    spec, trial, ending = found.spec, found.trial, found.ending
    readings = read(trial, spec)
    control, treated = trial.control.units, trial.treatment.units
    evidence = log_evidence(control, treated, spec.share)
    return {
        "name": spec.name,
        "state": found.state,
        "key": spec.key,
        "since": rfc3339(found.since),
        "ended": None
        if ending is None
        else {"at": rfc3339(ending.at), "reason": ending.reason, "by": ending.by, "evidence": ending.evidence},
        "share": spec.share,
        "by": spec.by,
        "surfaces": sorted(spec.surfaces),
        "changes": [{"path": c.path, "control": c.control, "treatment": c.treatment} for c in spec.changes],
        "stop_if": msgspec.to_builtins(spec.stop_if),
        "confidence": spec.confidence,
        "max_days": None if spec.max_s is None else spec.max_s / 86400,
        "ran_days": found.ran_s / 86400,
        "arms": {
            name: {
                "units": side.units,
                "requests": side.requests,
                "unpriced": side.unpriced,
                "scores": round(side.tallies[Metric.QUALITY].sums.n),
            }
            for name, side in (("control", trial.control), ("treatment", trial.treatment))
        },
        "metrics": [_metric(r) for r in readings],
        "sample_ratio": {
            "control_units": control,
            "treatment_units": treated,
            "expected": spec.share,
            "seen": treated / (control + treated) if control + treated else None,
            # the Bayes factor itself would be beyond any number soon
            "log_evidence": round(evidence, 3),
            "mismatch_from": round(-math.log(ALPHA), 3),
            "mismatch": evidence >= -math.log(ALPHA),
        },
        "verdict": verdict(found, readings),
    }


def _metric(r: Reading) -> dict[str, Any]:
    mean = r.control.mean if r.control.n else 0.0
    told: dict[str, Any] = {
        "metric": r.metric,
        "control": {"n": round(r.control.n), "mean": _mean(r.control.n, r.control.s)},
        "treatment": {"n": round(r.treatment.n), "mean": _mean(r.treatment.n, r.treatment.s)},
        "difference": None,
        "interval": None,
        "relative": None,
        "relative_interval": None,
        "shown": r.shown,
        "limit": r.limit,
        "keeps_limit": r.safe,
    }
    if r.interval is not None:
        told["difference"] = r.interval.difference
        told["interval"] = [r.interval.low, r.interval.high]
        if mean > 0:
            told["relative"] = r.interval.difference / mean
            told["relative_interval"] = [r.interval.low / mean, r.interval.high / mean]
    return told


def _mean(n: float, s: float) -> float | None:
    return s / n if n > 0 else None


def verdict(found: Experiment, readings: list[Reading]) -> str:
    """Return how it stands, in words."""
    ending = found.ending
    if ending is not None:
        return f"{_ended(ending.reason, ending.by)}; everybody has what the control arm has"
    if not found.spec.enabled:
        return "disabled: nobody is treated"
    if not enough(found.trial):
        return _few(found)
    told = _shown(readings)
    if any(r.shown is Shown.UNPRICED for r in readings):
        told += "; costs are not compared: too much was answered by deployments that have no price"
    return told


def _shown(readings: list[Reading]) -> str:
    worse = [_WORDS[r.metric] for r in readings if r.shown is Shown.WORSE]
    better = [_WORDS[r.metric] for r in readings if r.shown is Shown.BETTER]
    if worse and better:
        return f"mixed: the treatment is better in {_and(better)}, worse in {_and(worse)}"
    if worse:
        return f"the treatment is worse in {_and(worse)}"
    unsure = [_WORDS[r.metric] for r in readings if not r.safe]
    if better and unsure:
        return f"the treatment is better in {_and(better)}; not sure yet that it keeps its limit of {_and(unsure)}"
    if better:
        return f"won: the treatment is better in {_and(better)}, and keeps every limit"
    return "open: no difference is shown yet"


def _ended(reason: str, by: str | None) -> str:
    if by is not None:
        return f"stopped by {by}: {reason}"
    if reason == "sample_ratio_mismatch":
        return "invalid, stopped: the arms do not have as many units as they should, so their numbers mean nothing"
    return "its time is over" if reason == "time_over" else f"stopped by its guardrail: {reason}"


def _few(found: Experiment) -> str:
    told = f"too early: nothing is said before each arm has {FEWEST} units"
    if found.spec.by is By.SESSION:
        told += "; requests that name no x-lbd-session are one unit for each client"
    elif found.spec.by is By.CLIENT:
        told += "; each client is one unit"
    return told


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
