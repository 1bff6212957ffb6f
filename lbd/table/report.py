"""The provider table as the dashboard shows it: computed when somebody looks, not when it changes."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from lbd import __version__
from lbd.decide.outlook import Outlook, outlook
from lbd.decide.terms import Term
from lbd.model import report as out
from lbd.model.failure import TIMEOUTS, FailureKind
from lbd.model.money import cost
from lbd.model.outcome import Verdict
from lbd.model.provider import Deadlines, TierSpec
from lbd.model.scored import ScoredOut
from lbd.model.service import CellsOut
from lbd.model.table import SIZE_BOUNDS, AdminState, DeploymentView
from lbd.model.units import NANO_PER_USD, DeploymentId, Instant, NanoUsd, Ratio, Seconds, WallTime
from lbd.state import breaker, health, outlier, past, quality, quota, scores, warmup
from lbd.state.breaker import Phase
from lbd.state.quantile import Sketch, merged
from lbd.state.row import LIVENESS, Row, concurrency
from lbd.state.scores import EVERY
from lbd.state.window import DAY, FIVE_MINUTES, HALF_HOUR, HOUR, MINUTE, Counts, Rolling
from lbd.table.owner import Owner
from lbd.table.verdict import stale, verdict

HISTORY = 60
SHORTEST_PACE: Seconds = 10.0  # a row is watched before its pace by the hour is told from less than this


def rfc3339(wall: WallTime) -> str:
    """Write a time of day."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def building(
    owner: Owner,
    tiers: tuple[TierSpec, ...],
    now: Instant,
    wall: WallTime,
    *,
    probe_every_s: Seconds,
    queue: int,
    config: out.ConfigOut,
    probe_spend: out.ProbeSpendOut,
    spent: Mapping[DeploymentId, NanoUsd],
    deadlines: Deadlines,
    terms: Mapping[str, Term],
) -> Generator[None, None, out.ProvidersOut]:
    """Return the whole document, built row by row: whoever builds it beside other work does that in between."""
    owner.fold()
    # all of one moment: a reload in between may bring other rows
    snapshot, reviewed_at = owner.snapshot, owner.reviewed_at
    every = [Seen(row, snapshot.rows[row.index], owner.quota_of(row)) for row in owner.rows]
    status, summary = verdict(owner, now, probe_every_s)
    yield
    views = outlook(snapshot, deadlines, terms)
    yield
    attempts = {r.row.spec.id: sum(_attempts(r.row, FIVE_MINUTES, now).by_kind.values()) for r in every}
    shares = Shares(views, attempts, sum(attempts.values()))
    listed = []
    for tier in tiers:
        rows = []
        for seen in every:
            if seen.row.spec.tier == tier.name:
                yield
                rows.append(deployment(seen, now, wall, probe_every_s, spent.get(seen.row.spec.id, 0), shares))
        if rows:
            listed.append(out.TierOut(tier.name, out.SloOut(tier.ttft_p95_s, tier.error_rate_max), rows))
    return out.ProvidersOut(
        schema=out.SCHEMA,
        generation=snapshot.generation,
        time=rfc3339(wall),
        data_age_ms=round(max(0.0, now - reviewed_at) * 1000, 1),
        status=status,
        summary=summary,
        version=__version__,
        tiers=listed,
        queue=queue,
        config=config,
        probe_spend=probe_spend,
    )


class Seen(NamedTuple):
    """One row, its view in a snapshot, and the rate limits that it is under."""

    row: Row
    view: DeploymentView
    limits: quota.Quota


class Shares(NamedTuple):
    """Who is meant to get how much, and who got it: attempts of the last five minutes, by row and in all."""

    meant: Mapping[DeploymentId, Outlook]
    attempts: Mapping[DeploymentId, int]
    total: int


