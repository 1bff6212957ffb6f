"""Cohere's Compatibility API.

OpenAI's chat completions without some members (Cohere documentation, "Using Cohere models via the OpenAI SDK").
"""

from __future__ import annotations

from typing import Any

from lbd.shapes.family import adapted, at_once, hosted, renamed
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
_members = renamed(_NAMES, _REFUSED)


def adapt(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request as Cohere takes it. Raises LbdError for a wish that it cannot grant."""
    at_once(asked)
    return _members(asked)


SHAPE = PROVIDERS.add("cohere")(
    adapted(
        hosted("cohere", Cohere),
        (*_NAMES, *_REFUSED),
        adapt,
        frozenset({"audio", "files", "logit_bias", "n", "parallel_tools"}),
    )
)
