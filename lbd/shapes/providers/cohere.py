"""Cohere's Compatibility API.

OpenAI's chat completions without some members (Cohere documentation, "Using Cohere models via the OpenAI SDK").
"""

from __future__ import annotations

import dataclasses

from lbd.shapes.chat.wire import CHAT
from lbd.shapes.family import adapted, hosted
from lbd.shapes.plain import EMBEDDINGS
from lbd.shapes.providers import PROVIDERS, ProviderConfig


class Cohere(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="cohere"):
    """Cohere's Compatibility API. ``base_url`` ends in /compatibility/v1."""


_CHAT = dataclasses.replace(
    CHAT,
    carries=CHAT.carries - {"audio", "files", "logit_bias", "n", "parallel_tools"},
    encode=adapted(
        {"max_completion_tokens": "max_tokens"},
        frozenset({"metadata", "prediction", "service_tier", "store", "user", "safety_identifier", "prompt_cache_key"}),
    ),
)
SHAPE = PROVIDERS.add("cohere")(
    hosted("cohere", Cohere, speaks={"openai.chat": _CHAT, "openai.embeddings": EMBEDDINGS})
)
