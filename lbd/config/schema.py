"""The keys of the configuration file. Only what is built is listed; a planned key is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

import msgspec

from lbd.decide.terms import DEFAULT_WEIGHTS
from lbd.model.provider import Permission
from lbd.model.request import Urgency
from lbd.model.secret import SecretRef
from lbd.shapes.providers import Count, Positive, Ratio01, Slug

NonNegative = Annotated[float, msgspec.Meta(ge=0)]
OneOrMore = str | list[str]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A map whose keys are all known."""


class AdminConfig(_Strict, frozen=True):
    """The admin listener: page, JSON API, metrics."""

    listen: str | None = "127.0.0.1:8081"
    socket: str | None = None
    token: SecretRef | str | None = None


class ClientConfig(_Strict, frozen=True):
    """An API key's owner."""

    name: Slug
    key: SecretRef | str
    surface: str | None = None
    models: list[str] = []
    may: list[Permission] = msgspec.field(default_factory=lambda: list(Permission))


class TierConfig(_Strict, frozen=True):
    """A quality and latency level; tiers are listed best first."""

    name: Slug
    ttft_p95_s: Positive
    error_rate_max: Ratio01 = 0.02


class DeadlineConfig(_Strict, frozen=True):
    """Bounds counted from a request's arrival."""

    interactive_first_content_s: Positive = 10.0
    interactive_total_s: Positive = 600.0
    background_total_s: Positive = 86400.0


class RuleConfig(_Strict, frozen=True):
    """A routing rule, in the shape that routing guides show."""

    primary: OneOrMore
    fallback: OneOrMore = []
    max_cost_per_1k: NonNegative | None = None
    max_latency_ms: Positive | None = None


class SurfaceConfig(_Strict, frozen=True):
    """A product surface."""

    name: Slug
    urgency: Urgency = msgspec.field(default=Urgency.INTERACTIVE, name="class")
    quality_floor: Ratio01 = 0.0
    ttft_p95_s: Positive | None = None
    deadline_s: Positive | None = None
    max_usd_per_request: NonNegative | None = None
    pin: str | None = None
    fallback: Literal["none"] | None = None
    models: dict[str, str] = {}


class ScorerConfig(_Strict, frozen=True):
    """Weights of the scoring terms."""

    weights: dict[str, NonNegative] = msgspec.field(default_factory=lambda: dict(DEFAULT_WEIGHTS))


class ProbesConfig(_Strict, frozen=True):
    """Active checks."""

    every_s: Annotated[float, msgspec.Meta(ge=1, le=600)] = 20.0
    jitter: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.2
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    kinds: list[str] | None = None
    completion: Literal["suspect_only", "never"] = "suspect_only"
    budget_usd_per_day: NonNegative = 0.50


class StoreConfig(_Strict, frozen=True):
    """Where state is kept."""

    url: str = "sqlite:///var/lib/lbd/state.db"


class LimitsConfig(_Strict, frozen=True):
    """Bounds of the daemon itself."""

    max_body_bytes: Count = 32 * 1024 * 1024
    drain_timeout_s: Positive = 60.0
    headers_after_s: Positive = 15.0
    idle_gap_s: Positive = 30.0
    queue_size: Count = 1000
    journal_records: Count = 2000


class LogConfig(_Strict, frozen=True):
    """Log lines."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    requests: Literal["all", "failed", "none"] = "failed"


def usual_tiers() -> list[TierConfig]:
    """Return the tiers of a configuration that names none."""
    return [
        TierConfig(name="primary", ttft_p95_s=1.5),
        TierConfig(name="secondary", ttft_p95_s=3.0),
        TierConfig(name="tertiary", ttft_p95_s=10.0),
    ]


class Config(_Strict, frozen=True):
    """A configuration file. Units are in the names of the keys."""

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
        "Config", [("providers", providers)], bases=(Config,), frozen=True, forbid_unknown_fields=True, kw_only=True
    )
