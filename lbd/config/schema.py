"""The keys of the configuration file. Only what is built is listed; a key that moved is refused with its new name.

A line ``key: what it means`` in a docstring here becomes that key's description in the published JSON Schema,
which editors show. Units are in the names of the keys: ``_s`` seconds, ``_ms`` milliseconds, ``_usd`` US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec.structs import force_setattr

from lbd.config.alerts import AlertsConfig
from lbd.config.callers import ClientConfig, SurfaceConfig
from lbd.config.evaluate import EvaluateConfig
from lbd.config.experiments import ExperimentConfig
from lbd.config.journal import JournalConfig
from lbd.config.routing import AutoConfig, PeakConfig, RuleConfig
from lbd.config.strict import Strict
from lbd.config.traces import TracesConfig
from lbd.decide.terms import DEFAULT_WEIGHTS
from lbd.model.secret import SecretRef
from lbd.shapes.providers import Count, NonNegative, Positive, Ratio01, Slug


class TlsConfig(Strict, frozen=True):
    """TLS of a listener, 1.2 and 1.3. The files are read again at every reload.

    cert_file: the certificate, and behind it those that lead to its authority; PEM.
    key_file: its private key, without a passphrase; PEM.
    client_ca_file: certificates of authorities; every client must then show a certificate of one of them, beside its
        key or token. PEM.
    """

    cert_file: str
    key_file: str
    client_ca_file: str | None = None


class AdminConfig(Strict, frozen=True):
    """The admin listener: page, JSON API, metrics.

    listen: host:port, or null for none. Beyond this host it needs a token.
    socket: absolute path of a unix socket; who may open it may change things without a token. Under systemd it is
        admin.sock in the service's runtime directory where none is named.
    token: what changes and foreign hosts must show as a bearer token.
    tls: the certificate of its TCP address; not given: it speaks plain HTTP. The unix socket always does.
    """

    listen: str | None = "127.0.0.1:8081"
    socket: str | None = None
    token: SecretRef | str | None = None
    tls: TlsConfig | None = None


class TierConfig(Strict, frozen=True):
    """A quality and latency level; tiers are listed best first.

    name: what deployments call it.
    ttft_p95_s: target for the 95th percentile of the time to the first content. It steers, it does not cut off.
    error_rate_max: share of failed attempts from which a deployment counts as degraded.
    """

    name: Slug
    ttft_p95_s: Positive
    error_rate_max: Ratio01 = 0.02


class DeadlineConfig(Strict, frozen=True):
    """Bounds counted from a request's arrival.

    interactive_first_content_s: until the first content; then the client gets 504.
    interactive_total_s: until the end of the answer.
    background_total_s: until the end of the answer, for requests of class background.
    """

    interactive_first_content_s: Positive = 10.0
    interactive_total_s: Positive = 600.0
    background_total_s: Positive = 86400.0


class ScorerConfig(Strict, frozen=True):
    """Weights of the scoring terms.

    weights: by term; one that is not named keeps its default, 0 switches it off.
    """

    weights: dict[str, NonNegative] = msgspec.field(default_factory=lambda: dict(DEFAULT_WEIGHTS))

    def __post_init__(self) -> None:
        # here and not where they are used, so that whoever asks for the configuration sees what is in force
        force_setattr(self, "weights", {**DEFAULT_WEIGHTS, **self.weights})


class ProbesConfig(Strict, frozen=True):
    """Active checks.

    every_s: period of the free checks of a provider; 15 to 30 is usual.
    jitter: share by which the period varies, so that checks of many hosts do not meet.
    timeout_s: from when on a check that gets no answer has failed.
    kinds: which checks are made; all of them when not given.
    completion: when completions, which cost money, are asked for: never, or suspect_only (also of rows that come
        back or were idle).
    budget_usd_per_day: what completions asked for by lbd itself may cost.
    """

    every_s: Annotated[float, msgspec.Meta(ge=1, le=600)] = 20.0
    jitter: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.2
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    kinds: list[str] | None = None
    completion: Literal["suspect_only", "never"] = "suspect_only"
    budget_usd_per_day: NonNegative = 0.50


class StoreConfig(Strict, frozen=True):
    """Where state is kept.

    url: sqlite:///absolute/path, or memory: to forget everything at the end.
    """

    url: str = "sqlite:///var/lib/lbd/state.db"


class LimitsConfig(Strict, frozen=True):
    """Bounds of the daemon itself.

    max_body_bytes: of a request; a longer one gets 413.
    keepalive_s: how long a client's connection may stand without a request. A proxy or load balancer before lbd must
        give its connections up sooner than that, or it now and then sends a request on one that has just been closed.
    drain_timeout_s: how long running answers may go on when the daemon is told to stop.
    headers_after_s: how long the head of a stream waits for the first content; then comments keep it alive.
    idle_gap_s: the longest silence inside a stream that has begun.
    queue_size: requests that may wait for a free deployment.
    hedge_share: a stream that is late may be asked for a second time beside the first, until one begins; this is how
        much such attempts may add to the input tokens of all requests. 0: none.
    journal_records: decisions that are kept for lbd explain.
    recall_bytes: of answers of the Responses API that are kept in memory, for a day at most, so that their client may
        refer to items of them, as some SDKs do where store is not false. 0: none.
    """

    max_body_bytes: Count = 32 * 1024 * 1024
    keepalive_s: Positive = 75.0
    drain_timeout_s: Positive = 60.0
    headers_after_s: Positive = 15.0
    idle_gap_s: Positive = 30.0
    queue_size: Count = 1000
    hedge_share: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.05
    journal_records: Count = 1000
    recall_bytes: Annotated[int, msgspec.Meta(ge=0)] = 32 * 1024 * 1024


class LedgerConfig(Strict, frozen=True):
    """What is written down of money.

    keep_days: how long single attempts are kept; their sums by the hour stay.
    baseline: the model that savings are told against; when not given, the model that the application asked for, or
        the best of the best tier.
    cpu_usd_per_hour: what an hour of this host's processor costs, for the share that lbd itself takes.
    """

    keep_days: Count = 90
    baseline: str | None = None
    cpu_usd_per_hour: NonNegative = 0.05


class LogConfig(Strict, frozen=True):
    """Log lines.

    level: the least level that is written.
    requests: which requests get a line.
    provenance_key: signs the line that says where each pinned answer came from.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    requests: Literal["all", "failed", "none"] = "failed"
    provenance_key: SecretRef | str | None = None


