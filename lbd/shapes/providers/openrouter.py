"""OpenRouter.

Errors may come inside a 200; comments keep a stream alive while it looks for a provider; its model list is public, so
it proves no key (OpenRouter documentation, "Errors", "Streaming").
"""

from __future__ import annotations

from lbd.shapes.family import hosted
from lbd.shapes.providers import PROVIDERS, ProviderConfig


class OpenRouter(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="openrouter"):
    """OpenRouter."""


SHAPE = PROVIDERS.add("openrouter")(hosted("openrouter", OpenRouter))
