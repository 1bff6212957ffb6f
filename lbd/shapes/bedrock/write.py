"""A prompt as a request of Bedrock's Converse API. The model is named in its path, and so is the wish for a stream."""

from __future__ import annotations

import re
from typing import Any

from lbd.model.messages import Call, Effort, Format, Prompt, Result, Text, Tool
from lbd.shapes import dig, hints
from lbd.shapes.bedrock import models
from lbd.shapes.bedrock.blocks import CACHE_POINT, conversation, tool_name
from lbd.shapes.messages.passing import takes_sampling
from lbd.shapes.messages.schema import closed
from lbd.shapes.messages.voice import suited

LEAST_BUDGET = 1024  # tokens: Claude thinks with no fewer
_LEVELS = {"minimal": "low"}
_BEYOND_HIGH = ("xhigh", "max")  # only with thinking
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}", re.ASCII)


def write(prompt: Prompt, model: str) -> bytes:
    """Return the request that asks this prompt of a model. Raises LbdError for what Converse cannot carry."""
    if models.is_claude(model):
        prompt = suited(prompt, model)
    _refuse(prompt, model)
    body: dict[str, Any] = {"messages": conversation(prompt.turns, model)}
    plain: dict[str, Any] = {
        "system": _system(prompt.system, model),
        "inferenceConfig": _inference(prompt, model),
        "toolConfig": _tools(prompt, model),
        "outputConfig": _output(prompt, model),
        "additionalModelRequestFields": _additional(prompt, model),
        "requestMetadata": _metadata(prompt.user),
    }
    if prompt.stop and models.is_claude(model):
        plain["additionalModelResponseFieldPaths"] = ["/stop_sequence"]  # else it is not told which one
    body |= {name: value for name, value in plain.items() if value}
    return dig.encoded(body)


def _refuse(prompt: Prompt, model: str) -> None:
    """Refuse what has no place in the request; a value that changes nothing asks for nothing."""
    asked = {
        "/n": prompt.n > 1,
        "/seed": prompt.seed is not None,
        "/logprobs": prompt.logprobs,
        "/top_logprobs": prompt.top_logprobs,
        "/frequency_penalty": prompt.frequency_penalty,
        "/presence_penalty": prompt.presence_penalty,
        "/logit_bias": prompt.logit_bias,
        "/verbosity": prompt.verbosity not in (None, "medium"),
        "/temperature": prompt.temperature not in (None, 1) and not takes_sampling(model),
        "/top_p": prompt.top_p not in (None, 1) and not takes_sampling(model),
        "/top_k": prompt.top_k is not None and not (models.is_claude(model) and takes_sampling(model)),
        "/parallel_tool_calls": prompt.parallel is False and prompt.tools,
        "/reasoning": _wants_thought(prompt.effort) and not models.thinks(model),
    }
    for at, wanted in asked.items():
        if wanted:
            raise dig.unsupported(at, f"cannot be asked of {model} through Converse")
    if prompt.format is not None and prompt.format.schema is None:
        raise dig.unsupported("/response_format", "JSON without a schema")


def _wants_thought(effort: Effort | None) -> bool:
    """Tell whether thinking, or its effort, is asked for; not to think is what a model that cannot does anyway."""
    return effort is not None and not (effort.off and effort.level is None)


def _system(texts: tuple[Text, ...], model: str) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for text in texts:
        if text.text.strip():
            out.append({"text": text.text})
        if text.cache and models.caches(model) and out and out[-1] != CACHE_POINT:
            out.append(CACHE_POINT)
    return out


def _inference(prompt: Prompt, model: str) -> dict[str, Any]:
    out: dict[str, Any] = {"maxTokens": prompt.max_tokens, "stopSequences": [s for s in prompt.stop if s] or None}
    if takes_sampling(model):
        # up to 1 here, up to 2 elsewhere; what is hotter than hot is hot
        claude = models.is_claude(model)
        temperature, top_p = hints.one_of_two(prompt) if claude else (prompt.temperature, prompt.top_p)
        out["temperature"] = None if temperature is None else min(1.0, temperature)
        out["topP"] = top_p
    return {name: value for name, value in out.items() if value is not None}


def _tools(prompt: Prompt, model: str) -> dict[str, Any] | None:
    """Return the tools. Converse knows no choice of none: that is said by offering none.

    But it refuses a conversation with calls in it that offers no tools.
    """
    called = any(isinstance(part, Call | Result) for turn in prompt.turns for part in turn.parts)
    if not prompt.tools or prompt.choice == "none":
        if called:
            raise dig.unsupported("/tools", "a conversation with calls in it needs tools, and a choice among them")
        return None
    out: dict[str, Any] = {"tools": []}
    for number, tool in enumerate(prompt.tools):
        out["tools"].append({"toolSpec": _tool(tool, model, f"/tools/{number}/name")})
        if tool.cache and models.is_claude(model):
            out["tools"].append(CACHE_POINT)
    if prompt.tool is not None:
        out["toolChoice"] = {"tool": {"name": tool_name(prompt.tool, "/tool_choice")}}
    elif prompt.choice is not None:
        out["toolChoice"] = {"any" if prompt.choice == "required" else "auto": {}}
    return out


def _tool(tool: Tool, model: str, at: str) -> dict[str, Any]:
    out: dict[str, Any] = {"name": tool_name(tool.name, at)}
    if tool.description:
        out["description"] = tool.description
    schema = {"type": "object", **(tool.parameters or {"properties": {}})}
    if tool.strict:
        out["strict"], schema = True, _kept(schema, model, "/tools")
    return {**out, "inputSchema": {"json": schema}}


def _kept(schema: dict[str, Any], model: str, at: str) -> dict[str, Any]:
    """Return a schema that has to be kept to, as the model's maker takes one."""
    return closed(schema, at) if models.is_claude(model) else schema


def _output(prompt: Prompt, model: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    form: Format | None = prompt.format
    if form is not None and form.schema is not None:
        named = {"name": form.name, "description": form.description}
        asked = _kept(form.schema, model, "/response_format")
        schema = {"schema": dig.encoded(asked).decode(), **{k: v for k, v in named.items() if v}}
        out["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    effort = prompt.effort
    if effort is not None and effort.level is not None:
        level = _LEVELS.get(effort.level, effort.level)[:16]
        out["effort"] = "high" if effort.off and level in _BEYOND_HIGH else level
    return out


def _additional(prompt: Prompt, model: str) -> dict[str, Any]:
    """Return what only Claude takes, in its own words."""
    out: dict[str, Any] = {}
    if not models.is_claude(model):
        return out
    if prompt.top_k is not None:
        out["top_k"] = prompt.top_k
    thinking = _thinking(prompt.effort) if models.thinks(model) else None
    if thinking is not None:
        out["thinking"] = thinking
    return out


def _thinking(effort: Effort | None) -> dict[str, Any] | None:
    if effort is None:
        return None
    if effort.off:
        return {"type": "disabled"}
    if effort.budget is not None:
        out: dict[str, Any] = {"type": "enabled", "budget_tokens": max(LEAST_BUDGET, effort.budget)}
    else:
        out = {"type": "adaptive"}
    if effort.shown is not None:
        out["display"] = "summarized" if effort.shown else "omitted"
    return out


def _metadata(user: str | None) -> dict[str, str] | None:
    """Return whose request it is, for the account's own logs; a name that may not stand there stays away from them."""
    return None if user is None or _METADATA.fullmatch(user) is None else {"user": user}
