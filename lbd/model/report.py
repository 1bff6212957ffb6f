"""The dashboard's JSON: the shape of ``GET /v1/providers``, version 1. Keys are only ever added.

Units are in the names, times of day are RFC 3339 in UTC, null means no data (never 0), and every percentile
comes with the number of samples behind it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from lbd.model.alert import AlertOut
from lbd.model.outcome import Verdict
from lbd.model.scored import ScoredOut
from lbd.model.service import CellsOut, FlowOut, ServiceOut
from lbd.model.table import AdminState, HealthState

SCHEMA = "lbd/providers/v1"
Status = Literal["pass", "warn", "fail"]


class ReasonOut(msgspec.Struct):
    """Why a state is what it is."""

    code: str
    text: str = ""
    value: float | None = None
    limit: float | None = None


class AdminOut(msgspec.Struct):
    """What an operator ordered."""

    state: AdminState
    weight: float | None
    by: str | None
    until: str | None = None  # when the state ends by itself
    weight_until: str | None = None


class HealthOut(msgspec.Struct):
    """The causes of bad health, apart from each other."""

    failed_active_probe: bool
    failed_passive: bool
    failed_outlier: bool
    locked: bool
    stale: bool
    draining: bool
    rate_limited: bool


class HalfOpenOut(msgspec.Struct):
    """Progress of half-open trials."""

    done: int
    need: int


class BreakerState(StrEnum):
    """The phases of a breaker, by the words of the document."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerOut(msgspec.Struct):
    """The circuit breaker."""

    state: BreakerState
    cause: str | None
    opened_total: int
    retry_at: str | None
    half_open: HalfOpenOut


class QuantilesOut(msgspec.Struct):
    """Percentiles of one quantity over one window."""

    p50: float | None
    p95: float | None
    p99: float | None
    n: int
    window_s: float


class WindowsOut(msgspec.Struct, rename={"m1": "1m", "m5": "5m", "h1": "1h"}):
    """One quantity over 1 minute, 5 minutes and 1 hour."""

    m1: QuantilesOut
    m5: QuantilesOut
    h1: QuantilesOut


class ErrorsOut(msgspec.Struct):
    """Attempts of the last five minutes by how they ended.

    ``by_kind`` counts every time-out, ``ratio`` and ``n`` only what is held against the deployment.
    """

    ratio: float | None
    n: int
    by_kind: dict[str, int]
    timeout_ratio: float | None
    window_s: float = 300.0


class QualityOut(msgspec.Struct):
    """Answers of the last hour that failed a check, of those that were checked. They say nothing about health."""

    n: int
    of: int


class UptimeOut(msgspec.Struct, rename={"m5": "5m", "m30": "30m", "d1": "1d"}):
    """Share of the time in which it was neither down nor locked; null where its state was never known."""

    m5: float | None
    m30: float | None
    d1: float | None


class PredictedOut(msgspec.Struct):
    """What decisions expect for a prompt size (upper bound in tokens, null for the largest)."""

    up_to_tokens: int | None
    ttft_p95_s: float
    ttft_p99_s: float
    backed_by_samples: bool
    standing: float
    meets_target: float  # chance of a first content within the tier's target


class QuotaOut(msgspec.Struct):
    """One rate limit as the provider told it."""

    what: str
    limit: int | None
    remaining: int
    resets_in_s: float


class LoadOut(msgspec.Struct):
    """What the server itself says of its load."""

    running: int
    waiting: int
    slots: int | None
    age_s: float | None


class CostOut(msgspec.Struct):
    """List price."""

    input_usd_per_mtok: float
    output_usd_per_mtok: float
    cached_input_usd_per_mtok: float | None


class SpendingOut(msgspec.Struct):
    """What goes through it, at the prices in force: an hour at the pace of the last five minutes, and per 1,000 tokens.

    Null without a price; per 1,000 tokens of the last hour, in and out together, null without any.
    """

    usd_per_h: float | None
    usd_per_1k_effective: float | None


class ScoreOut(msgspec.Struct):
    """The score of a short streamed request for ``auto``, by class; null where it would be excluded."""

    interactive: float | None
    background: float | None


class ShareOut(msgspec.Struct):
    """Shares of the whole table: of interactive requests for ``auto`` by the scores, before live load is looked at.

    ``actual`` is of the attempts of the last five minutes, whatever they asked for, that were answered, failed or
    limited there (a client's own fault is none of them); null without any.
    """

    target: float
    actual: float | None


class ProbeOut(msgspec.Struct):
    """The last result of one kind of probe."""

    kind: str
    verdict: Verdict
    age_s: float
    took_ms: float
    detail: str


class HistoryOut(msgspec.Struct):
    """The last hour, oldest first; null where there was no traffic."""

    step_s: float
    ttft_p95_s: list[float | None]
    error_ratio: list[float | None]
    requests: list[int]


class DeploymentOut(msgspec.Struct):
    """One row."""

    id: str
    provider: str
    model: str
    upstream_model: str
    region: str | None
    shape: str
    base_url: str
    state: HealthState
    state_since: str
    reason: ReasonOut
    admin: AdminOut
    health: HealthOut
    breaker: BreakerOut
    ttft_s: WindowsOut
    time_per_output_token_s: WindowsOut
    latency_s: WindowsOut
    predicted: list[PredictedOut]
    errors: ErrorsOut
    uptime: UptimeOut
    inflight: int
    limit: float | None
    server_load: LoadOut | None
    rps: float
    throughput_tps: float | None
    quota: list[QuotaOut]
    quota_left: float
    price: CostOut | None
    cost: SpendingOut
    spent_usd: float  # what its attempts cost since the daemon started, failed ones that were billed included
    quality: dict[str, float]
    weight: float
    score: ScoreOut
    share: ShareOut
    fingerprints: list[str]
    quality_failures: QualityOut
    prompt: str | None  # version of the prompt that it adds of its own
    probes: list[ProbeOut]
    probe_age_s: float | None
    history: HistoryOut
    scores: list[ScoredOut] = []  # by family of prompts, those over all first
    uptime_cells: CellsOut | None = None


class SloOut(msgspec.Struct):
    """A tier's targets."""

    ttft_p95_s: float
    error_rate_max: float


class TierOut(msgspec.Struct):
    """A tier with its deployments."""

    name: str
    slo: SloOut
    deployments: list[DeploymentOut]


class ConfigOut(msgspec.Struct):
    """The configuration in force."""

    generation: int
    hash: str
    loaded_at: str
    last_error: str | None


class ProbeSpendOut(msgspec.Struct):
    """What lbd's own paid probes cost, by the prices in the configuration; days are UTC."""

    today_usd: float
    budget_usd_per_day: float
    total_usd: float


class ProvidersOut(msgspec.Struct):
    """The document."""

    schema: str
    generation: int
    time: str
    data_age_ms: float
    status: Status
    summary: str
    version: str
    tiers: list[TierOut]
    queue: int
    config: ConfigOut
    probe_spend: ProbeSpendOut
    service: ServiceOut | None = None
    flow: list[FlowOut] = []
    quality_floors: dict[str, float] = {}  # by surface, where one is set
    alerts: list[AlertOut] = []  # what fires first
