"""Ollama's OpenAI-compatible API.

``/api/version`` answers while models load; past ``OLLAMA_MAX_QUEUE`` it answers 503; there are no gauges.
"""

from __future__ import annotations

from lbd.shapes.family import local
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig


class Ollama(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="ollama"):
    """An Ollama server. ``base_url`` ends in /v1."""


SHAPE = PROVIDERS.add("ollama")(local("ollama", Ollama, probes=FreeProbes(liveness="/api/version", models="models")))
