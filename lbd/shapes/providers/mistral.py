"""Mistral's API.

It refuses members that it does not know: usage comes in every stream unasked, a seed is ``random_seed``, and the bound
of an answer is ``max_tokens``. The id of a call has nine letters or digits, instructions are the system's, a document
is a part of its own, and what OpenAI's answers hold beside text and calls has no place in a message that comes back
(Mistral API reference, "Chat Completion").
"""

from __future__ import annotations

import dataclasses
import re
from hashlib import sha256
from typing import Any

from lbd.shapes import dig
from lbd.shapes.chat import parted
from lbd.shapes.chat.wire import CHAT
from lbd.shapes.family import DEVELOPER, adapted, hosted, instructed, parametered, renamed
from lbd.shapes.plain import EMBEDDINGS
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
# Members that it does not know, with what says nothing in them; with more it refuses the request, as it should.
_IDLE: dict[str, tuple[Any, ...]] = {
    "audio": (),
    "function_call": (),
    "functions": ([],),
    "logit_bias": ({},),
    "modalities": (["text"],),
}
# What an application that sends an answer back as it got it sends, and who goes on from it does not need.
_SAID = ("annotations", "reasoning", "reasoning_content", "reasoning_details")
_OF_ANSWERS = (*_SAID, "audio", "function_call", "refusal")
_PDF = "data:application/pdf;"


def call_id(id_: str) -> str:
    """Return the id of a call as Mistral takes one, the same for the call and for its result."""
    return id_ if _ID.fullmatch(id_) else sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def adapt(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request as Mistral takes it. Raises LbdError for a wish that it cannot grant."""
    if asked.get("verbosity") not in (None, "medium"):  # medium is what everybody gives unasked
        raise dig.unsupported("/verbosity", "how much to say cannot be set")
    out = {name: value for name, value in _members(asked).items() if not _idle(name, value)}
    out = parametered(instructed(out))
    messages = out.get("messages")
    if isinstance(messages, list):
        out["messages"] = [_message(m, f"/messages/{n}") if isinstance(m, dict) else m for n, m in enumerate(messages)]
    return out


def _idle(name: str, value: object) -> bool:
    return name in _IDLE and (value is None or value in _IDLE[name])


def _message(message: dict[str, Any], at: str) -> dict[str, Any]:
    told = {k: v for k, v in message.items() if k not in _OF_ANSWERS or (v is not None and k not in _SAID)}
    refusal = told.pop("refusal", None)
    if refusal and not told.get("content"):
        told["content"] = refusal
    if isinstance(told.get("content"), list):
        told["content"] = [_part(p, f"{at}/content") if isinstance(p, dict) else p for p in told["content"]]
    if isinstance(told.get("tool_call_id"), str):
        told["tool_call_id"] = call_id(told["tool_call_id"])
    calls = told.get("tool_calls")
    if isinstance(calls, list):
        told["tool_calls"] = [
            {**c, "id": call_id(c["id"])} if isinstance(c, dict) and isinstance(c.get("id"), str) else c for c in calls
        ]
    return told


def _part(part: dict[str, Any], at: str) -> dict[str, Any]:
    """Return a part of a message as Mistral takes it: documents by their URL, which may hold them."""
    file = part.get("file")
    if part.get("type") == "refusal":
        return {"type": "text", "text": part.get("refusal")}
    if part.get("type") != "file" or not isinstance(file, dict):
        return part
    data, name = file.get("file_data"), file.get("filename")
    if not isinstance(data, str) or not data.startswith(_PDF):
        raise dig.unsupported(at, "a file that is no PDF in the request itself")
    return {"type": "document_url", "document_url": data, **({"document_name": name} if name else {})}


SHAPE = PROVIDERS.add("mistral")(
    adapted(
        hosted(
            "mistral",
            Mistral,
            speaks={
                "openai.chat": dataclasses.replace(CHAT, facts=parted.facts, watch=parted.PartedWatch),
                "openai.embeddings": EMBEDDINGS,
            },
            stream_usage=False,
        ),
        (*_NAMES, *_REFUSED, *_IDLE, *_OF_ANSWERS, DEVELOPER, "file", "tool_call_id", "tool_calls", "tools"),
        adapt,
        frozenset({"audio", "logprobs", "logit_bias", "names", "server_tools", "top_k"}),
    )
)
