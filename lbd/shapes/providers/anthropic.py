"""Anthropic's own API, and every server that keeps to it."""

from __future__ import annotations

from lbd.shapes.chat.errors import classify
from lbd.shapes.chat.passing import read_models
from lbd.shapes.messages import passing
from lbd.shapes.messages.count import COUNT
from lbd.shapes.messages.voice import DIALECT, MESSAGES
from lbd.shapes.messages.write import most_tokens
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape


class Anthropic(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="anthropic"):
    """A provider that speaks Anthropic's Messages API. ``base_url`` ends in /v1."""


SHAPE = PROVIDERS.add("anthropic")(
    Shape(
        name="anthropic",
        config=Anthropic,
        speaks={"anthropic.messages": MESSAGES, "anthropic.count_tokens": COUNT},
        headers=passing.headers,
        classify=classify,
        limits=passing.quota,
        probes=FreeProbes(liveness="models", models="models?limit=1000"),
        read_models=read_models,
        longest=most_tokens,
        dialect=DIALECT,
        limit_prefix=b"anthropic-ratelimit",
    )
)
