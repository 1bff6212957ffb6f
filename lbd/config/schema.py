"""The keys of the configuration file. Only what is built is listed; a planned key is refused by name.

A line ``key: what it means`` in a docstring here becomes that key's description in the published JSON Schema,
which editors show. Units are in the names of the keys: ``_s`` seconds, ``_ms`` milliseconds, ``_usd`` US dollars.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec.structs import force_setattr

from lbd.decide.terms import DEFAULT_WEIGHTS
from lbd.model.provider import Permission
from lbd.model.request import Urgency
from lbd.model.secret import SecretRef
from lbd.shapes.providers import Count, NonNegative, Positive, Ratio01, Slug

OneOrMore = str | list[str]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A map whose keys are all known."""


class AdminConfig(_Strict, frozen=True):
    """The admin listener: page, JSON API, metrics.

    listen: host:port, or null for none. Beyond this host it needs a token.
    socket: absolute path of a unix socket; who may open it may change things without a token. Under systemd it is
        admin.sock in the service's runtime directory where none is named.
    token: what changes and foreign hosts must show as a bearer token.
    """

    listen: str | None = "127.0.0.1:8081"
    socket: str | None = None
    token: SecretRef | str | None = None


class ClientConfig(_Strict, frozen=True):
    """An API key's owner.

    name: shown in records and metrics.
    key: the API key that the client sends.
    surface: the product surface whose class, floors and bounds hold for its requests.
    models: patterns of the names it may ask for, such as gpt-*; none: every name.
    may: which wishes it may send with a request; all of them when not given.
    """

    name: Slug
    key: SecretRef | str
    surface: str | None = None
    models: list[str] = []
    may: list[Permission] = msgspec.field(default_factory=lambda: list(Permission))


class TierConfig(_Strict, frozen=True):
    """A quality and latency level; tiers are listed best first.

    name: what deployments call it.
    ttft_p95_s: target for the 95th percentile of the time to the first content. It steers, it does not cut off.
    error_rate_max: share of failed attempts from which a deployment counts as degraded.
    """

    name: Slug
    ttft_p95_s: Positive
    error_rate_max: Ratio01 = 0.02


class DeadlineConfig(_Strict, frozen=True):
    """Bounds counted from a request's arrival.

    interactive_first_content_s: until the first content; then the client gets 504.
    interactive_total_s: until the end of the answer.
    background_total_s: until the end of the answer, for requests of class background.
    """

    interactive_first_content_s: Positive = 10.0
    interactive_total_s: Positive = 600.0
    background_total_s: Positive = 86400.0


class RuleConfig(_Strict, frozen=True):
    """A routing rule, in the shape that routing guides show.

    primary: the model that is asked first, or a list of them in order.
    fallback: the models that are asked when those before them cannot answer, in order.
    max_cost_per_1k: bound of the predicted USD for 1,000 tokens, in and out; what is dearer is never used.
    max_latency_ms: bound of the time to the first content of a stream, or to the whole of a unary answer.
    """

    primary: OneOrMore
    fallback: OneOrMore = []
    max_cost_per_1k: NonNegative | None = None
    max_latency_ms: Positive | None = None


class ValidateConfig(_Strict, frozen=True):
    """What whole answers are held to; where one fails, the next deployment is asked.

    Streams are not held to it: what a client has seen cannot be taken back.

    json_schema: a schema that the text keeps to as JSON, or true for the one that the request itself asks for.
    regex: an expression, in Python's syntax, that is found in the text.
    min_chars: characters that the text has at least.
    max_chars: characters that the text has at most.
    refusal: refuse: an answer by which the model refuses is none.
    language: what the text is written in; only what is clearly in another one fails.
    on_failure: what the client gets when every answer fails: an error, or with pass the last of them all the same.
    """

    json_schema: dict[str, Any] | bool | None = None
    regex: str | None = None
    min_chars: Count | None = None
    max_chars: Count | None = None
    refusal: Literal["refuse"] | None = None
    language: Literal["de", "en", "es", "fr", "it", "nl", "pt"] | None = None
    on_failure: Literal["error", "pass"] = "error"


