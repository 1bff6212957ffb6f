"""Hard constraints: which deployments may serve an Ask, and for each that may not, the reason.

Soft exclusions (``soft=True``) are predictions: such a row is used when nothing better is left, and the
request is marked as having missed its SLO. Everything else is never overridden: cost, quality, capability,
admin state, lock-outs.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from lbd.decide import fitness
from lbd.decide.terms import Predicted
from lbd.model.plan import Excluded, Target
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Ask
from lbd.model.table import AdminState, DeploymentView
from lbd.model.units import Seconds, Tokens
from lbd.state.health import PRIOR_TPOT

DROPPED = ("quality_dropped", "its scored answers have become worse")
# a refusal -> the reason of a row's state that tells of it
_TOLD_AS = {"breaker_open": "breaker_open", "trials_under_way": "half_open", "quota_exhausted": "rate_limited"}
_READY = AdminState.READY  # looking a member up in its enum costs 0.1 us each time


def predict(row: DeploymentView, ask: Ask, size: int, target_s: Seconds | None) -> Predicted:
    """Return what this Ask would get at ``row``: latency against its target, and cost.

    The request's or surface's SLO filters; it is the tier's target that latency is judged against where
    there is one, since a tier promises no more.
    """
    goal = target_s if target_s is not None else ask.slo_s
    ttft = row.ttft_p95_s[size] + row.wait_s
    output = row.output_tokens
    if ask.output_tokens is not None and ask.output_tokens < output:
        output = ask.output_tokens
    price = row.spec.price
    usd = None
    if price is not None:
        all_output = output * ask.choices
        usd = (ask.input_tokens * price.input_usd_per_mtok + all_output * price.output_usd_per_mtok) / 1e6
    target = ask.first_content_s if goal is None else goal
    seen = row.total_p95_s
    if seen is not None and not ask.stream:
        # unary answers show nothing but their whole time; one that is bound to be shorter takes its share of it
        if output < row.output_tokens:
            seen *= output / row.output_tokens
        # a target speaks of the first content; the rest of a whole answer may take the usual pace
        return Predicted(ttft, target, usd, seen + row.wait_s, target + output * PRIOR_TPOT)
    # nothing is held against a row that was never seen: only samples say how long its answers take
    return Predicted(ttft, target, usd, ttft + output * row.tpot_s if row.tpot_fresh else ttft)


def expected_output(row: DeploymentView, ask: Ask) -> Tokens:
    """Return how many tokens the answer is expected to have, all its choices together."""
    usual = row.output_tokens
    return (usual if ask.output_tokens is None else min(usual, ask.output_tokens)) * ask.choices


def bounded(ask: Ask, target: Target) -> bool:
    """Tell whether an Ask sets bounds of its own, besides time."""
    return bool(ask.allow or ask.quality_floor > 0 or ask.max_usd is not None or target.max_cost_per_1k is not None)


def can(spec: DeploymentSpec, ask: Ask) -> bool:
    """Tell whether a deployment can be asked so at all: its shape has words for it, and its model does it."""
    if spec.carries is not None:
        carried = spec.carries.get(ask.shape)
        if carried is None or not ask.needs <= carried:
            return False
    return not ask.needs or spec.supports is None or ask.needs <= spec.supports


def plainly(row: DeploymentView, ask: Ask, predicted: Predicted, within_s: Seconds) -> bool:
    """Tell at a glance that nothing keeps ``row`` out, for an Ask that is not ``bounded``. Most rows pass here."""
    context = row.spec.context_tokens
    return (
        row.refusal is None
        and can(row.spec, ask)
        and row.admin is _READY
        and row.weight > 0
        and not row.lost
        and predicted.ttft_s <= within_s
        and predicted.total_s <= ask.total_s
        and (context is None or ask.input_tokens <= context)
    )


def excluded(i: int, row: DeploymentView, ask: Ask, target: Target, predicted: Predicted) -> Excluded | None:
    """Return why row ``i`` may not serve ``ask``, None where it may."""
    # what passes by itself comes last: it is worth waiting for, and an open breaker worth a last-resort trial, only
    # where nothing else keeps the row out
    hard = _cannot(row, ask) or _may_not(row, ask) or _over(row, ask, target, predicted) or _refused(row)
    if hard is not None:
        return Excluded(i, row.spec.id, *hard)
    # without a floor, whoever has become worse may still serve where nobody is better
    late = _late(ask, predicted) or (DROPPED if ask.family and ask.family in row.lost else None)
    return None if late is None else Excluded(i, row.spec.id, *late, soft=True)


def _cannot(row: DeploymentView, ask: Ask) -> tuple[str, str] | None:
    spec = row.spec
    if spec.carries is not None:
        carried = spec.carries.get(ask.shape)
        if carried is None:
            return "shape", f"it does not serve {ask.shape}"
        if not ask.needs <= carried:
            return "capability", ", ".join(sorted(ask.needs - carried))
    if spec.supports is not None and not ask.needs <= spec.supports:
        return "capability", ", ".join(sorted(ask.needs - spec.supports))
    if spec.context_tokens is not None:
        # the answer needs room too, but only what the client insists on is certain
        need = ask.input_tokens
        if need > spec.context_tokens * 1.25:  # input_tokens is rounded up by at most a quarter
            return "context", f"{need} > {spec.context_tokens} tokens"
    return None


def _may_not(row: DeploymentView, ask: Ask) -> tuple[str, str] | None:
    if row.admin is not _READY:
        return f"admin_{row.admin}", ""
    if ask.allow and not any(fnmatchcase(row.spec.model, p) for p in ask.allow):
        return "not_allowed", "the client's models"
    if row.weight <= 0:
        return "weight_zero", ""
    return None


def _refused(row: DeploymentView) -> tuple[str, str] | None:
    if row.refusal is None:
        return None
    # what locked it out was said to somebody else's request, and may repeat it; and the row's state may have another
    # reason than what keeps requests out
    return row.refusal, row.reason.text if row.reason.code == _TOLD_AS.get(row.refusal) else ""


def _over(row: DeploymentView, ask: Ask, target: Target, predicted: Predicted) -> tuple[str, str] | None:
    if ask.quality_floor > 0:
        if fitness.lost(row, ask):
            return DROPPED
        quality = fitness.least(row, ask)
        if quality is None:
            return "quality_unknown", f"floor {ask.quality_floor:g}"
        if quality < ask.quality_floor:
            return "under_quality_floor", f"{quality:.3g} < {ask.quality_floor:g}"
    cap = target.max_cost_per_1k
    if ask.max_usd is None and cap is None:
        return None
    usd = predicted.usd
    if usd is None:
        return "price_unknown", "a cost cap is set"
    if ask.max_usd is not None and usd > ask.max_usd:
        return "over_max_usd", f"{usd:.6f} > {ask.max_usd:.6f} USD"
    if cap is not None:
        per_1k = usd / (ask.input_tokens + expected_output(row, ask)) * 1000
        if per_1k > cap:
            return "over_max_cost_per_1k", f"{per_1k:.6f} > {cap:.6f} USD"
    return None


def _late(ask: Ask, predicted: Predicted) -> tuple[str, str] | None:
    if ask.slo_s is not None and predicted.ttft_s > ask.slo_s:
        return "over_slo", f"{predicted.ttft_s:.2f} > {ask.slo_s:g} s"
    if predicted.ttft_s > ask.first_content_s:
        return "over_deadline", f"{predicted.ttft_s:.2f} > {ask.first_content_s:g} s"
    if predicted.total_s > ask.total_s:
        return "over_total", f"{predicted.total_s:.2f} > {ask.total_s:g} s"
    return None
