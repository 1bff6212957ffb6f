"""What readers see of a row: its health in a word with the reason, its estimates, its standing.

Estimates: the percentile of the last minute (of five, where that is thin), blended with a prior: fewer than
``ENOUGH`` samples count in proportion, and without fresh samples an estimate drifts to the prior with a
half-life of ``HALF_LIFE``. The prior of p95 is 0.8 x the tier's target, so that an unknown deployment is
tried; that of p99 is half the target, so that a silent one is left at the target itself.

Standing: a row loses it when its p95 is above the tier's target on two publishes, gets it back at 0.8 of it,
and its share moves by at most ``SLEW`` a second in between.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from lbd.model.outcome import Verdict
from lbd.model.provider import TierSpec
from lbd.model.table import SIZES, AdminState, DeploymentView, HealthState, Reason
from lbd.model.units import Instant, Ratio, Seconds
from lbd.state import breaker, inside, outlier, quota, scores, warmup
from lbd.state.breaker import Phase
from lbd.state.lately import ENOUGH, Lately, added_up
from lbd.state.row import Row, concurrency, locked
from lbd.state.window import FIVE_MINUTES, MINUTE

HALF_LIFE: Seconds = 120.0
FRESH: Seconds = 30.0  # a sample this young does not age
PRIOR_P95: Ratio = 0.8
PRIOR_P99: Ratio = 0.5
PRIOR_WITHIN: Ratio = 0.95  # as the prior of p95 lies within the target
PRIOR_TPOT: Seconds = 0.02
SLEW: Ratio = 0.1  # a second
BACK: Ratio = 0.8
# The estimate comes back towards the prior, which is BACK itself; within this it has arrived.
BACK_TOLERANCE: Ratio = 0.05
RATIO_BASE = 20  # an error ratio counts as over at least this many attempts


class Estimate(NamedTuple):
    """Predicted p95 and p99 of the first content, whether samples back them, and the chance of the tier's target."""

    p95_s: Seconds
    p99_s: Seconds
    fresh: bool
    within: Ratio


def estimate(row: Row, size: int, now: Instant, *, wait_s: Seconds = 0.0) -> Estimate:
    """Return what is to be expected of a prompt of this size; ``wait_s`` of the target goes before it is served."""
    return _blended(row, size, now, prior(row.tier, wait_s), wait_s)


def prior(tier: TierSpec, wait_s: Seconds) -> Estimate:
    """Return what is to be expected of a row that nobody knows."""
    target = tier.ttft_p95_s
    return Estimate(PRIOR_P95 * target, PRIOR_P99 * target, False, PRIOR_WITHIN * max(0.0, 1 - wait_s / target))


def _blended(row: Row, size: int, now: Instant, prior: Estimate, wait_s: Seconds) -> Estimate:
    target, last = row.tier.ttft_p95_s, row.last_sample[size]
    if last == -math.inf:
        return prior
    told = lately(row, now)
    sketch, p95, p99, within = told.firsts[size]
    if p95 is None or p99 is None:
        return prior
    age = max(0.0, now - last - FRESH)
    trust = min(1.0, sketch.n / ENOUGH) * 0.5 ** (age / HALF_LIFE)
    if wait_s > 0 or told.target_s != target:
        within = sketch.share_within(max(0.0, target - wait_s)) or 0.0
    return Estimate(
        prior.p95_s + trust * (p95 - prior.p95_s),
        prior.p99_s + trust * (p99 - prior.p99_s),
        trust >= 0.5,
        prior.within + trust * (within - prior.within),
    )


def error_ratio(row: Row, now: Instant) -> tuple[Ratio, int]:
    """Return the error ratio of the last minute (of five, where that is thin) and how many attempts it is over."""
    recent = row.outcomes.over(MINUTE, now)
    bad, judged = recent.verdicts()
    if judged < ENOUGH:
        bad, judged = row.outcomes.over(FIVE_MINUTES, now).verdicts()
    return bad / max(judged, RATIO_BASE), judged


