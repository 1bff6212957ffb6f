"""Leaving out of a request what its operator said that a model does not take: from a prompt, and from a body."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import orjson
from msgspec.structs import replace

from lbd.model.messages import Prompt
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body

Encode = Callable[[Body, DeploymentSpec, bool, bool], bytes]
_FIELDS: dict[str, dict[str, Any]] = {
    "sampling": {"temperature": None, "top_p": None},
    "top_k": {"top_k": None},
    "seed": {"seed": None},
    "penalties": {"frequency_penalty": None, "presence_penalty": None},
    "logit_bias": {"logit_bias": None},
    "reasoning": {"effort": None},
    "logprobs": {"logprobs": False, "top_logprobs": None},
    "n": {"n": 1},
    # no prompt holds them
    "names": {},
    "citations": {},
}
# Members that hold, somewhere inside, what may be ignored.
_INSIDE = ("output_config", "include", "name", "citations")
# As the clients' shapes call them.
_MEMBERS = {"reasoning": ("reasoning_effort", "reasoning", "thinking")}


def of_prompt(prompt: Prompt, ignored: Collection[str]) -> Prompt:
    """Return the prompt without what is ignored."""
    if not ignored:
        return prompt
    return replace(prompt, **{name: value for word in ignored for name, value in _FIELDS[word].items()})


def of_body(encode: Encode, ignored: Collection[str]) -> Encode:
    """Return an encoder whose requests lack what is ignored; without any of it their bytes pass as ever."""
    if not ignored:
        return encode
    names = frozenset(name for word in ignored for name in _MEMBERS.get(word, tuple(_FIELDS[word])))
    marks = [f'"{name}"'.encode() for name in sorted({*names, *_INSIDE})]

    def without(body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
        raw = encode(body, row, stream, ask_usage)
        if not any(mark in raw for mark in marks):
            return raw
        asked = orjson.loads(raw)
        left = {name: _inner(name, value, ignored) for name, value in asked.items() if name not in names}
        return raw if left == asked else orjson.dumps({n: v for n, v in left.items() if v is not None})

    return without


def _inner(name: str, value: Any, ignored: Collection[str]) -> Any:
    """Return a member without what is ignored inside it, None where nothing is left."""
    if name == "output_config" and "reasoning" in ignored and isinstance(value, dict):
        return {k: v for k, v in value.items() if k != "effort"} or None
    if name == "include" and "logprobs" in ignored and isinstance(value, list):
        return [v for v in value if v != "message.output_text.logprobs"] or None
    if name == "messages" and isinstance(value, list) and not {"names", "citations"}.isdisjoint(ignored):
        return [_message(message, ignored) for message in value]
    return value


def _message(message: Any, ignored: Collection[str]) -> Any:
    """Return a message without its participant's name, or its documents without the wish for citations."""
    if not isinstance(message, dict):
        return message
    out = dict(message)
    if "names" in ignored and message.get("role") not in ("tool", "function"):
        out.pop("name", None)
    content = message.get("content")
    if "citations" in ignored and isinstance(content, list):
        out["content"] = [_uncited(block, ignored) for block in content]
    return out


def _uncited(block: Any, ignored: Collection[str]) -> Any:
    if not isinstance(block, dict):
        return block
    if block.get("type") == "tool_result":
        return _message(block, ignored)
    return {k: v for k, v in block.items() if k != "citations"} if block.get("type") == "document" else block
