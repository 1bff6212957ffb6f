"""The provider table as the dashboard shows it: computed when somebody looks, not when it changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from lbd import __version__
from lbd.model import report as out
from lbd.model.failure import TIMEOUTS
from lbd.model.outcome import Verdict
from lbd.model.provider import TierSpec
from lbd.model.table import SIZE_BOUNDS, SIZES, AdminState, HealthState
from lbd.model.units import NANO_PER_USD, DeploymentId, Instant, NanoUsd, Seconds, WallTime
from lbd.state import breaker, health, outlier, quota, warmup
from lbd.state.breaker import Phase
from lbd.state.quantile import Sketch, merged
from lbd.state.row import LIVENESS, Row, capacity
from lbd.state.window import DAY, FIVE_MINUTES, HALF_HOUR, HOUR, MINUTE, Counts, Rolling
from lbd.table.owner import Owner

HISTORY = 60
STALE_INTERVALS = 2.0


def rfc3339(wall: WallTime) -> str:
    """Write a time of day."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def build(
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
) -> out.ProvidersOut:
    """Return the whole document."""
    owner.fold()
    rows = {tier.name: [r for r in owner.rows if r.spec.tier == tier.name] for tier in tiers}
    listed = [
        out.TierOut(
            tier.name,
            out.SloOut(tier.ttft_p95_s, tier.error_rate_max),
            [deployment(owner, r, now, wall, probe_every_s, spent.get(r.spec.id, 0)) for r in rows[tier.name]],
        )
        for tier in tiers
        if rows[tier.name]
    ]
    status, summary = verdict(owner, now, probe_every_s)
    snapshot = owner.snapshot
    return out.ProvidersOut(
        schema=out.SCHEMA,
        generation=snapshot.generation,
        time=rfc3339(wall),
        data_age_ms=round(max(0.0, now - owner.reviewed_at) * 1000, 1),
        status=status,
        summary=summary,
        version=__version__,
        tiers=listed,
        queue=queue,
        config=config,
        probe_spend=probe_spend,
    )


_WORKS = frozenset({HealthState.UP, HealthState.UNKNOWN, HealthState.DEGRADED, HealthState.RECOVERING})


def serving(row: Row) -> bool:
    """Tell whether requests are sent there."""
    return row.admin is AdminState.READY and (row.state in _WORKS or row.state is HealthState.SUSPECT)


def stale(row: Row, now: Instant, probe_every_s: Seconds) -> bool:
    """Tell whether nothing was heard of ``row`` for two rounds of probes; requests are news as well as probes."""
    return now - _heard(row) > STALE_INTERVALS * probe_every_s


def _heard(row: Row) -> Instant:
    return max(row.last_used, *(p.at for p in row.probes.values()), -math.inf)


def _unheard(row: Row, now: Instant, probe_every_s: Seconds) -> Seconds | None:
    """Return for how long nothing was heard of a stale row; a new one is given the time of its first probes."""
    span = now - max(_heard(row), row.watched_from)
    return span if span > STALE_INTERVALS * probe_every_s else None


def verdict(owner: Owner, now: Instant, probe_every_s: Seconds) -> tuple[out.Status, str]:
    """Return pass, warn or fail, and one sentence that says what is wrong. What an operator took out is no fault."""
    meant = [r for r in owner.rows if r.admin is AdminState.READY]
    if not any(serving(r) for r in meant):
        return "fail", "no deployment can serve"
    bad = [r for r in meant if r.state not in (HealthState.UP, HealthState.UNKNOWN)]
    if bad:
        return "warn", _worst(bad)
    silent = {r.spec.id: span for r in meant if (span := _unheard(r, now, probe_every_s)) is not None}
    if silent:
        longest = max(silent, key=lambda i: silent[i])
        more = f" and {len(silent) - 1} more" if len(silent) > 1 else ""
        return "warn", f"{longest} stale{more}, no_news: neither probed nor used for {silent[longest]:.0f} s"
    ordered = [r.spec.id for r in owner.rows if r.admin is not AdminState.READY]
    return "pass", f"all deployments are well{'; out by order: ' + ', '.join(ordered) if ordered else ''}"


