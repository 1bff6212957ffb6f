"""A prompt as a request of Anthropic's Messages API, for clients of other shapes."""

from __future__ import annotations

import base64
import re
from typing import Any

from lbd.model.messages import Call, Effort, Format, Media, Part, Prompt, Result, Text, Thinking, Tool, Turn
from lbd.shapes import dig, hints, loose, tokens
from lbd.shapes.messages.schema import closed

FAMILY = "anthropic"
# The API demands a bound where clients of other shapes need none: what a model gives at most, as far as it is known.
MOST_TOKENS = (
    (re.compile(r"claude-(?:3-7|(?:opus|sonnet|haiku)-(?:4-[5-9]|[5-9])|(?:fable|mythos))"), 64_000),
    (re.compile(r"claude-sonnet-4"), 64_000),
    (re.compile(r"claude-opus-4"), 32_000),
    (re.compile(r"claude-3-5|^(?!.*claude)"), 8192),
)
FEWEST_TOKENS = 4096
ROOM = 1024  # tokens for the answer beside what is thought
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_DOCUMENTS = ("application/pdf",)
_EPHEMERAL = {"type": "ephemeral"}


def write(prompt: Prompt, model: str, *, stream: bool, samples: bool) -> bytes:
    """Return the request that asks this prompt. ``samples``: the model lets its sampling be set. Raises LbdError."""
    if prompt.format is not None and prompt.format.schema is None:
        raise dig.unsupported("/response_format", "JSON without a schema")
    _refuse(prompt, samples=samples)
    thinking, claude = _thinking(prompt.effort), "claude" in model
    body: dict[str, Any] = {
        "model": model,
        "max_tokens": _bound(model, thinking) if prompt.max_tokens is None else prompt.max_tokens,
        "messages": [{"role": t.role, "content": [b for p in _ordered(t) for b in _block(p)]} for t in prompt.turns],
    }
    body["messages"] = [m for m in body["messages"] if m["content"]]
    alone = not body["messages"]  # instructions alone are what is asked
    if alone:
        body["messages"] = [{"role": "user", "content": [_text(t) for t in prompt.system if t.text.strip()]}]
    plain: dict[str, Any] = {
        "system": None if alone else [_text(t) for t in prompt.system if t.text.strip()] or None,
        "tools": [_tool(t, claude=claude) for t in prompt.tools] or None,
        "tool_choice": _choice(prompt),
        "stop_sequences": list(prompt.stop) or None,
        "metadata": None if prompt.user is None else {"user_id": hints.user(prompt.user)},
        "output_config": _config(prompt, claude=claude),
        "thinking": thinking,
    }
    if samples:
        temperature, top_p = hints.one_of_two(prompt) if claude else (prompt.temperature, prompt.top_p)
        # up to 1 here, up to 2 elsewhere; what is hotter than hot is hot
        hot = None if temperature is None else min(1.0, temperature)
        plain |= {"temperature": hot, "top_p": top_p, "top_k": prompt.top_k}
    body |= {name: value for name, value in plain.items() if value is not None}
    if stream:
        body["stream"] = True
    return dig.encoded(body)


def _bound(model: str, thinking: dict[str, Any] | None) -> int:
    """Return the bound of an answer whose client sets none; what is thought counts too."""
    budget: int = (thinking or {}).get("budget_tokens", 0)
    return max(most_tokens(model), budget + ROOM)


def most_tokens(model: str) -> int:
    """Return the bound of an answer whose client sets none."""
    return next((most for known, most in MOST_TOKENS if known.search(model)), FEWEST_TOKENS)


def _ordered(turn: Turn) -> list[Part]:
    """Return what was said, the results of tools first: the API wants them right after the calls."""
    return sorted(turn.parts, key=lambda part: not isinstance(part, Result))