def deployment(
    seen: Seen, now: Instant, wall: WallTime, probe_every_s: Seconds, spent: NanoUsd, shares: Shares
) -> out.DeploymentOut:
    """Return one row."""
    row, view, limits = seen
    meant = shares.meant.get(row.spec.id, Outlook())
    reason, b, spec, provider = row.reason, row.breaker, row.spec, row.provider
    ages = [now - p.at for p in row.probes.values()]
    live = row.probes.get(LIVENESS)
    weight = spec.weight if row.admin_weight is None else row.admin_weight
    retry_at = rfc3339(wall + b.retry_at - now) if b.phase is Phase.OPEN else None
    return out.DeploymentOut(
        id=spec.id,
        provider=provider.name,
        model=spec.model,
        upstream_model=spec.upstream_model,
        region=provider.region,
        shape=provider.shape,
        base_url=provider.base_url,
        state=row.state,
        state_since=rfc3339(row.since),
        reason=out.ReasonOut(reason.code, reason.text, reason.value, reason.limit),
        admin=out.AdminOut(
            row.admin,
            row.admin_weight,
            health.admin_text(row),
            None if row.admin_until is None else rfc3339(wall + row.admin_until - now),
            None if row.weight_until is None else rfc3339(wall + row.weight_until - now),
        ),
        health=out.HealthOut(
            failed_active_probe=live is not None and live.verdict is Verdict.DOWN,
            failed_passive=b.phase is not Phase.CLOSED or row.suspect is not None,
            failed_outlier=outlier.active(row.ejection, now),
            locked=row.lock is not None,
            stale=stale(row, now, probe_every_s),
            draining=row.admin is AdminState.DRAIN,
            rate_limited=quota.left(limits, now) <= 0,
        ),
        breaker=out.BreakerOut(
            out.BreakerState(b.phase), b.cause, b.opened_total, retry_at, out.HalfOpenOut(b.trials_ok, breaker.TRIALS)
        ),
        ttft_s=_windows([*row.ttft], now),
        time_per_output_token_s=_windows([row.tpot], now),
        latency_s=_windows([row.total], now),
        predicted=[_predicted(row, size, meets, now) for size, meets in enumerate(view.meets_target)],
        errors=_errors(row, now),
        uptime=out.UptimeOut(*(_uptime(row, w, now) for w in (FIVE_MINUTES, HALF_HOUR, DAY))),
        inflight=row.inflight,
        limit=concurrency(row),
        server_load=_load(row, now),
        rps=round(sum(_attempts(row, MINUTE, now).by_kind.values()) / MINUTE, 3),
        throughput_tps=_throughput(row, now),
        quota=[
            out.QuotaOut(what, q.limit, int(quota.held(q, now)), round(max(0.0, q.reset_at - now), 3))
            for what, q in limits.buckets.items()
        ],
        quota_left=round(quota.left(limits, now), 4),
        price=None
        if spec.price is None
        else out.CostOut(
            spec.price.input_usd_per_mtok, spec.price.output_usd_per_mtok, spec.price.cached_input_usd_per_mtok
        ),
        cost=_spending(row, now),
        spent_usd=spent / NANO_PER_USD,
        quality=dict(spec.quality),
        weight=round(weight * warmup.factor(row.warm_since, now), 4),
        score=out.ScoreOut(_rounded(meant.interactive), _rounded(meant.background)),
        share=out.ShareOut(
            round(meant.share, 4),
            round(shares.attempts[row.spec.id] / shares.total, 4) if shares.total else None,
        ),
        fingerprints=list(row.fingerprints),
        quality_failures=_quality(row, now),
        prompt=None if spec.prompt is None else spec.prompt.version,
        probes=[
            out.ProbeOut(p.kind, p.verdict, round(now - p.at, 3), round(p.took_s * 1000, 3), p.detail)
            for _, p in sorted(row.probes.items())
        ],
        probe_age_s=round(min(ages), 3) if ages else None,
        history=_history(row, now),
        scores=[_scored(told, now) for told in scores.told(row, now)],
        uptime_cells=_cells(row, now),
    )


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)


def _spending(row: Row, now: Instant) -> out.SpendingOut:
    price = row.spec.price
    if price is None:
        return out.SpendingOut(None, None)
    hour = row.volume.over(HOUR, now)
    tokens = hour.prompt + hour.completion
    span = min(FIVE_MINUTES, max(SHORTEST_PACE, now - row.watched_from))
    pace = cost(price, row.volume.over(FIVE_MINUTES, now).usage()) / NANO_PER_USD * HOUR / span
    per_1k = cost(price, hour.usage()) / NANO_PER_USD / tokens * 1000 if tokens else None
    return out.SpendingOut(round(pace, 6), None if per_1k is None else round(per_1k, 9))


