"""Ollama's OpenAI-compatible API.

``/api/version`` answers while models load; past ``OLLAMA_MAX_QUEUE`` it answers 503; there are no gauges.

What it does not know of a request it does not hear: ``n``, ``logit_bias``, ``top_k``, the choice of tools, whether
calls come one at a time, and a bound that is not called ``max_tokens`` (Ollama documentation, "OpenAI compatibility").
"""

from __future__ import annotations

from typing import Any

from lbd.shapes import dig
from lbd.shapes.family import adapted, at_once, local, renamed
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig


class Ollama(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="ollama"):
    """An Ollama server. ``base_url`` ends in /v1."""


_NAMES = {"max_completion_tokens": "max_tokens"}
_members = renamed(_NAMES, ("parallel_tool_calls", "tool_choice"))


def adapt(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request as it takes one. Raises LbdError for a wish that it would not hear."""
    at_once(asked)
    choice, out = asked.get("tool_choice"), _members(asked)
    if choice == "none":  # that is said by offering none
        out.pop("tools", None)
    elif choice not in (None, "auto") and asked.get("tools"):
        raise dig.unsupported("/tool_choice", "which tool is called cannot be set")
    return out


SHAPE = PROVIDERS.add("ollama")(
    adapted(
        local(
            "ollama",
            Ollama,
            frozenset({"n", "logit_bias", "top_k", "server_tools", "files"}),
            probes=FreeProbes(liveness="/api/version", models="models"),
        ),
        (*_NAMES, "parallel_tool_calls", "tool_choice"),
        adapt,
        frozenset({"parallel_tools"}),
    )
)