def usual_tiers() -> list[TierConfig]:
    """Return the tiers of a configuration that names none."""
    return [
        TierConfig(name="primary", ttft_p95_s=1.5),
        TierConfig(name="secondary", ttft_p95_s=3.0),
        TierConfig(name="tertiary", ttft_p95_s=10.0),
    ]


class Config(Strict, frozen=True):
    """A configuration file. Units are in the names of the keys.

    providers: accounts and servers, with what each offers.
    listen: the API: host:port, [v6]:port or unix:/path. Beyond this host it needs clients.
    tls: the API's certificate; not given: it speaks plain HTTP.
    admin: page, JSON API and metrics for operators.
    clients: API keys; without any, callers on this host are served and no key is asked for.
    tiers: quality and latency levels, best first.
    deadlines: bounds from a request's arrival, never started again.
    routing_rules: rules by name; a request asks for one by its name, or through models.
    models: what names in unchanged applications mean here: pattern to auto, a rule or a model.
    surfaces: product surfaces with their floors and bounds.
    auto: how requests that leave the choice to lbd are judged.
    peak: peak hours.
    scorer: how deployments of one level are weighed.
    probes: active checks.
    store: where state is kept.
    workers: processes on this host; 1 in this version.
    limits: bounds of the daemon itself.
    ledger: what is written down of money.
    journal: what is written down of decisions.
    evaluate: how answers are sampled and scored; not given: they are not.
    experiments: changes that a share of the requests gets, compared with the rest.
    alerts: what is an alert, and who is told.
    traces: which traces are kept, and where they are sent; not given: nowhere.
    log: log lines.
    allowed_hosts: names in a Host or Origin header that are served beside loopback names and addresses.
    allow_inline_secrets: whether keys may stand in the file itself.
    """

    providers: Annotated[list[Any], msgspec.Meta(min_length=1)]
    listen: str = "127.0.0.1:8080"
    tls: TlsConfig | None = None
    admin: AdminConfig = AdminConfig()
    clients: list[ClientConfig] = []
    tiers: Annotated[list[TierConfig], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=usual_tiers)
    deadlines: DeadlineConfig = DeadlineConfig()
    routing_rules: dict[str, RuleConfig] = {}
    models: dict[str, str] = {}
    surfaces: list[SurfaceConfig] = []
    auto: AutoConfig = AutoConfig()
    peak: PeakConfig | None = None
    scorer: ScorerConfig = ScorerConfig()
    probes: ProbesConfig = ProbesConfig()
    store: StoreConfig = StoreConfig()
    workers: int = 1
    limits: LimitsConfig = LimitsConfig()
    ledger: LedgerConfig = LedgerConfig()
    journal: JournalConfig = JournalConfig()
    evaluate: EvaluateConfig | None = None
    experiments: list[ExperimentConfig] = []
    alerts: AlertsConfig = AlertsConfig()
    traces: TracesConfig | None = None
    log: LogConfig = LogConfig()
    allowed_hosts: list[str] = []
    allow_inline_secrets: bool = False


EDITOR_KEY = "$schema"  # a JSON file names its schema in itself; editors read it, lbd does not

# Keys that stand elsewhere than older texts say, by the struct they were of: what they are now.
MOVED: dict[str, dict[str, str]] = {
    "LimitsConfig": {"journal_days": "journal.keep_days"},
}


def full(provider_kinds: Mapping[str, type[msgspec.Struct]]) -> type[msgspec.Struct]:
    """Return the root type with the registered provider shapes in it, for the published JSON Schema."""
    union: Any = Union[tuple(provider_kinds.values())]  # noqa: UP007  built from a registry
    providers: Any = Annotated[list[union], msgspec.Meta(min_length=1)]
    return msgspec.defstruct(
        "Config",
        [("providers", providers)],
        bases=(Config,),
        namespace={"__doc__": Config.__doc__},
        frozen=True,
        forbid_unknown_fields=True,
        kw_only=True,
    )