def lately(row: Row, now: Instant) -> Lately:
    """Return what the row's samples tell: added up anew for some more of them, and once a second."""
    known = row.lately
    if known is None or not known.holds(row.samples, now):
        of = row.ttft, row.last_sample, row.tpot, row.total, row.samples
        known = row.lately = added_up(*of, row.tier.ttft_p95_s, now, row.index)
    return known


def service_s(row: Row, now: Instant) -> Seconds:
    """Return how long a request usually occupies a slot."""
    closed, growing = row.total.parts(FIVE_MINUTES, now)
    n = closed.n + growing.n
    return (closed.total + growing.total) / n if n else row.tier.ttft_p95_s


def load(row: Row, now: Instant) -> tuple[Ratio, Seconds]:
    """Return utilisation (0..1) and the predicted wait for a slot, foreign traffic included."""
    most = concurrency(row)
    if most is None:
        return 0.0, 0.0
    busy = inside.busy(row.foreign, row.inflight)
    over = busy + 1 - most
    wait = over * service_s(row, now) / max(1.0, most) if over > 0 else 0.0
    return min(1.0, busy / max(1.0, most)), wait


def steer(row: Row, size: int, p95: Seconds, now: Instant, *, fresh: bool = True) -> None:
    """Move the standing for one prompt size after an estimate; called once a publish.

    ``fresh``: it says something that it has not said before.
    """
    target = row.tier.ttft_p95_s
    if fresh and p95 > target:
        row.over_target[size] = min(2, row.over_target[size] + 1)
    elif fresh and (p95 <= target * BACK * (1 + BACK_TOLERANCE) or row.over_target[size] < 2):
        row.over_target[size] = 0
    goal = 0.0 if row.over_target[size] >= 2 else 1.0
    step = SLEW * min(1.0, max(0.0, now - row.standing_at)) if row.standing_at != -math.inf else 0.0
    now_at = row.standing[size]
    row.standing[size] = max(goal, now_at - step) if goal < now_at else min(goal, now_at + step)


def judge(row: Row, quota_left: Ratio, now: Instant) -> tuple[HealthState, Reason]:
    """Return the health state and why; the first that applies, worst first."""
    return _out(row, now) or _limping(row, quota_left, now) or _well(row)


def _out(row: Row, now: Instant) -> tuple[HealthState, Reason] | None:
    """Say so where hardly any or no request is sent there."""
    if row.lock is not None and locked(row, now):
        return HealthState.LOCKED, Reason(f"locked_{row.lock.kind}", row.lock.message)
    b = row.breaker
    if b.phase is Phase.OPEN:
        return HealthState.DOWN, Reason("breaker_open", f"opened by {b.cause}", value=float(b.openings))
    if b.phase is Phase.HALF_OPEN:
        text = f"{b.trials_ok} of {breaker.TRIALS} trials passed"
        return HealthState.RECOVERING, Reason("half_open", text, float(b.trials_ok), float(breaker.TRIALS))
    if row.suspect is not None:
        return HealthState.SUSPECT, Reason(f"suspect_{row.suspect}", "the last sign of it was bad")
    return None


def _limping(row: Row, quota_left: Ratio, now: Instant) -> tuple[HealthState, Reason] | None:
    """Say so where it works, but not as it should."""
    if outlier.active(row.ejection, now):
        e = row.ejection
        return HealthState.DEGRADED, Reason(e.reason, "stands out from its peers", e.value, e.limit)
    if not warmup.over(row.warm_since, now):
        share = warmup.factor(row.warm_since, now)
        return HealthState.RECOVERING, Reason("slow_start", "takes its share in steps", share, 1.0)
    if quota_left <= 0:
        return HealthState.DEGRADED, Reason("rate_limited", "its quota is used up for now", 0.0)
    ratio, n = error_ratio(row, now)
    if n >= ENOUGH and ratio > row.tier.error_rate_max:
        return HealthState.DEGRADED, Reason("error_rate", "over the tier's limit", ratio, row.tier.error_rate_max)
    worst = min(range(SIZES), key=lambda s: row.standing[s])
    if row.standing[worst] < 1.0:
        p95 = estimate(row, worst, now).p95_s
        return HealthState.DEGRADED, Reason("slo_p95", "p95 of the first content", p95, row.tier.ttft_p95_s)
    return None


