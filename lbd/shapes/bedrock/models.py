"""What a model's id tells of it: Converse is one for all, but what can be asked differs by who made the model.

An id is ``anthropic.claude-...``, with the region of a profile before it, or an ARN that holds it. The ARN of an
application's own inference profile says nothing of its model: to such a one goes what every model takes.
"""

from __future__ import annotations

import re

from lbd.shapes.messages.passing import keeps_schemas, takes_sampling

ANTHROPIC, BEDROCK = "anthropic", "bedrock"
_BASE = frozenset({"tools", "images", "files", "json_schema"})
# Claude models from before they could think: they refuse a request that speaks of it.
_THOUGHTLESS = re.compile(r"claude-(?:v?2|instant|3-(?:opus|sonnet|haiku|5))")


def is_claude(model: str) -> bool:
    """Tell whether this is one of Anthropic's."""
    return "claude" in model


def thinks(model: str) -> bool:
    """Tell whether this is a Claude model that can think before it answers."""
    return is_claude(model) and _THOUGHTLESS.search(model) is None


def caches(model: str) -> bool:
    """Tell whether a prompt for this model may say up to where it is worth keeping."""
    return is_claude(model) or "amazon.nova" in model


def mint(model: str) -> str:
    """Return the family whose opaque tokens this model makes and takes: Claude's are the same on every platform."""
    return ANTHROPIC if is_claude(model) else BEDROCK


def carries(model: str) -> frozenset[str]:
    """Return what can be expressed to a model."""
    words = set(_BASE if keeps_schemas(model) else _BASE - {"json_schema"})
    if takes_sampling(model):
        words.add("sampling")
        if is_claude(model):
            words.add("top_k")
    if thinks(model):
        words.add("reasoning")
    if caches(model):
        words.add("cache_control")
    return frozenset(words)
