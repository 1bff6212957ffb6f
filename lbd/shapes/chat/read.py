"""A chat-completion request as a prompt, for providers of other shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import orjson

from lbd.model.messages import (
    Effort,
    Format,
    Prompt,
    Text,
    Tool,
    Turn,
)
from lbd.shapes import dig, loose
from lbd.shapes.chat.turns import add, joined
from lbd.shapes.loose import UNREADABLE

FAMILY = "openai"
# Wishes about the service, not about the answer: who cannot grant them serves the request all the same.
_HINTS = frozenset(
    {
        "metadata",
        "model",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "service_tier",
        "store",
        "stream",
        "stream_options",
    }
)
_KNOWN = _HINTS | {
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "modalities",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "reasoning",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "stop",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
}


def decode(raw: bytes, strict: Callable[[bytes], Any] = orjson.loads) -> dict[str, Any]:
    """Return a request body as an object. ``strict``: reads what is in order. Raises LbdError."""
    try:
        return dig.members(strict(raw), "")
    except ValueError:
        pass
    try:
        return dig.members(loose.sound(loose.loads(raw)), "")
    except UNREADABLE as e:
        raise dig.bad("", f"the body is not a JSON object: {e}") from None


def read(raw: bytes) -> Prompt:
    """Return what a chat-completion request asks. Raises LbdError, with the place of what is wrong in it."""
    body = decode(raw)
    dig.only(body, _KNOWN, "", body)
    if any(m != "text" for m, _ in dig.items(body.get("modalities"), "/modalities")):
        raise dig.unsupported("/modalities", "only text is translated")
    system: list[Text] = []
    turns: list[Turn] = []
    names: dict[str, str] = {}
    for message, at in dig.objects(body.get("messages"), "/messages"):
        add(message, at, system, turns, names)
    choice, tool, allowed = _choice(body)
    tools = _tools(body)
    limit = dig.whole(body.get("max_completion_tokens"), "/max_completion_tokens")
    if limit is None:
        limit = dig.whole(body.get("max_tokens"), "/max_tokens")
    bias = dig.maybe_members(body.get("logit_bias"), "/logit_bias")
    user = body.get("safety_identifier") or body.get("user")
    return Prompt(
        model=dig.text(body.get("model"), "/model"),
        turns=joined(turns),
        system=tuple(system),
        tools=tools if allowed is None else tuple(t for t in tools if t.name in allowed),
        choice=choice,
        tool=tool,
        parallel=dig.flag(body.get("parallel_tool_calls"), "/parallel_tool_calls"),
        max_tokens=limit,
        temperature=dig.number(body.get("temperature"), "/temperature"),
        top_p=dig.number(body.get("top_p"), "/top_p"),
        top_k=dig.whole(body.get("top_k"), "/top_k"),
        stop=dig.words(body.get("stop"), "/stop"),
        n=dig.whole(body.get("n"), "/n") or 1,
        seed=dig.whole(body.get("seed"), "/seed"),
        logprobs=bool(dig.flag(body.get("logprobs"), "/logprobs")),
        top_logprobs=dig.whole(body.get("top_logprobs"), "/top_logprobs"),
        frequency_penalty=dig.number(body.get("frequency_penalty"), "/frequency_penalty"),
        presence_penalty=dig.number(body.get("presence_penalty"), "/presence_penalty"),
        logit_bias=None if bias is None else {k: _bias(k, v) for k, v in bias.items()},
        format=_format(body.get("response_format")),
        effort=_effort(body),
        verbosity=dig.maybe_text(body.get("verbosity"), "/verbosity"),
        user=dig.maybe_text(user, "/user"),
    )


def _bias(token: str, value: object) -> float:
    return dig.number(value, dig.below("/logit_bias", token)) or 0.0


def _tools(body: dict[str, Any]) -> tuple[Tool, ...]:
    out = []
    for tool, at in dig.objects(body.get("tools"), "/tools"):
        if tool.get("type") != "function":
            raise dig.unsupported(f"{at}/type", f"a tool of type {tool.get('type')!r} runs at its provider alone")
        out.append(_function(dig.members(tool.get("function"), f"{at}/function"), f"{at}/function", tool))
    out += [_function(function, at, {}) for function, at in dig.objects(body.get("functions"), "/functions")]
    return tuple(out)


def _function(function: dict[str, Any], at: str, tool: dict[str, Any]) -> Tool:
    return Tool(
        dig.text(function.get("name"), f"{at}/name"),
        dig.maybe_text(function.get("description"), f"{at}/description"),
        dig.maybe_members(function.get("parameters"), f"{at}/parameters"),
        dig.flag(function.get("strict"), f"{at}/strict"),
        tool.get("cache_control") is not None,
    )


_Mode = Literal["auto", "none", "required"] | None


def _mode(value: object, at: str) -> _Mode:
    if value in ("auto", "none", "required"):
        return value
    raise dig.bad(at, f"{value!r} is none of auto, none, required")


def _choice(body: dict[str, Any]) -> tuple[_Mode, str | None, frozenset[str] | None]:
    """Return the mode, the name of the tool that must be called, and those that may be where not all may."""
    name = "tool_choice" if body.get("tool_choice") is not None else "function_call"
    choice = body.get(name)
    if choice is None:
        return None, None, None
    if isinstance(choice, str):
        return _mode(choice, f"/{name}"), None, None
    choice = dig.members(choice, f"/{name}")
    if name == "function_call":
        return "required", dig.text(choice.get("name"), "/function_call/name"), None
    if choice.get("type") == "allowed_tools":
        at = "/tool_choice/allowed_tools"
        told = dig.members(choice.get("allowed_tools"), at)
        names = frozenset(_named(tool, place) for tool, place in dig.objects(told.get("tools"), f"{at}/tools"))
        return _mode(told.get("mode"), f"{at}/mode"), None, names
    return "required", _named(choice, "/tool_choice"), None


def _named(choice: dict[str, Any], at: str) -> str:
    """Return the name of a function that is chosen."""
    if choice.get("type") != "function":
        raise dig.unsupported(f"{at}/type", f"a choice of type {choice.get('type')!r} cannot be translated")
    function = dig.members(choice.get("function"), f"{at}/function")
    return dig.text(function.get("name"), f"{at}/function/name")


def _format(value: object) -> Format | None:
    form = dig.maybe_members(value, "/response_format")
    kind = None if form is None else form.get("type")
    if form is None or kind == "text":
        return None
    if kind == "json_object":
        return Format()
    if kind != "json_schema":
        raise dig.unsupported("/response_format/type", f"an answer of type {kind!r} cannot be translated")
    at = "/response_format/json_schema"
    told = dig.members(form.get("json_schema"), at)
    return Format(
        dig.maybe_members(told.get("schema"), f"{at}/schema") or {},
        dig.maybe_text(told.get("name"), f"{at}/name"),
        dig.maybe_text(told.get("description"), f"{at}/description"),
        dig.flag(told.get("strict"), f"{at}/strict"),
    )


def _effort(body: dict[str, Any]) -> Effort | None:
    level = dig.maybe_text(body.get("reasoning_effort"), "/reasoning_effort")
    if level is not None:
        return Effort(off=True) if level == "none" else Effort(level)
    told = dig.maybe_members(body.get("reasoning"), "/reasoning")  # as OpenRouter's clients ask
    if told is None:
        return None
    shown = dig.flag(told.get("exclude"), "/reasoning/exclude")
    return Effort(
        dig.maybe_text(told.get("effort"), "/reasoning/effort"),
        dig.whole(told.get("max_tokens"), "/reasoning/max_tokens"),
        off=told.get("enabled") is False,
        shown=None if shown is None else not shown,
    )
