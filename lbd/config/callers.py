"""The keys that say who asks and what they may have: clients, surfaces, and what answers are held to."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lbd.config.strict import Strict
from lbd.model.provider import Permission
from lbd.model.request import Urgency
from lbd.model.secret import SecretRef
from lbd.shapes.providers import BudgetConfig, Count, NonNegative, Positive, Ratio01, Slug


class LimitConfig(Strict, frozen=True):
    """How much a client may ask for. A minute's worth may come at once.

    requests_per_min: requests.
    tokens_per_min: tokens of prompts and answers.
    """

    requests_per_min: Count | None = None
    tokens_per_min: Count | None = None


class ClientConfig(Strict, frozen=True):
    """An API key's owner.

    name: shown in records and metrics.
    key: the API key that the client sends.
    certificate: the name that its TLS certificate bears, or several of which it bears one, as DNS:host, URI:text,
        email:address or CN:name. With a key both are asked for; without, the certificate tells whose a request is.
    surface: the product surface whose class, floors and bounds hold for its requests.
    models: patterns of the names it may ask for, such as gpt-*; none: every name.
    may: which wishes it may send with a request; all of them when not given.
    budget: what its requests may cost.
    limit: how much it may ask for.
    """

    name: Slug
    key: SecretRef | str | None = None
    certificate: str | list[str] | None = None
    surface: str | None = None
    models: list[str] = []
    may: list[Permission] = msgspec.field(default_factory=lambda: list(Permission))
    budget: BudgetConfig | None = None
    limit: LimitConfig | None = None


class ValidateConfig(Strict, frozen=True):
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


class SurfaceConfig(Strict, frozen=True):
    """A product surface.

    name: what clients and requests call it.
    class: interactive, or background, which waits behind interactive work and takes the cheapest.
    quality_floor: deployments whose quality is lower or not known are never used.
    quality_share: as in auto, for this surface.
    ttft_p95_s: only deployments that are predicted to meet it, while there is one.
    deadline_s: until the end of the answer, from arrival.
    max_usd_per_request: bound of the predicted cost of a request; what is dearer is never used.
    pin: the one model, or deployment as provider/name, that may serve it.
    fallback: none: nothing else than the first choice, or a clear error.
    models: what names mean for this surface, before the general map is asked.
    validate: what whole answers are held to.
    budget: what its requests may cost.
    after_content: what becomes of a stream that breaks after its first content: splice, or error, typed and at once.
    evaluate: whether its answers may be sampled to be scored.
    """

    name: Slug
    urgency: Urgency = msgspec.field(default=Urgency.INTERACTIVE, name="class")
    quality_floor: Ratio01 = 0.0
    quality_share: Ratio01 | None = None
    ttft_p95_s: Positive | None = None
    deadline_s: Positive | None = None
    max_usd_per_request: NonNegative | None = None
    pin: str | None = None
    fallback: Literal["none"] | None = None
    models: dict[str, str] = {}
    validate: ValidateConfig | None = None
    budget: BudgetConfig | None = None
    after_content: Literal["splice", "error"] = "splice"
    evaluate: bool = True
