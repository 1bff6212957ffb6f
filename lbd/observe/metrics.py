"""The Prometheus page: a custom collector over the daemon's own counters, rendered off the event loop.

No metric library is called on the request path. Names follow the Prometheus conventions (base units, total
suffix) and pass ``promtool check metrics``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector, CollectorRegistry

from lbd import __version__
from lbd.model.batch import Fate, Status
from lbd.model.table import HealthState
from lbd.observe.meter import Histogram, Meter
from lbd.state.breaker import Phase
from lbd.table.trials import TrialFacts

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


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


class BatchFacts(NamedTuple):
    """What the page shows of batches."""

    by_status: Mapping[Status, int]
    lines: Mapping[Fate, int]  # that ended so since the daemon began
    waiting: int  # lines without a result
    oldest_s: float


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


class _Page(Collector):
    def __init__(self, meter: Meter, facts: Facts) -> None:
        self._meter = meter
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        yield from self._requests()
        yield from self._rows()
        yield from self._scores()
        yield from self._experiments()
        yield from self._batches()
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
        cost = [((d,), nano / 1e9) for d, nano in m.cost.items()]
        yield _counter("lbd_cost_usd", "Cost of attempts in US dollars.", ("deployment",), cost)
        yield _counter(
            "lbd_slo_missed", "Answers that came later than asked.", ("class", "target"), m.slo_missed.items()
        )
        yield _histograms("lbd_request_seconds", "Whole requests.", m.seconds)
        yield _histograms("lbd_ttft_seconds", "Time to the first content of streams.", m.ttft)
        yield _histograms("lbd_overhead_seconds", "Time spent in lbd itself.", {"": m.overhead}, label=None)
        yield _gauge("lbd_inflight", "Requests under way.", m.inflight)
        yield CounterMetricFamily(
            "lbd_stale_connections",
            "Requests sent again because the kept connection to the provider had been closed.",
            value=m.stale_retries,
        )

    def _rows(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "lbd_deployment_state", "1 for the state that a deployment is in.", labels=("deployment", "state")
        )
        phase = GaugeMetricFamily("lbd_breaker_state", "1 for the breaker's state.", labels=("deployment", "state"))
        opened = CounterMetricFamily("lbd_breaker_opened", "Times a breaker opened.", labels=("deployment",))
        gauges = {
            name: GaugeMetricFamily(name, text, labels=("deployment",))
            for name, text in (
                ("lbd_deployment_inflight", "Requests under way at a deployment."),
                ("lbd_deployment_limit", "Concurrency limit of a deployment."),
                ("lbd_deployment_weight", "Weight, slow start included."),
                ("lbd_probe_age_seconds", "Age of the last probe's result."),
                ("lbd_error_ratio", "Share of judged attempts that failed lately."),
            )
        }
        for row in self._facts.rows:
            for s in HealthState:
                state.add_metric((row.deployment, s), float(s is row.state))
            for p in Phase:
                phase.add_metric((row.deployment, p), float(p is row.phase))
            opened.add_metric((row.deployment,), row.opened_total)
            values = (row.inflight, row.limit, row.weight, row.probe_age_s, row.error_ratio)
            for family, value in zip(gauges.values(), values, strict=True):
                if value is not None:
                    family.add_metric((row.deployment,), value)
        yield from (state, phase, opened, *gauges.values())

    def _scores(self) -> Iterator[Metric]:
        labels = ("deployment", "family")
        level = GaugeMetricFamily("lbd_quality_score", "How good answers are held to be, by scores.", labels=labels)
        for row in self._facts.rows:
            for family, value in row.quality.items():
                level.add_metric((row.deployment, family), value)
        yield level
        samples = self._facts.scored.items()
        yield _counter("lbd_quality_samples", "Scores of answers.", ("deployment", "source"), samples)
        became = (((word,), n) for word, n in self._facts.evaluated.items())
        yield _counter("lbd_evaluations", "Sampled answers, by what became of them.", ("result",), became)
        means = GaugeMetricFamily(
            "lbd_quality_measured", "Means of metrics of sampled answers.", labels=("deployment", "metric")
        )
        for of, value in self._facts.measured.items():
            means.add_metric(of, value)
        yield means

    def _experiments(self) -> Iterator[Metric]:
        runs = GaugeMetricFamily("lbd_experiment_running", "1 while an experiment runs.", labels=("experiment",))
        labels = ("experiment", "arm")
        units = GaugeMetricFamily("lbd_experiment_units", "Sessions, clients or requests in an arm.", labels=labels)
        requests = GaugeMetricFamily("lbd_experiment_requests", "Requests that count in an arm.", labels=labels)
        for trial in self._facts.trials:
            runs.add_metric((trial.name,), float(trial.running))
            for i, arm in enumerate(("control", "treatment")):
                units.add_metric((trial.name, arm), float(trial.units[i]))
                requests.add_metric((trial.name, arm), float(trial.requests[i]))
        yield from (runs, units, requests)

    def _batches(self) -> Iterator[Metric]:
        b = self._facts.batches
        kept = GaugeMetricFamily("lbd_batches", "Batches that are kept, by the state they are in.", labels=("state",))
        for status, n in b.by_status.items():
            kept.add_metric((status,), float(n))
        yield kept
        lines = [((fate,), n) for fate, n in b.lines.items()]
        yield _counter("lbd_batch_lines", "Lines of batches that ended.", ("outcome",), lines)
        yield _gauge("lbd_batch_lines_waiting", "Lines of batches without a result, those under way too.", b.waiting)
        yield _gauge("lbd_batch_oldest_age_seconds", "Age of the oldest batch that has not ended.", b.oldest_s)

    def _daemon(self) -> Iterator[Metric]:
        f = self._facts
        yield InfoMetricFamily("lbd_build", "Version.", {"version": __version__})
        yield InfoMetricFamily("lbd_config", "Configuration in force.", {"hash": f.config_hash})
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


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _counter(name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _histograms(name: str, text: str, of: dict[str, Histogram], label: str | None = "class") -> Metric:
    family = HistogramMetricFamily(name, text, labels=(label,) if label else ())
    for key, h in of.items():
        sums = list(accumulate(h.counts))
        bounds = [*(str(b) for b in h.bounds), "+Inf"]
        family.add_metric((key,) if label else (), list(zip(bounds, sums, strict=True)), h.total)
    return family


def render(meter: Meter, facts: Facts, *, openmetrics: bool) -> bytes:
    """Return the page. Called in a thread, so ``meter`` is a copy (:meth:`Meter.copy`)."""
    registry = CollectorRegistry()
    registry.register(_Page(meter, facts))
    page: bytes = generate_openmetrics(registry) if openmetrics else generate_latest(registry)  # type: ignore[no-untyped-call]
    return page
