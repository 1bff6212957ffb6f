"""What configuration says of providers, deployments, tiers, rules, surfaces and clients: static specs."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec

from lbd.model.request import AfterContent, Urgency
from lbd.model.secret import Secret
from lbd.model.units import NANO_PER_USD, DeploymentId, NanoUsd, Ratio, Seconds, Tokens, UsdPerMTok, WallTime
from lbd.model.validation import Validation


class Price(msgspec.Struct, frozen=True):
    """List price in USD per million tokens."""

    input_usd_per_mtok: UsdPerMTok
    output_usd_per_mtok: UsdPerMTok
    cached_input_usd_per_mtok: UsdPerMTok | None = None
    cache_write_usd_per_mtok: UsdPerMTok | None = None


class BudgetSpec(msgspec.Struct, frozen=True):
    """So much money in each window of the calendar (UTC), for a client, a surface or a provider."""

    scope: Literal["client", "surface", "provider"]
    name: str
    period: Literal["hour", "day", "month"]
    limit: NanoUsd
    hard: bool = True  # what would pass it is refused; else it is only told
    warn_at: Ratio = 0.8

    @property
    def key(self) -> str:
        """Name it for ever."""
        return f"{self.scope}/{self.name}/{self.period}"

    @property
    def words(self) -> str:
        """Name it for people."""
        article = "an" if self.period == "hour" else "a"
        usd = f"{self.limit / NANO_PER_USD:.9f}".rstrip("0").rstrip(".")
        return f"{self.scope} {self.name}: {usd} USD {article} {self.period}"


class ProviderSpec(msgspec.Struct, frozen=True):
    """An account or server: where it is and how to speak to it."""

    name: str
    shape: str
    base_url: str  # without a trailing slash
    api_key: Secret | None = None
    secrets: tuple[tuple[str, Secret], ...] = ()  # what else its shape asks for, by the keys of its configuration
    region: str | None = None
    quota_group: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    proxy: str | None = None
    ca_file: str | None = None
    connect_timeout_s: Seconds = 3.0
    keepalive_s: Seconds = 15.0
    max_concurrency: int | None = None
    self_hosted: bool = False
    unary_via_stream: bool = False
    api_version: str | None = None  # of paths that name the deployment (Azure's older ones)
    stream_usage: bool = True  # may lbd ask for usage in a stream whose client did not
    tells_finish: bool = True  # a stream whose end mark comes without the reason why it ended was cut
    budgets: tuple[BudgetSpec, ...] = ()

    def __repr__(self) -> str:
        """Show no more than what it is called: headers and proxies may hold credentials."""
        return f"ProviderSpec({self.name!r}, {self.shape!r})"


class PromptSpec(msgspec.Struct, frozen=True):
    """What a model is told beside what the client says; ``version`` is a hash of the three texts.

    ``system`` goes before the client's own system text, ``prefix`` and ``suffix`` around its last user message.
    """

    system: str = ""
    prefix: str = ""
    suffix: str = ""
    version: str = ""


TRIABLE = frozenset({"chat", "completions", "embeddings", "moderations"})


class DeploymentSpec(msgspec.Struct, frozen=True):
    """One model at one provider: a row of the table."""

    id: DeploymentId
    provider: str
    model: str
    upstream_model: str
    tier: str
    context_tokens: Tokens | None = None
    supports: frozenset[str] | None = None  # None: nothing is known, so nothing is ruled out
    serves: frozenset[str] = frozenset({"chat"})
    ignores: frozenset[str] = frozenset()  # capabilities whose members are left out of a request
    # by client shape, what can be expressed to it; shapes that are not here it cannot serve. None: any
    carries: dict[str, frozenset[str]] | None = None
    price: Price | None = None  # that holds now
    prices: tuple[tuple[WallTime, Price | None], ...] = ()  # from when on which holds, the earliest first
    quality: dict[str, Ratio] = {}
    strength: Ratio = 1.0  # where its model stands between the weak and the strong ones that prompts are judged by
    weight: float = 1.0
    max_concurrency: int | None = None
    self_hosted: bool = False
    unary_via_stream: bool = False
    prompt: PromptSpec | None = None
    account: str = ""  # whose rate limits it is under; "": its provider's

    @property
    def can_be_tried(self) -> bool:
        """Tell whether a probe may ask for a little of what it serves; an image is never little."""
        return bool(self.serves & TRIABLE)

    def identity(self, provider: ProviderSpec) -> tuple[str, ...]:
        """Return what must stay the same for this row to keep its history over a reload."""
        return (self.id, provider.shape, provider.base_url, self.upstream_model)


class TierSpec(msgspec.Struct, frozen=True):
    """An ordered quality and latency level. The target steers, it is not a cut-off."""

    name: str
    ttft_p95_s: Seconds
    error_rate_max: Ratio = 0.02


class WhenSpec(msgspec.Struct, frozen=True):
    """The conditions under which a rule is taken by itself; all of them have to hold. Names are patterns."""

    model: tuple[str, ...] = ()  # that was asked for
    surface: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    family: tuple[str, ...] = ()
    urgency: Urgency | None = None
    peak: bool | None = None
    input_tokens_min: Tokens | None = None
    input_tokens_below: Tokens | None = None
    difficulty_min: Ratio | None = None
    difficulty_below: Ratio | None = None
    needs: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()  # name, pattern of its value
    text: str | None = None  # a regular expression that is found in what the user said last


class RuleSpec(msgspec.Struct, frozen=True):
    """A named entry of ``routing_rules``: groups of models, best first, with their bounds.

    ``when`` None: it is only asked for by its name.
    """

    name: str
    groups: tuple[tuple[str, ...], ...]
    max_cost_per_1k: float | None = None
    max_latency_s: Seconds | None = None
    when: WhenSpec | None = None


class SurfaceSpec(msgspec.Struct, frozen=True):
    """A product surface with its class, floors and bounds."""

    name: str
    urgency: Urgency = Urgency.INTERACTIVE
    quality_floor: Ratio = 0.0
    quality_share: Ratio | None = None
    ttft_p95_s: Seconds | None = None
    deadline_s: Seconds | None = None
    max_usd_per_request: float | None = None
    pin: str | None = None
    fallback: bool = True
    models: tuple[tuple[str, str], ...] = ()  # name pattern -> meaning, before the global map
    validation: Validation | None = None  # what whole answers are held to
    budgets: tuple[BudgetSpec, ...] = ()
    evaluate: bool = True  # its answers may be sampled
    after_content: AfterContent = AfterContent.SPLICE  # or error: to begin anew is for clients to ask for


class Permission(StrEnum):
    """What a client may ask of lbd itself; the words of a client's ``may``."""

    SURFACE = "surface"
    CLASS = "class"
    MAX_LATENCY = "max_latency"
    MAX_USD = "max_usd"
    QUALITY_FLOOR = "quality_floor"
    SESSION = "session"
    PIN = "pin"
    DRY_RUN = "dry_run"
    VALIDATE = "validate"
    FEEDBACK = "feedback"  # rate answers: ratings move what decisions go by, for every client
    AFTER_CONTENT = "after_content"


