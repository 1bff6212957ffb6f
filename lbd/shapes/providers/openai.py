"""OpenAI's own API, and every server that keeps to it."""

from __future__ import annotations

import dataclasses

from lbd.shapes.chat.wire import CHAT
from lbd.shapes.completions.voice import COMPLETIONS
from lbd.shapes.family import hosted
from lbd.shapes.forms import FORMS
from lbd.shapes.plain import PLAIN
from lbd.shapes.providers import PROVIDERS, ProviderConfig
from lbd.shapes.responses.wire import RESPONSES


class OpenAI(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="openai"):
    """An OpenAI-compatible provider."""


# of its models only the old ones know them, and say so in their configuration
OLD_COMPLETIONS = dataclasses.replace(COMPLETIONS, serves="completions")
# of the servers that are like it few have it
OWN_RESPONSES = dataclasses.replace(RESPONSES, serves="responses")

SHAPE = PROVIDERS.add("openai")(
    hosted(
        "openai",
        OpenAI,
        speaks={
            "openai.chat": CHAT,
            "openai.completions": OLD_COMPLETIONS,
            "openai.responses": OWN_RESPONSES,
            **PLAIN,
            **FORMS,
        },
    )
)
