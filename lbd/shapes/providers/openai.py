"""OpenAI's own API, and every server that keeps to it."""

from __future__ import annotations

from lbd.shapes import chat
from lbd.shapes.chat_errors import classify
from lbd.shapes.chat_fold import ChatFold
from lbd.shapes.chat_stream import ChatWatch
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape


class OpenAI(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="openai"):
    """An OpenAI-compatible provider."""


SHAPE = PROVIDERS.add("openai")(
    Shape(
        name="openai",
        config=OpenAI,
        carries=chat.CAPABILITIES,
        paths=chat.PATHS,
        encode=chat.encode,
        headers=chat.bearer,
        classify=classify,
        facts=chat.facts,
        watch=ChatWatch,
        fold=ChatFold,
        limits=chat.quota,
        probes=FreeProbes(liveness="models", models="models"),
        read_models=chat.read_models,
        completion=chat.completion,
    )
)