def _worst(bad: list[Row]) -> str:
    worst = min(bad, key=lambda r: _ORDER.index(r.state))
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    reason = worst.reason
    numbers = ""
    if reason.value is not None and reason.limit is not None:
        numbers = f" ({reason.value:.3g} against {reason.limit:.3g})"
    text = f": {reason.text}" if reason.text else ""
    return f"{worst.spec.id} {worst.state}{more}, {reason.code}{text}{numbers}"


_ORDER = (HealthState.LOCKED, HealthState.DOWN, HealthState.SUSPECT, HealthState.DEGRADED, HealthState.RECOVERING)


def deployment(
    owner: Owner, row: Row, now: Instant, wall: WallTime, probe_every_s: Seconds, spent: NanoUsd
) -> out.DeploymentOut:
    """Return one row."""
    limits = owner.quota_of(row)
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
        admin=out.AdminOut(row.admin, row.admin_weight, health.admin_text(row)),
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
        predicted=[_predicted(row, size, now) for size in range(SIZES)],
        errors=_errors(row, now),
        uptime=out.UptimeOut(*(_uptime(row, w, now) for w in (FIVE_MINUTES, HALF_HOUR, DAY))),
        inflight=row.inflight,
        limit=capacity(row),
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
        spent_usd=spent / NANO_PER_USD,
        quality=dict(spec.quality),
        weight=round(weight * warmup.factor(row.warm_since, now), 4),
        fingerprints=list(row.fingerprints),
        probes=[
            out.ProbeOut(p.kind, p.verdict, round(now - p.at, 3), round(p.took_s * 1000, 3), p.detail)
            for _, p in sorted(row.probes.items())
        ],
        probe_age_s=round(min(ages), 3) if ages else None,
        history=_history(row, now),
    )


def _quantiles(rolling: list[Rolling[Sketch]], window: Seconds, now: Instant) -> out.QuantilesOut:
    sketch = merged(r.over(window, now) for r in rolling)
    p50, p95, p99 = (None if q is None else round(q, 6) for q in sketch.quantiles((0.5, 0.95, 0.99)))
    return out.QuantilesOut(p50, p95, p99, sketch.n, window)


def _windows(rolling: list[Rolling[Sketch]], now: Instant) -> out.WindowsOut:
    return out.WindowsOut(*(_quantiles(rolling, w, now) for w in (MINUTE, FIVE_MINUTES, HOUR)))


def _predicted(row: Row, size: int, now: Instant) -> out.PredictedOut:
    p95, p99, fresh = health.estimate(row, size, now)
    bound = SIZE_BOUNDS[size] if size < len(SIZE_BOUNDS) else None
    # the prior of p99 is half the wait that an unknown row is granted, and lies below the prior of p95
    return out.PredictedOut(bound, round(p95, 6), round(max(p95, p99), 6), fresh, round(row.standing[size], 4))


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
    # a closed minute does not change any more, so it is summed up once
    sizes = [r.series(1, HISTORY, now) for r in row.ttft]
    counted = row.outcomes.series(1, HISTORY, now)
    minutes: dict[Instant, tuple[Seconds | None, float | None, int]] = {}
    for i, (start, counts) in enumerate(counted):
        known = row.history.get(start)
        if known is None:
            p95 = merged(s for _, s in (size[i] for size in sizes) if s is not None).quantile(0.95)
            ratio = None if counts is None else counts.ratio()
            known = (p95, ratio, 0 if counts is None else sum(counts.by_kind.values()))
        minutes[start] = known
    row.history = minutes
    values = list(minutes.values())
    return out.HistoryOut(
        60.0, [None if v[0] is None else round(v[0], 6) for v in values], [v[1] for v in values], [v[2] for v in values]
    )
