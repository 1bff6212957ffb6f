"""Cohere's Compatibility API.

OpenAI's chat completions without some members (Cohere documentation, "Using Cohere models via the OpenAI SDK").
"""

from __future__ import annotations

from lbd.shapes.family import adapted, hosted, renamed
from lbd.shapes.providers import PROVIDERS, ProviderConfig


class Cohere(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="cohere"):
    """Cohere's Compatibility API. ``base_url`` ends in /compatibility/v1."""


_NAMES = {"max_completion_tokens": "max_tokens"}
_REFUSED = (
    "metadata",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
)
SHAPE = PROVIDERS.add("cohere")(
    adapted(
        hosted("cohere", Cohere),
        (*_NAMES, *_REFUSED),
        renamed(_NAMES, _REFUSED),
        frozenset({"audio", "files", "logit_bias", "n", "parallel_tools"}),
    )
)
