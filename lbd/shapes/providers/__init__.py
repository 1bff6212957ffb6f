"""Provider shapes: what providers speak, one a file.

A shape is a value: a ``Shape`` of functions and data, registered under its name. One that is mostly like
another derives from it with ``dataclasses.replace``. To add one, create a module here that calls
``PROVIDERS.add("<name>")``; configuration kind, schema, documentation row and the contract tests follow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Protocol

import msgspec

from lbd.model.failure import Failure
from lbd.model.outcome import Load, QuotaReading, Usage
from lbd.model.provider import DeploymentSpec, Price
from lbd.model.request import Body
from lbd.model.secret import SecretRef
from lbd.model.units import Seconds, WallTime
from lbd.registry import Registry

Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9._-]+$", description="letters a-z, digits, . _ -")]
Ratio01 = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class PriceConfig(Price, frozen=True, forbid_unknown_fields=True):
    """Prices in USD per million tokens."""


class DeploymentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model at this provider: a row of the table."""

    model: str
    name: Slug | None = None
    upstream_model: str | None = None
    tier: str | None = None
    context_tokens: Count | None = None
    supports: list[str] | None = None
    price: PriceConfig | None = None
    quality: dict[str, Ratio01] = {}
    weight: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    max_concurrency: Count | None = None


class ProviderConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="shape", tag=""):
    """What every provider has, whatever its shape."""

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
    max_concurrency: Count | None = None


class Facts(msgspec.Struct, frozen=True):
    """What lbd reads out of a whole (unary) answer. ``failure``: an error in spite of a good status."""

    usage: Usage | None = None
    model: str | None = None
    failure: Failure | None = None


class Watch(Protocol):
    """Follows one answer stream: what may go on to the client, and how far the answer has come.

    Until the first content nothing is forwarded: the slice that commits brings what was held with it.
    """

    committed: bool  # content came; what ``feed`` returns may be sent
    finished: bool  # a finish came for every choice
    done: bool  # the provider's own end mark came
    usage: Usage | None
    failure: Failure | None  # the provider said so, or sent what is no event
    contents: int  # content deltas so far

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came, return those to forward."""

    def end(self) -> tuple[bytes, Failure | None]:
        """The provider closed: return what completes the stream, or the failure that this end is."""


class Fold(Protocol):
    """Gathers a stream into the unary answer it stands for."""

    def feed(self, data: bytes) -> None:
        """Take forwarded bytes of the stream."""

    def result(self) -> bytes:
        """Return the unary body."""


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
    carries: frozenset[str]  # capabilities the wire format can express
    paths: Mapping[str, str]  # operation -> path below the base URL
    encode: Callable[[Body, DeploymentSpec, bool, bool], bytes]  # (body, row, stream, ask for usage)
    headers: Callable[[str | None], tuple[tuple[str, str], ...]]  # credential headers for a key
    classify: Callable[[int, Mapping[str, str], bytes, WallTime], Failure]
    facts: Callable[[bytes], Facts]
    watch: Callable[[int, bool], Watch]  # (choices expected, hide the usage event)
    fold: Callable[[], Fold]
    limits: Callable[[Mapping[str, str], WallTime], tuple[QuotaReading, ...]]
    probes: FreeProbes
    read_models: Callable[[bytes], frozenset[str] | None]
    completion: Callable[[str, bool], bytes]  # (upstream model, stream): body of a one-token probe
    read_load: Callable[[bytes], Load | None] = lambda _: None
    read_slots: Callable[[bytes], int | None] = lambda _: None
    lists_models: bool = True  # the model list names what may be asked for
    self_hosted: bool = False
    unary_via_stream: bool = False
    stream_usage: bool = True
    pool_after_stream: bool = True  # False: the server closes after a stream whatever it announces
    keepalive_s: Seconds = 15.0
    limit_prefix: bytes = b"x-ratelimit"


PROVIDERS: Registry[Shape] = Registry("provider shape", __name__)