class ClientSpec(msgspec.Struct, frozen=True):
    """An API key's owner. The key itself is known by its SHA-256 only; empty: its certificate alone tells."""

    name: str
    key_sha256: bytes
    surface: str | None = None
    models: tuple[str, ...] = ()  # name patterns; empty: every name
    may: frozenset[Permission] = frozenset(Permission)
    budgets: tuple[BudgetSpec, ...] = ()
    requests_per_min: int | None = None
    tokens_per_min: Tokens | None = None
    certificates: frozenset[str] = frozenset()  # names of which its TLS certificate bears one, as peer.normal


class Deadlines(msgspec.Struct, frozen=True):
    """Bounds counted from a request's arrival, never restarted."""

    interactive_first_content_s: Seconds = 10.0
    interactive_total_s: Seconds = 600.0
    background_total_s: Seconds = 86400.0


class ScorerSpec(msgspec.Struct, frozen=True):
    """Weights of the scoring terms, by the term's registered name; ``peak`` those of interactive requests then."""

    weights: tuple[tuple[str, float], ...]
    peak: tuple[tuple[str, float], ...] = ()


class AutoSpec(msgspec.Struct, frozen=True):
    """How requests that leave the choice to lbd are judged."""

    judge: bool = True
    quality_share: Ratio = 0.0  # 0: the best tier that is fast enough


class PeakSpec(msgspec.Struct, frozen=True):
    """Peak hours: by the calendar of a zone (spans as :mod:`lbd.decide.calendar` reads them), or by load."""

    timezone: str = "UTC"
    hours: tuple[str, ...] = ()
    load_above: Ratio | None = None
    background_waits: bool = True
