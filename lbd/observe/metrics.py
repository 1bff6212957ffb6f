"""The Prometheus page: what it tells, read from the daemon's own counters.

No metric library is called on the request path. Names follow the Prometheus conventions (base units, total
suffix) and pass ``promtool check metrics``. Pages are written in pieces, see :mod:`lbd.observe.exposition`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from lbd import __version__
from lbd.model.batch import Fate, Status
from lbd.model.request import Urgency
from lbd.model.table import HealthState
from lbd.observe.exposition import OPENMETRICS, TEXT, Family, Histograms, Sample, Series, pieces
from lbd.observe.meter import Histogram, Meter
from lbd.state.breaker import Phase
from lbd.table.trials import TrialFacts

__all__ = ["OPENMETRICS", "TEXT", "BatchFacts", "Facts", "RowFacts", "page", "render"]
Metric: TypeAlias = Family | Histograms


class RowFacts(NamedTuple):
    """What the page shows of one deployment."""

    deployment: str
    state: HealthState
    phase: Phase
    opened_total: int
    inflight: int
    limit: float | None
    weight: float
    probe_age_s: float | None
    error_ratio: float
    quality: Mapping[str, float] = {}  # by family, once answers were scored
    target_s: float | None = None  # of its tier
    lost: Sequence[str] = ()  # families in which its answers have become worse


class BatchFacts(NamedTuple):
    """What the page shows of batches."""

    by_status: Mapping[Status, int]
    lines: Mapping[Fate, int]  # that ended so since the daemon began
    waiting: int  # lines without a result
    oldest_s: float


class TierFacts(NamedTuple):
    """What the page shows of a tier."""

    tier: str
    meant: int  # deployments that no operator took out
    serving: int  # of them


class BudgetFacts(NamedTuple):
    """What the page shows of a budget, in USD."""

    budget: str
    limit: float
    spent: float
    reserved: float
    resets_in_s: float


class AlertFacts(NamedTuple):
    """What the page shows of alerts."""

    counts: Mapping[tuple[str, str], int] = {}  # by rule and state
    notices: Mapping[tuple[str, str], int] = {}  # by receiver and outcome


class Facts(NamedTuple):
    """What the page shows of the daemon, read on the event loop in one go."""

    rows: list[RowFacts]
    generation: int
    publishes: int
    queue: int
    config_generation: int
    config_hash: str
    reloads: dict[str, int]
    last_reload_ok: bool
    last_reload_at: float
    loop_lag_s: float
    store_up: bool
    probe_cost_nano: int
    retry_budget_left: float
    events: int
    log_dropped: int
    batches: BatchFacts
    scored: Mapping[tuple[str, str], int] = {}  # scores that came, by deployment and source
    evaluated: Mapping[str, int] = {}  # sampled answers and what became of them
    measured: Mapping[tuple[str, str], float] = {}  # means, by deployment and metric
    trials: Sequence[TrialFacts] = ()  # experiments
    promises: Mapping[str, tuple[int, int]] = {}  # kept and all, by class
    tiers: Sequence[TierFacts] = ()
    budgets: Sequence[BudgetFacts] = ()
    alerts: AlertFacts = AlertFacts()
    host_faults: int = 0
    traces: Mapping[str, int] = {}  # that were kept, by why; or lost
    spans: Mapping[str, int] = {}  # of them, by what became of them


class _Page:
    """Everything on it, family by family."""

    def __init__(self, meter: Meter, facts: Facts) -> None:
        self._meter = meter
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._rows()
        yield from self._scores()
        yield from self._experiments()
        yield from self._batches()
        yield from self._money()
        yield from self._alerts()
        yield from self._traces()
        yield from self._daemon()

    def _requests(self) -> Iterator[Metric]:
        m = self._meter
        yield _counter(
            "lbd_requests", "Requests that ended.", ("surface", "class", "deployment", "outcome"), m.requests.items()
        )
        yield _counter(
            "lbd_upstream_requests", "Attempts at deployments.", ("deployment", "outcome"), m.attempts.items()
        )
        yield _counter("lbd_fallbacks", "Moves to another deployment.", ("from", "to", "reason"), m.moves.items())
        splices = [((result,), n) for result, n in m.splices.items()]
        yield _counter("lbd_splices", "Tries to go on with a stream that had broken.", ("result",), splices)
        yield _counter("lbd_tokens", "Tokens told by providers.", ("deployment", "direction"), m.tokens.items())
        hedges = [((result,), n) for result, n in m.hedges.items()]
        yield _counter("lbd_hedges", "Second attempts beside late ones.", ("result",), hedges)
        cost = [((d,), nano / 1e9) for d, nano in m.cost.items()]
        yield _counter("lbd_cost_usd", "Cost of attempts in US dollars.", ("deployment",), cost)
        missed = m.slo_missed.items()
        yield _counter("lbd_slo_missed", "Answers that came later than asked.", ("class", "target"), missed)
        yield _histograms("lbd_request_seconds", "Whole requests.", m.seconds)
        yield _histograms("lbd_ttft_seconds", "Time to the first content of streams.", m.ttft)
        first = "Time to the first content at a deployment."
        yield _histograms("lbd_upstream_ttft_seconds", first, m.firsts, label="deployment")
        yield _histograms("lbd_overhead_seconds", "Time spent in lbd itself.", {"": m.overhead}, label=None)
        yield _gauge("lbd_inflight", "Requests under way.", m.inflight)
        again = "Requests sent again because the kept connection to the provider had been closed."
        yield _counter("lbd_stale_connections", again, (), [((), m.stale_retries)])
        promises = {str(urgency): (0, 0) for urgency in Urgency} | dict(self._facts.promises)
        all_ = [((urgency,), n) for urgency, (_, n) in promises.items()]
        yield _counter("lbd_slo_requests", "Requests that were to come as promised.", ("class",), all_)
        kept = [((urgency,), n) for urgency, (n, _) in promises.items()]
        yield _counter("lbd_slo_kept", "Requests that came as promised.", ("class",), kept)

    def _rows(self) -> Iterator[Metric]:
        rows = self._facts.rows
        yield _gauges(
            "lbd_deployment_state",
            "1 for the state that a deployment is in.",
            ("deployment", "state"),
            (((row.deployment, state), state is row.state) for row in rows for state in HealthState),
        )
        yield _gauges(
            "lbd_breaker_state",
            "1 for the breaker's state.",
            ("deployment", "state"),
            (((row.deployment, phase), phase is row.phase) for row in rows for phase in Phase),
        )
        opened = (((row.deployment,), row.opened_total) for row in rows)
        yield _counter("lbd_breaker_opened", "Times a breaker opened.", ("deployment",), opened)
        for name, field, text in (
            ("lbd_deployment_inflight", "inflight", "Requests under way at a deployment."),
            ("lbd_deployment_limit", "limit", "Concurrency limit of a deployment."),
            ("lbd_deployment_weight", "weight", "Weight, slow start included."),
            ("lbd_deployment_ttft_target_seconds", "target_s", "Target of its tier for the first content, at the p95."),
            ("lbd_probe_age_seconds", "probe_age_s", "Age of the last probe's result."),
            ("lbd_error_ratio", "error_ratio", "Share of judged attempts that failed lately."),
        ):
            told = [((row.deployment,), v) for row in rows if (v := getattr(row, field)) is not None]
            yield _gauges(name, text, ("deployment",), told)
        tiers = self._facts.tiers
        meant = [((t.tier,), t.meant) for t in tiers]
        yield _gauges("lbd_tier_meant", "Deployments that no operator took out.", ("tier",), meant)
        serving = [((t.tier,), t.serving) for t in tiers]
        yield _gauges("lbd_tier_serving", "Those of them that can serve.", ("tier",), serving)

    def _scores(self) -> Iterator[Metric]:
        labels = ("deployment", "family")
        rows = self._facts.rows
        levels = (((row.deployment, family), value) for row in rows for family, value in row.quality.items())
        yield _gauges("lbd_quality_score", "How good answers are held to be, by scores.", labels, levels)
        lost = [
            ((row.deployment, family), family in row.lost)
            for row in rows
            for family in {**row.quality, **_keys(row.lost)}
        ]
        yield _gauges("lbd_quality_lost", "1 where scores say that answers have become worse.", labels, lost)
        samples = self._facts.scored.items()
        yield _counter("lbd_quality_samples", "Scores of answers.", ("deployment", "source"), samples)
        became = (((word,), n) for word, n in self._facts.evaluated.items())
        yield _counter("lbd_evaluations", "Sampled answers, by what became of them.", ("result",), became)
        text = "Means of metrics of sampled answers."
        yield _gauges("lbd_quality_measured", text, ("deployment", "metric"), self._facts.measured.items())

    def _experiments(self) -> Iterator[Metric]:
        trials, arms = self._facts.trials, ("control", "treatment")
        labels = ("experiment", "arm")
        runs = [((t.name,), t.running) for t in trials]
        yield _gauges("lbd_experiment_running", "1 while an experiment runs.", ("experiment",), runs)
        units = [((t.name, arm), t.units[i]) for t in trials for i, arm in enumerate(arms)]
        yield _gauges("lbd_experiment_units", "Sessions, clients or requests in an arm.", labels, units)
        requests = [((t.name, arm), t.requests[i]) for t in trials for i, arm in enumerate(arms)]
        yield _gauges("lbd_experiment_requests", "Requests that count in an arm.", labels, requests)

    def _batches(self) -> Iterator[Metric]:
        b = self._facts.batches
        kept = [((status,), n) for status, n in b.by_status.items()]
        yield _gauges("lbd_batches", "Batches that are kept, by the state they are in.", ("state",), kept)
        lines = [((fate,), n) for fate, n in b.lines.items()]
        yield _counter("lbd_batch_lines", "Lines of batches that ended.", ("outcome",), lines)
        yield _gauge("lbd_batch_lines_waiting", "Lines of batches without a result, those under way too.", b.waiting)
        yield _gauge("lbd_batch_oldest_age_seconds", "Age of the oldest batch that has not ended.", b.oldest_s)

    def _money(self) -> Iterator[Metric]:
        for name, field, text in (
            ("lbd_budget_limit_usd", "limit", "What may be spent in the budget's window."),
            ("lbd_budget_spent_usd", "spent", "What was spent in it."),
            ("lbd_budget_reserved_usd", "reserved", "What is held for requests under way."),
            ("lbd_budget_resets_in_seconds", "resets_in_s", "Time until the next window begins."),
        ):
            told = [((b.budget,), getattr(b, field)) for b in self._facts.budgets]
            yield _gauges(name, text, ("budget",), told)

    def _alerts(self) -> Iterator[Metric]:
        alerts = self._facts.alerts
        yield _gauges("lbd_alerts", "Alerts by rule.", ("rule", "state"), alerts.counts.items())
        text = "Messages to receivers of alerts."
        yield _counter("lbd_alert_notifications", text, ("receiver", "outcome"), alerts.notices.items())
        yield _gauge("lbd_host_faults", "What is wrong with this host itself, in number.", self._facts.host_faults)

    def _traces(self) -> Iterator[Metric]:
        traces, spans = ([((k,), n) for k, n in of.items()] for of in (self._facts.traces, self._facts.spans))
        yield _counter("lbd_traces", "Traces that were kept to be sent, by why, or lost instead.", ("kept",), traces)
        yield _counter("lbd_trace_spans", "Spans, by what became of them at the collector.", ("outcome",), spans)

    def _daemon(self) -> Iterator[Metric]:
        f = self._facts
        yield _info("lbd_build", "Version.", "version", __version__)
        yield _info("lbd_config", "Configuration in force.", "hash", f.config_hash)
        yield _gauge("lbd_config_generation", "How often the configuration was loaded.", f.config_generation)
        yield _gauge("lbd_config_last_reload_success", "1 if the last load or reload was good.", f.last_reload_ok)
        yield _gauge("lbd_config_last_reload_timestamp_seconds", "When that was.", f.last_reload_at)
        yield _counter("lbd_config_reloads", "Reloads.", ("outcome",), [((o,), n) for o, n in f.reloads.items()])
        yield _gauge("lbd_table_generation", "Generation of the provider table.", f.generation)
        yield _counter("lbd_table_publishes", "Publishes of the provider table.", (), [((), f.publishes)])
        yield _gauge("lbd_queue_depth", "Requests that wait for a deployment.", f.queue)
        yield _gauge("lbd_retry_budget_left", "Extra attempts that may start now.", f.retry_budget_left)
        yield _gauge("lbd_eventloop_lag_seconds", "How late the event loop runs its timers.", f.loop_lag_s)
        yield _gauge("lbd_store_up", "1 while state is being kept.", f.store_up)
        yield _counter("lbd_probe_cost_usd", "Cost of lbd's own probes.", (), [((), f.probe_cost_nano / 1e9)])
        yield _counter("lbd_events", "Events of the timeline.", (), [((), f.events)])
        yield _counter("lbd_log_lines_dropped", "Log lines dropped.", (), [((), f.log_dropped)])


def _keys(names: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(names)


def _info(name: str, text: str, label: str, value: str) -> Metric:
    return Family(name, "info", text, (label,), [((value,), 1)])


def _gauge(name: str, text: str, value: float) -> Metric:
    return Family(name, "gauge", text, (), [((), float(value))])


def _gauges(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    return Family(name, "gauge", text, labels, samples)


def _counter(name: str, text: str, labels: tuple[str, ...], samples: Iterable[Sample]) -> Metric:
    return Family(name, "counter", text, labels, samples)


def _histograms(name: str, text: str, of: Mapping[str, Histogram], label: str | None = "class") -> Metric:
    series = (Series((key,), h.bounds, h.counts, h.total, h.exemplars) for key, h in of.items())
    return Histograms(name, text, () if label is None else (label,), series)


def page(meter: Meter, facts: Facts, *, openmetrics: bool) -> Iterator[str]:
    """Yield the page in pieces; ``meter`` is a copy (:meth:`Meter.copy`), which nobody adds to in between."""
    return pieces(_Page(meter, facts).collect(), openmetrics=openmetrics)


def render(meter: Meter, facts: Facts, *, openmetrics: bool) -> bytes:
    """Return the page as a whole."""
    return "".join(page(meter, facts, openmetrics=openmetrics)).encode()
