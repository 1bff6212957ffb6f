"""A prompt as a request of Anthropic's Messages API, for clients of other shapes."""

from __future__ import annotations

from typing import Any

import orjson

from lbd.model.messages import Call, Effort, Format, Media, Part, Prompt, Result, Text, Thinking, Tool
from lbd.shapes import dig, tokens

FAMILY = "anthropic"
# The API demands a bound where clients of other shapes need none. It is within what every model since 2024 gives.
MOST_TOKENS = 8192
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_EPHEMERAL = {"type": "ephemeral"}


def write(prompt: Prompt, model: str, *, stream: bool, samples: bool) -> bytes:
    """Return the request that asks this prompt. ``samples``: the model lets its sampling be set. Raises LbdError."""
    if prompt.format is not None and prompt.format.schema is None:
        raise dig.unsupported("/response_format", "JSON without a schema")
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": prompt.max_tokens or MOST_TOKENS,
        "messages": [{"role": t.role, "content": [b for p in t.parts for b in _block(p)]} for t in prompt.turns],
    }
    body["messages"] = [m for m in body["messages"] if m["content"]]
    plain: dict[str, Any] = {
        "system": [_text(t) for t in prompt.system] or None,
        "tools": [_tool(t) for t in prompt.tools] or None,
        "tool_choice": _choice(prompt),
        "stop_sequences": list(prompt.stop) or None,
        "metadata": None if prompt.user is None else {"user_id": prompt.user},
        "output_config": _config(prompt),
        "thinking": _thinking(prompt.effort),
    }
    if samples:
        plain |= {"temperature": _temperature(prompt), "top_p": prompt.top_p, "top_k": prompt.top_k}
    body |= {name: value for name, value in plain.items() if value is not None}
    if stream:
        body["stream"] = True
    return orjson.dumps(body)


def _temperature(prompt: Prompt) -> float | None:
    """Return the temperature: up to 1 here, up to 2 elsewhere; what is hotter than hot is hot."""
    return None if prompt.temperature is None else min(1.0, prompt.temperature)


def _cached(block: dict[str, Any], cache: bool) -> dict[str, Any]:
    return {**block, "cache_control": _EPHEMERAL} if cache else block


def _text(part: Text) -> dict[str, Any]:
    return _cached({"type": "text", "text": part.text}, part.cache)


def _block(part: Part) -> list[dict[str, Any]]:
    """Return the blocks of a part: none of what only its maker can read, or of nothing."""
    if isinstance(part, Text):
        return [_text(part)] if part.text else []
    if isinstance(part, Media):
        return [_media(part)]
    if isinstance(part, Call):
        given = orjson.loads(part.arguments or "{}") if part.arguments.strip() else {}
        return [_cached({"type": "tool_use", "id": part.id, "name": part.name, "input": given}, part.cache)]
    if isinstance(part, Result):
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": part.id}
        block["content"] = [b for p in part.parts for b in _block(p)]
        if part.failed:
            block["is_error"] = True
        return [_cached(block, part.cache)]
    if isinstance(part, Thinking):
        own = tokens.own(part.token, FAMILY)
        if own is None:
            return []
        redacted = {"type": "redacted_thinking", "data": own}
        return [redacted if part.redacted else {"type": "thinking", "thinking": part.text, "signature": own}]
    return [{"type": "text", "text": part.text}]  # a refusal: words as any


def _media(part: Media) -> dict[str, Any]:
    if part.kind == "audio":
        raise dig.unsupported("/messages", "sound")
    if part.id is not None:
        raise dig.unsupported("/messages", "a file that was uploaded to another provider")
    source: dict[str, Any]
    if part.url is not None:
        source = {"type": "url", "url": part.url}
    else:
        source = {"type": "base64", "media_type": part.type, "data": part.data or ""}
    block: dict[str, Any] = {"type": "image" if part.kind == "image" else "document", "source": source}
    if part.kind == "file" and part.name is not None:
        block["title"] = part.name
    return _cached(block, part.cache)


def _tool(tool: Tool) -> dict[str, Any]:
    out: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    out["input_schema"] = {"type": "object", **(tool.parameters or {"properties": {}})}
    if tool.strict:
        out["strict"] = True
    return _cached(out, tool.cache)


def _choice(prompt: Prompt) -> dict[str, Any] | None:
    if not prompt.tools:
        return None
    if prompt.tool is not None:
        choice: dict[str, Any] = {"type": "tool", "name": prompt.tool}
    elif prompt.choice is not None:
        choice = {"type": {"auto": "auto", "required": "any", "none": "none"}[prompt.choice]}
    elif prompt.parallel is False:
        choice = {"type": "auto"}
    else:
        return None
    if prompt.parallel is not None and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = not prompt.parallel
    return choice


def _config(prompt: Prompt) -> dict[str, Any] | None:
    out: dict[str, Any] = {}
    form: Format | None = prompt.format
    if form is not None:
        out["format"] = {"type": "json_schema", "schema": form.schema}
    if prompt.effort is not None and prompt.effort.level is not None:
        out["effort"] = _LEVELS.get(prompt.effort.level, prompt.effort.level)
    return out or None


def _thinking(effort: Effort | None) -> dict[str, Any] | None:
    if effort is None:
        return None
    if effort.off:
        return {"type": "disabled"}
    if effort.budget is not None:
        out: dict[str, Any] = {"type": "enabled", "budget_tokens": max(1024, effort.budget)}
    elif effort.level is not None or effort.shown is not None:
        out = {"type": "adaptive"}
    else:
        return None
    if effort.shown is not None:
        out["display"] = "summarized" if effort.shown else "omitted"
    return out
