"""OpenRouter.

Errors may come inside a 200; comments keep a stream alive while it looks for a provider; its model list is public, so
it proves no key (OpenRouter documentation, "Errors", "Streaming"). A request can name other models there, to be asked
where the first fails, or a preset that names them ("Model Fallbacks", "Presets"). Which model answers is lbd's choice,
of those that the client may have and that money was held for; its own fallbacks are in the configuration.
"""

from __future__ import annotations

from lbd.shapes.family import adapted, hosted, renamed
from lbd.shapes.providers import PROVIDERS, ProviderConfig


class OpenRouter(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="openrouter"):
    """OpenRouter."""


_CHOOSING = ("models", "preset", "route")

SHAPE = PROVIDERS.add("openrouter")(
    adapted(hosted("openrouter", OpenRouter), _CHOOSING, renamed({}, _CHOOSING), frozenset())
)
