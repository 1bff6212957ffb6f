"""OpenAI's own API, and every server that keeps to it."""

from __future__ import annotations

from lbd.shapes.chat import passing
from lbd.shapes.chat.errors import classify
from lbd.shapes.chat.voice import DIALECT
from lbd.shapes.chat.wire import CHAT
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape


class OpenAI(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="openai"):
    """An OpenAI-compatible provider."""


SHAPE = PROVIDERS.add("openai")(
    Shape(
        name="openai",
        config=OpenAI,
        speaks={"openai.chat": CHAT},
        headers=passing.bearer,
        classify=classify,
        limits=passing.quota,
        probes=FreeProbes(liveness="models", models="models"),
        read_models=passing.read_models,
        dialect=DIALECT,
    )
)