def _well(row: Row) -> tuple[HealthState, Reason]:
    if not row.probes and row.last_used == -math.inf:
        return HealthState.UNKNOWN, Reason("never_used", "neither probed nor used yet")
    if any(p.verdict is Verdict.BUSY for p in row.probes.values()):
        return HealthState.UP, Reason("busy", "alive; all slots were taken when it was asked")
    return HealthState.UP, Reason("ok")


def refusal(row: Row, quota_left: Ratio, now: Instant) -> str | None:
    """Return the reason code that keeps requests out, None where they may come."""
    if row.lock is not None and locked(row, now):
        return f"locked_{row.lock.kind}"
    if row.breaker.phase is Phase.OPEN:
        return "breaker_open"
    if not breaker.admits(row.breaker):
        return "trials_under_way"
    if quota_left <= 0:
        return "quota_exhausted"
    return None


def usable_at(row: Row, limits: quota.Quota, now: Instant) -> Instant | None:
    """Return the soonest time at which a refusal may end by itself, None where only evidence or a person ends it."""
    if row.lock is not None and locked(row, now):
        return row.lock.until
    if row.breaker.phase is Phase.OPEN:
        return breaker.next_timer(row.breaker)
    return quota.next_timer(limits, now)


def view(row: Row, limits: quota.Quota, now: Instant, *, steered: bool) -> DeploymentView:
    """Return the row as decisions see it. ``steered``: this is a publish, so the standing moves."""
    utilisation, wait = load(row, now)
    unknown = prior(row.tier, wait)
    estimates = [_blended(row, size, now, unknown, wait) for size in range(SIZES)]
    told = lately(row, now)
    if steered:
        fresh = told.at > row.standing_at
        for size in range(SIZES):
            steer(row, size, estimates[size].p95_s, now, fresh=fresh)
        row.standing_at = now
    quota_left = quota.left(limits, now)
    failing = error_ratio(row, now)[0]
    tpot = told.tpot_s
    weight = row.spec.weight if row.admin_weight is None else row.admin_weight
    good = scores.seen(row, now)
    return DeploymentView(
        spec=row.spec,
        state=row.state,
        reason=row.reason,
        since=row.since,
        admin=row.admin,
        refusal=refusal(row, quota_left, now),
        usable_at=usable_at(row, limits, now),
        suspect=row.suspect is not None,
        ejected=outlier.active(row.ejection, now),
        weight=weight * warmup.factor(row.warm_since, now),
        ttft_p95_s=tuple(e.p95_s for e in estimates),
        ttft_p99_s=tuple(e.p99_s for e in estimates),
        fresh=tuple(e.fresh for e in estimates),
        standing=tuple(row.standing),
        tier_target_s=row.tier.ttft_p95_s,
        tpot_s=PRIOR_TPOT if tpot is None else tpot,
        error_ratio=failing,
        load=utilisation,
        wait_s=wait,
        quota_left=quota_left,
        output_tokens=row.length.told(now),
        quality=good.value,
        tpot_fresh=tpot is not None,
        total_p95_s=told.total_p95_s,
        # an attempt that fails meets no target
        meets_target=tuple((1 - failing) * e.within for e in estimates),
        quality_low=good.low,
        families=good.families,
        cached_share=round(row.cached_share, 2),
        lost=good.lost,
    )


def admin_text(row: Row) -> str | None:
    """Return who set the admin state, None while it is as configured."""
    return row.admin_by if row.admin is not AdminState.READY or row.admin_weight is not None else None
