"""What the metrics page shows of the daemon, read from the parts that know it in one go."""

from __future__ import annotations

from lbd.app import App
from lbd.loops.watching import lost, probe_age, tiers
from lbd.model.table import DeploymentView
from lbd.model.units import Instant
from lbd.observe.metrics import AlertFacts, BatchFacts, BudgetFacts, Facts, RowFacts, TierFacts
from lbd.state import scores
from lbd.state.batch import standing
from lbd.state.row import Row, capacity


def facts(app: App) -> Facts:
    """Return it."""
    env, r, owner = app.env, app.reloads, app.owner
    app.pulse.fold()
    now, events = env.now(), app.timeline.last(1)
    batches = standing(app.shelf.batches.values(), env.wall())
    return Facts(
        [_row(row, view, now) for row, view in zip(owner.rows, owner.snapshot.rows, strict=True)],
        owner.snapshot.generation,
        owner.publishes,
        len(app.flights.queue),
        r.generation,
        app.compiled.hash,
        {"ok": r.ok, "refused": r.failed},
        r.last_ok,
        r.last_at,
        app.loop_lag_s,
        app.persistence.up and app.money.up and app.keeping.up,
        app.probing.spend.total,
        app.flights.budget.left(now),
        events[-1].id if events else 0,
        app.log_dropped(),
        BatchFacts(batches.by_status, dict(app.batches.lines), batches.waiting, batches.oldest_s),
        dict(app.scoring.taken),
        dict(app.evaluating.counts),
        {of: total.total / total.n for of, total in app.evaluating.measured.items()},
        app.trials.facts(),
        app.pulse.promised.copy().of,
        [TierFacts(t.name, t.meant, t.serving) for t in tiers(owner)],
        _budgets(app),
        _alerts(app),
        len(owner.blame.words(now)),
        dict(app.tracing.traces) if app.tracing.on else {},
        dict(app.tracing.spans) if app.tracing.on else {},
    )


def _row(row: Row, view: DeploymentView, now: Instant) -> RowFacts:
    scored = scores.told(row, now) if row.scores else []
    return RowFacts(
        row.spec.id,
        row.state,
        row.breaker.phase,
        row.breaker.opened_total,
        row.inflight,
        capacity(row),
        view.weight,
        probe_age(row, now) if row.probes else None,
        view.error_ratio,
        {t.family or scores.EVERY: t.level.value for t in scored if t.level is not None},
        row.tier.ttft_p95_s,
        [one.family for one in lost(row, now)],
    )


def _budgets(app: App) -> list[BudgetFacts]:
    return [
        BudgetFacts(
            f"{told['scope']}/{told['name']}/{told['period']}",
            *(float(str(told[key])) for key in ("limit_usd", "spent_usd", "reserved_usd", "resets_in_s")),
        )
        for told in app.flights.purses.report(app.env.wall())
    ]


def _alerts(app: App) -> AlertFacts:
    notices = {}
    for outbox in app.alerts.outboxes.values():
        notices[outbox.receiver.name, "sent"] = outbox.sent
        notices[outbox.receiver.name, "failed"] = outbox.failed
    return AlertFacts({(str(rule), str(phase)): n for (rule, phase), n in app.alerts.counts().items()}, notices)
