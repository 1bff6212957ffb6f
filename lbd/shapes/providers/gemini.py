"""Google's Gemini API (v1beta).

It tells no limits in headers and its wait only in the body of a 429. The model list is free, and refuses a wrong key.
"""

from __future__ import annotations

from lbd.shapes.gemini.count import COUNT
from lbd.shapes.gemini.embed import EMBED
from lbd.shapes.gemini.errors import classify
from lbd.shapes.gemini.models import read_models
from lbd.shapes.gemini.voice import DIALECT
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape


class Gemini(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="gemini"):
    """Google's Gemini API. ``base_url`` ends in /v1beta."""


def headers(key: str | None) -> tuple[tuple[str, str], ...]:
    """Return the credential."""
    return () if key is None else (("x-goog-api-key", key),)


SHAPE = PROVIDERS.add("gemini")(
    Shape(
        name="gemini",
        config=Gemini,
        speaks={"openai.embeddings": EMBED, "anthropic.count_tokens": COUNT},
        headers=headers,
        classify=classify,
        limits=lambda _headers, _wall: (),
        probes=FreeProbes(liveness="models", models="models?pageSize=1000"),
        read_models=read_models,
        dialect=DIALECT,
    )
)
