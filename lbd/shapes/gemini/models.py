"""What the name of a Google model tells: its generation, and with it what may be asked of it and how.

Sources: the API's pages on thinking, on thought signatures and on function calling, and the model list.
"""

from __future__ import annotations

import re

import msgspec

from lbd.shapes.loose import UNREADABLE

# From Gemini 3 on: levels of thinking in place of budgets, signatures demanded, calls matched by id, JSON beside tools.
# A name that ends in "latest" follows the newest.
_NEW = re.compile(r"gemini-(?:[3-9]|[1-9]\d)|gemini-(?:[a-z]+-)+latest", re.ASCII)
_BUDGETED = re.compile(r"gemini-2\.5-(?:pro|flash)(?!.*-(?:image|tts|audio))", re.ASCII)

CAPABILITIES = frozenset(
    {
        "tools",
        "parallel_tools",
        "images",
        "audio",
        "files",
        "json_schema",
        "json_object",
        "n",
        "seed",
        "reasoning",
        "sampling",
        "top_k",
        "penalties",
        "logprobs",
    }
)


def new(model: str) -> bool:
    """Tell whether a model is of the third generation or a later one."""
    return _NEW.search(model) is not None


def thinks(model: str) -> bool:
    """Tell whether how much a model thinks can be set; others refuse a request that says anything of it."""
    return new(model) or _BUDGETED.search(model) is not None


def carries(model: str) -> frozenset[str]:
    """Return what can be expressed to a model."""
    return CAPABILITIES if thinks(model) else CAPABILITIES - {"reasoning"}


class _Listed(msgspec.Struct):
    name: str


class _Models(msgspec.Struct):
    models: list[_Listed]


def read_models(body: bytes) -> frozenset[str] | None:
    """Return the ids of a model list as requests name them, None where the body is none."""
    try:
        return frozenset(m.name.removeprefix("models/") for m in msgspec.json.decode(body, type=_Models).models)
    except UNREADABLE:
        return None
