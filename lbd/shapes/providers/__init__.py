"""Provider shapes: what providers speak, one a file.

A shape is a value: a ``Shape`` of functions and data, registered under its name. One that is mostly like
another derives from it with ``dataclasses.replace``. To add one, create a module here that calls
``PROVIDERS.add("<name>")``; configuration kind, schema, documentation row and the contract tests follow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import msgspec

from lbd.model.failure import Failure
from lbd.model.outcome import Load, QuotaReading
from lbd.model.provider import Price, ProviderSpec
from lbd.model.secret import SecretRef
from lbd.model.units import Seconds, WallTime
from lbd.ports import Endpoint
from lbd.registry import Registry
from lbd.shapes.dialect import Dialect
from lbd.shapes.wire import Wire

# Not "." or "..", which a client takes out of a URL's path; and Python's $ would let a line's end follow.
Slug = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z0-9_][a-z0-9._-]*$(?!\n)",
        description="letters a-z, digits, . _ -, and begin with a letter, digit or _",
    ),
]
# Words about the form of a request: a list of what a model supports does not speak of them.
FORMAL = frozenset(
    {
        "cache_control",
        "citations",
        "logit_bias",
        "n",
        "names",
        "parallel_tools",
        "penalties",
        "sampling",
        "seed",
        "top_k",
    }
)
Ignorable = Literal[
    "sampling", "top_k", "seed", "penalties", "logit_bias", "reasoning", "logprobs", "n", "names", "citations"
]
Service = Literal["chat", "completions", "responses", "embeddings", "moderations", "images", "speech", "transcriptions"]
Ratio01 = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]
# Beyond these it is a slip of the pen; and whole nano-USD of what is below them fit into 64 bits.
Rate = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
Usd = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class PriceConfig(Price, frozen=True, forbid_unknown_fields=True):
    """Prices in USD per million tokens.

    input_usd_per_mtok: of prompts.
    output_usd_per_mtok: of answers.
    cached_input_usd_per_mtok: of the part of a prompt that the provider had cached; as input when not given.
    cache_write_usd_per_mtok: of the part of a prompt that it put into its cache; as input when not given.
    """

    input_usd_per_mtok: Rate
    output_usd_per_mtok: Rate
    cached_input_usd_per_mtok: Rate | None = None
    cache_write_usd_per_mtok: Rate | None = None


class DatedPriceConfig(PriceConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"since": "from"}):
    """A price that holds from a day on.

    from: the day, as 2026-12-01, or the instant, as 2026-12-01T06:00:00Z; a day begins at midnight UTC.
    """

    since: str


class BudgetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be spent in each hour, day and month of the calendar (UTC).

    usd_per_hour: in an hour.
    usd_per_day: in a day.
    usd_per_month: in a month.
    hard: what would pass a limit is refused before it is sent; with false it is only told.
    warn_at: share of a limit from which on it is told that it is low.
    """

    usd_per_hour: Usd | None = None
    usd_per_day: Usd | None = None
    usd_per_month: Usd | None = None
    hard: bool = True
    warn_at: Ratio01 = 0.8


class PromptConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What this model is told beside what the client says. Its version, a hash of the texts, stands in every record.

    system: goes before the client's own system text.
    prefix: goes before the text of the last user message, as it stands.
    suffix: goes behind the text of the last user message, as it stands.
    """

    system: str = ""
    prefix: str = ""
    suffix: str = ""


class DeploymentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model at this provider: a row of the table.

    model: the name that clients and rules use.
    name: the row's own name, which follows the provider's in its id; made from the model when not given.
    upstream_model: the name that this provider knows the model by, where it is another.
    tier: its quality and latency level; the best when not given.
    context_tokens: what a prompt and its answer may have together.
    supports: what requests may ask of it; anything when not given.
    serves: what it is for, chat when not given; also completions or responses where the provider has these endpoints
        itself, and embeddings, moderations, images, speech, transcriptions.
    ignores: what of a request is left out for this model where it takes none, instead of keeping the request from it.
    price: list price; without one the cost is unknown, and what has a cost cap is not sent here.
    price_changes: prices that hold from a day on, in place of the list price.
    quality: 0 to 1 by task family; default speaks for the others.
    weight: its share among equals; 0 takes it out of the choice.
    max_concurrency: requests that it is given at once.
    quota_group: deployments of one group share their rate limits; when not given, those of one model do, at one
        provider or in one quota_group of providers.
    prompt: what is added to each prompt for this model.
    """

    model: str
    name: Slug | None = None
    upstream_model: str | None = None
    tier: str | None = None
    context_tokens: Count | None = None
    supports: list[str] | None = None
    serves: Annotated[list[Service], msgspec.Meta(min_length=1)] | None = None
    ignores: list[Ignorable] = []
    price: PriceConfig | None = None
    price_changes: list[DatedPriceConfig] = []
    quality: dict[str, Ratio01] = {}
    weight: NonNegative = 1.0
    max_concurrency: Count | None = None
    quota_group: str | None = None
    prompt: PromptConfig | None = None


class ProviderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="shape", tag=""):
    """What every provider has, whatever its shape.

    name: the first part of the ids of its deployments.
    base_url: what stands before /chat/completions, mostly ending in /v1.
    deployments: the models that it offers.
    api_key: where the key lies; none when the server asks for none.
    region: where it is, for people.
    quota_group: providers of one group share the rate limits of each model.
    headers: sent with every request, beside lbd's own.
    proxy: an HTTP proxy on the way to it: http://host:port.
    ca_file: certificates that are trusted in place of the system's.
    connect_timeout_s: for name, connection and TLS.
    keepalive_s: how long an idle connection is kept; shorter than the server does.
    tells_finish: its streams tell why an answer ended, and one that does not was cut; false for a server that never
        tells it, whose end mark is then believed.
    max_concurrency: requests that all its deployments together are given at once.
    budget: what may be spent there.
    """

    name: Slug
    base_url: str
    deployments: Annotated[list[DeploymentConfig], msgspec.Meta(min_length=1)]
    api_key: SecretRef | str | None = None
    region: str | None = None
    quota_group: str | None = None
    headers: dict[str, str] = {}
    proxy: str | None = None
    ca_file: str | None = None
    connect_timeout_s: Positive = 3.0
    keepalive_s: Positive | None = None
    tells_finish: bool = True
    max_concurrency: Count | None = None
    budget: BudgetConfig | None = None


@dataclasses.dataclass(frozen=True)
class FreeProbes:
    """Endpoints that cost nothing. Paths starting with ``/`` are relative to the server's root.

    ``load`` is where gauges are scraped, ``slots`` where the server tells how many requests it runs at once.
    """

    liveness: str | None = None
    models: str | None = None
    load: str | None = None
    slots: str | None = None


@dataclasses.dataclass(frozen=True)
class Shape:
    """Everything lbd knows about one way of speaking to a provider."""

    name: str
    config: type[ProviderConfig]
    speaks: Mapping[str, Wire]  # by the client shape whose requests it takes as they are
    headers: Callable[[str | None], tuple[tuple[str, str], ...]]  # credential headers for a key
    classify: Callable[[int, Mapping[str, str], bytes, WallTime], Failure]
    limits: Callable[[Mapping[str, str], WallTime], tuple[QuotaReading, ...]]
    probes: FreeProbes
    read_models: Callable[[bytes], frozenset[str] | None]
    read_load: Callable[[bytes], Load | None] = lambda _: None
    read_slots: Callable[[bytes], int | None] = lambda _: None
    longest: Callable[[str], int | None] = lambda _: None  # the bound that it puts on a model's answer for a client
    dialect: Dialect | None = None  # how it takes the requests of all other client shapes
    lists_models: bool = True  # the model list names what may be asked for
    self_hosted: bool = False
    unary_via_stream: bool = False
    stream_usage: bool = True
    pool_after_stream: bool = True  # False: the server closes after a stream whatever it announces
    keepalive_s: Seconds = 15.0
    limit_prefix: bytes = b"x-ratelimit"
    stream_accept: str = "text/event-stream"  # the content type that is asked for where an answer is streamed
    secrets: tuple[str, ...] = ()  # keys of its configuration that hold secrets, beside the api_key
    # finishes the headers of one request, where they depend on its body and the time; raises LbdError
    sign: Callable[[Endpoint, bytes, WallTime, ProviderSpec], Endpoint] | None = None


PROVIDERS: Registry[Shape] = Registry("provider shape", __name__)