class SurfaceConfig(_Strict, frozen=True):
    """A product surface.

    name: what clients and requests call it.
    class: interactive, or background, which waits behind interactive work and takes the cheapest.
    quality_floor: deployments whose quality is lower or not known are never used.
    ttft_p95_s: only deployments that are predicted to meet it, while there is one.
    deadline_s: until the end of the answer, from arrival.
    max_usd_per_request: bound of the predicted cost of a request; what is dearer is never used.
    pin: the one model, or deployment as provider/name, that may serve it.
    fallback: none: nothing else than the first choice, or a clear error.
    models: what names mean for this surface, before the general map is asked.
    validate: what whole answers are held to.
    """

    name: Slug
    urgency: Urgency = msgspec.field(default=Urgency.INTERACTIVE, name="class")
    quality_floor: Ratio01 = 0.0
    ttft_p95_s: Positive | None = None
    deadline_s: Positive | None = None
    max_usd_per_request: NonNegative | None = None
    pin: str | None = None
    fallback: Literal["none"] | None = None
    models: dict[str, str] = {}
    validate: ValidateConfig | None = None


class ScorerConfig(_Strict, frozen=True):
    """Weights of the scoring terms.

    weights: by term; one that is not named keeps its default, 0 switches it off.
    """

    weights: dict[str, NonNegative] = msgspec.field(default_factory=lambda: dict(DEFAULT_WEIGHTS))

    def __post_init__(self) -> None:
        # here and not where they are used, so that whoever asks for the configuration sees what is in force
        force_setattr(self, "weights", {**DEFAULT_WEIGHTS, **self.weights})


class ProbesConfig(_Strict, frozen=True):
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


class StoreConfig(_Strict, frozen=True):
    """Where state is kept.

    url: sqlite:///absolute/path, or memory: to forget everything at the end.
    """

    url: str = "sqlite:///var/lib/lbd/state.db"


class LimitsConfig(_Strict, frozen=True):
    """Bounds of the daemon itself.

    max_body_bytes: of a request; a longer one gets 413.
    drain_timeout_s: how long running answers may go on when the daemon is told to stop.
    headers_after_s: how long the head of a stream waits for the first content; then comments keep it alive.
    idle_gap_s: the longest silence inside a stream that has begun.
    queue_size: requests that may wait for a free deployment.
    journal_records: decisions that are kept for lbd explain.
    """

    max_body_bytes: Count = 32 * 1024 * 1024
    drain_timeout_s: Positive = 60.0
    headers_after_s: Positive = 15.0
    idle_gap_s: Positive = 30.0
    queue_size: Count = 1000
    journal_records: Count = 1000


class LogConfig(_Strict, frozen=True):
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


class Config(_Strict, frozen=True):
    """A configuration file. Units are in the names of the keys.

    providers: accounts and servers, with what each offers.
    listen: the API: host:port, [v6]:port or unix:/path. Beyond this host it needs clients.
    admin: page, JSON API and metrics for operators.
    clients: API keys; without any, callers on this host are served and no key is asked for.
    tiers: quality and latency levels, best first.
    deadlines: bounds from a request's arrival, never started again.
    routing_rules: rules by name; a request asks for one by its name, or through models.
    models: what names in unchanged applications mean here: pattern to auto, a rule or a model.
    surfaces: product surfaces with their floors and bounds.
    scorer: how deployments of one level are weighed.
    probes: active checks.
    store: where state is kept.
    workers: processes on this host; 1 in this version.
    limits: bounds of the daemon itself.
    log: log lines.
    allowed_hosts: names in a Host or Origin header that are served beside loopback names and addresses.
    allow_inline_secrets: whether keys may stand in the file itself.
    """

    providers: Annotated[list[Any], msgspec.Meta(min_length=1)]
    listen: str = "127.0.0.1:8080"
    admin: AdminConfig = AdminConfig()
    clients: list[ClientConfig] = []
    tiers: Annotated[list[TierConfig], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=usual_tiers)
    deadlines: DeadlineConfig = DeadlineConfig()
    routing_rules: dict[str, RuleConfig] = {}
    models: dict[str, str] = {}
    surfaces: list[SurfaceConfig] = []
    scorer: ScorerConfig = ScorerConfig()
    probes: ProbesConfig = ProbesConfig()
    store: StoreConfig = StoreConfig()
    workers: int = 1
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    allowed_hosts: list[str] = []
    allow_inline_secrets: bool = False


EDITOR_KEY = "$schema"  # a JSON file names its schema in itself; editors read it, lbd does not

# Keys of the contract that this version does not have yet, by the struct they belong to.
PLANNED: dict[str, frozenset[str]] = {
    "Config": frozenset({"experiments", "alerts"}),
    "ClientConfig": frozenset({"budget", "limit"}),
    "RuleConfig": frozenset({"when"}),
    "LimitsConfig": frozenset({"journal_days"}),
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