def _quantiles(rolling: list[Rolling[Sketch]], window: Seconds, now: Instant) -> out.QuantilesOut:
    sketch = merged(r.over(window, now) for r in rolling)
    p50, p95, p99 = (None if q is None else round(q, 6) for q in sketch.quantiles((0.5, 0.95, 0.99)))
    return out.QuantilesOut(p50, p95, p99, sketch.n, window)


def _windows(rolling: list[Rolling[Sketch]], now: Instant) -> out.WindowsOut:
    return out.WindowsOut(*(_quantiles(rolling, w, now) for w in (MINUTE, FIVE_MINUTES, HOUR)))


def _predicted(row: Row, size: int, meets: Ratio, now: Instant) -> out.PredictedOut:
    p95, p99, fresh, _ = health.estimate(row, size, now)
    bound = SIZE_BOUNDS[size] if size < len(SIZE_BOUNDS) else None
    # the prior of p99 is half the wait that an unknown row is granted, and lies below the prior of p95
    return out.PredictedOut(
        bound, round(p95, 6), round(max(p95, p99), 6), fresh, round(row.standing[size], 4), round(meets, 4)
    )


def _errors(row: Row, now: Instant) -> out.ErrorsOut:
    counts, seen = row.outcomes.over(FIVE_MINUTES, now), _attempts(row, FIVE_MINUTES, now)
    judged = counts.judged
    timeouts = sum(n for kind, n in seen.by_kind.items() if kind in TIMEOUTS)
    # those that are not held against the row stand above and below the line
    of = judged + sum(row.excused.over(FIVE_MINUTES, now).by_kind.values())
    return out.ErrorsOut(
        ratio=counts.ratio(),
        n=judged,
        by_kind={str(kind): n for kind, n in seen.by_kind.items() if kind is not None},
        timeout_ratio=timeouts / of if of else None,
    )


def _quality(row: Row, now: Instant) -> out.QualityOut:
    checked = row.checked.over(HOUR, now).by_kind
    return out.QualityOut(checked.get(FailureKind.INVALID_ANSWER, 0), sum(checked.values()))


def _scored(told: scores.Told, now: Instant) -> ScoredOut:
    held, standing = told.level, told.standing
    return ScoredOut(
        family=told.family or EVERY,
        value=None if held is None else round(held.value, 4),
        low=None if held is None else round(held.low, 4),
        high=None if held is None else round(held.high, 4),
        n=round(quality.aged(standing.level, now).n, 2),
        count=standing.level.count,
        age_s=round(now - standing.level.at, 3),
        phase=standing.phase,
        reference=_rounded(standing.reference),
    )


def _attempts(row: Row, window: Seconds, now: Instant) -> Counts:
    """Return all attempts of at most five minutes, also those that ended in a time-out nobody is blamed for."""
    counts: Counts = row.outcomes.over(window, now)
    counts.merge(row.excused.over(window, now))
    return counts


def _uptime(row: Row, window: Seconds, now: Instant) -> float | None:
    share = row.presence.over(window, now).share()
    return None if share is None else round(share, 6)


def _throughput(row: Row, now: Instant) -> float | None:
    tpot = row.tpot.over(FIVE_MINUTES, now).quantile(0.5)
    return round(1 / tpot, 3) if tpot else None


def _load(row: Row, now: Instant) -> out.LoadOut | None:
    if row.foreign is None:
        return None
    told = row.probes.get("load")
    age = None if told is None else round(now - told.at, 3)
    return out.LoadOut(row.foreign.running, row.foreign.waiting, row.foreign.slots, age)


def _history(row: Row, now: Instant) -> out.HistoryOut:
    known = past.minutes(row, HISTORY, now)
    return out.HistoryOut(
        60.0,
        [None if m.p95_s is None else round(m.p95_s, 6) for m in known],
        [m.error_ratio for m in known],
        [m.attempts for m in known],
    )


def _cells(row: Row, now: Instant) -> CellsOut:
    return CellsOut(*(past.uptime(row, *of, now) for of in ((0, 3, 10), (1, 3, 10), (2, 4, 12))))
