"""Mistral's API.

It refuses members that it does not know: usage comes in every stream unasked, a seed is ``random_seed``, and the bound
of an answer is ``max_tokens``. The id of a call has nine letters or digits (Mistral API reference, "Chat Completion").
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from lbd.shapes import dig
from lbd.shapes.family import adapted, hosted, renamed
from lbd.shapes.providers import PROVIDERS, ProviderConfig


class Mistral(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="mistral"):
    """Mistral's API. ``base_url`` ends in /v1."""


_ID = re.compile(r"[a-zA-Z0-9]{9}", re.ASCII)
_NAMES = {"seed": "random_seed", "max_completion_tokens": "max_tokens"}
_REFUSED = (
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream_options",
    "top_k",
    "user",
    "verbosity",
)
_members = renamed(_NAMES, _REFUSED)


def call_id(id_: str) -> str:
    """Return the id of a call as Mistral takes one, the same for the call and for its result."""
    return id_ if _ID.fullmatch(id_) else sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def adapt(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request as Mistral takes it. Raises LbdError for a wish that it cannot grant."""
    if asked.get("verbosity") not in (None, "medium"):  # medium is what everybody gives unasked
        raise dig.unsupported("/verbosity", "how much to say cannot be set")
    out = _members(asked)
    messages = out.get("messages")
    if isinstance(messages, list):
        out["messages"] = [_message(m) if isinstance(m, dict) else m for m in messages]
    return out


def _message(message: dict[str, Any]) -> dict[str, Any]:
    told = dict(message)
    if isinstance(told.get("tool_call_id"), str):
        told["tool_call_id"] = call_id(told["tool_call_id"])
    calls = told.get("tool_calls")
    if isinstance(calls, list):
        told["tool_calls"] = [
            {**c, "id": call_id(c["id"])} if isinstance(c, dict) and isinstance(c.get("id"), str) else c for c in calls
        ]
    return told


SHAPE = PROVIDERS.add("mistral")(
    adapted(
        hosted("mistral", Mistral, stream_usage=False),
        (*_NAMES, *_REFUSED, "tool_call_id", "tool_calls"),
        adapt,
        frozenset({"audio", "logprobs", "logit_bias", "top_k"}),
    )
)