def _refuse(prompt: Prompt, *, samples: bool) -> None:
    """Refuse what has no place in the request; a value that changes nothing asks for nothing."""
    asked = {
        "/n": prompt.n > 1,
        "/seed": prompt.seed is not None,
        "/logprobs": prompt.logprobs or prompt.top_logprobs,
        "/frequency_penalty": prompt.frequency_penalty,
        "/presence_penalty": prompt.presence_penalty,
        "/logit_bias": prompt.logit_bias,
        "/verbosity": prompt.verbosity not in (None, "medium"),
        "/temperature": prompt.temperature not in (None, 1) and not samples,
        "/top_p": prompt.top_p not in (None, 1) and not samples,
        "/top_k": prompt.top_k is not None and not samples,
        "/stop": any(not s.strip() for s in prompt.stop),
    }
    for at, wanted in asked.items():
        if wanted:
            raise dig.unsupported(at, "cannot be asked of this model in Anthropic's shape")


def _cached(block: dict[str, Any], cache: bool) -> dict[str, Any]:
    return {**block, "cache_control": _EPHEMERAL} if cache else block


def _text(part: Text) -> dict[str, Any]:
    return _cached({"type": "text", "text": part.text}, part.cache)


def _block(part: Part) -> list[dict[str, Any]]:
    """Return the blocks of a part: none of what only another can read, or of nothing."""
    block: dict[str, Any]
    if isinstance(part, Text):
        return [_text(part)] if part.text.strip() else []
    if isinstance(part, Media):
        return [_media(part)]
    if isinstance(part, Call):
        block = {"type": "tool_use", "id": hints.plain_id(part.id), "name": part.name, "input": _input(part.arguments)}
        return [_cached(block, part.cache)]
    if isinstance(part, Result):
        block = {"type": "tool_result", "tool_use_id": hints.plain_id(part.id)}
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
    return [{"type": "text", "text": part.text}] if part.text.strip() else []  # a refusal: words as any


def _input(arguments: str) -> dict[str, Any]:
    if not arguments.strip():
        return {}
    try:
        return dig.members(loose.exact(arguments), "/messages")
    except ValueError as e:
        raise dig.bad("/messages", f"the arguments of a tool call are not JSON: {e}") from None


def _media(part: Media) -> dict[str, Any]:
    if part.kind == "audio":
        raise dig.unsupported("/messages", "sound")
    if part.id is not None:
        raise dig.unsupported("/messages", "a file that was uploaded to another provider")
    source: dict[str, Any]
    if part.url is not None:
        source = {"type": "url", "url": part.url}
    elif part.kind == "file" and part.type == "text/plain":
        source = {"type": "text", "media_type": part.type, "data": _plain(part.data or "")}
    elif part.type in (_IMAGES if part.kind == "image" else _DOCUMENTS):
        source = {"type": "base64", "media_type": part.type, "data": part.data or ""}
    elif part.kind == "image" and part.type == "image/jpg":  # as many clients call it
        source = {"type": "base64", "media_type": "image/jpeg", "data": part.data or ""}
    else:
        raise dig.unsupported("/messages", f"media of type {part.type or 'unknown'!r}")
    block: dict[str, Any] = {"type": "image" if part.kind == "image" else "document", "source": source}
    if part.kind == "file" and part.name is not None:
        block["title"] = part.name
    return _cached(block, part.cache)


def _plain(data: str) -> str:
    """Return the text of a document."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except ValueError:
        raise dig.bad("/messages", "a document of plain text is not UTF-8 in base64") from None


def _tool(tool: Tool, *, claude: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    out["input_schema"] = {"type": "object", **(tool.parameters or {"properties": {}})}
    if tool.strict:
        out["strict"] = True
        out["input_schema"] = closed(out["input_schema"], "/tools") if claude else out["input_schema"]
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


def _config(prompt: Prompt, *, claude: bool) -> dict[str, Any] | None:
    out: dict[str, Any] = {}
    form: Format | None = prompt.format
    if form is not None and form.schema is not None:
        schema = closed(form.schema, "/response_format") if claude else form.schema
        out["format"] = {"type": "json_schema", "schema": schema}
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
    else:
        out = {"type": "adaptive"}
    if effort.shown is not None:
        out["display"] = "summarized" if effort.shown else "omitted"
    return out
