"""Mistral's API.

It refuses members that it does not know: usage comes in every stream unasked, a seed is ``random_seed``, and the bound
of an answer is ``max_tokens`` (Mistral API reference, "Chat Completion").
"""

from __future__ import annotations

import dataclasses

from lbd.shapes.chat.wire import CHAT
from lbd.shapes.family import adapted, hosted
from lbd.shapes.plain import EMBEDDINGS
from lbd.shapes.providers import PROVIDERS, ProviderConfig


class Mistral(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="mistral"):
    """Mistral's API. ``base_url`` ends in /v1."""


_CHAT = dataclasses.replace(
    CHAT,
    carries=CHAT.carries - {"audio", "logprobs", "logit_bias"},
    encode=adapted(
        {"seed": "random_seed", "max_completion_tokens": "max_tokens"},
        frozenset({"stream_options", "store", "user", "service_tier", "safety_identifier", "prompt_cache_retention"}),
    ),
)
SHAPE = PROVIDERS.add("mistral")(
    hosted("mistral", Mistral, speaks={"openai.chat": _CHAT, "openai.embeddings": EMBEDDINGS}, stream_usage=False)
)
