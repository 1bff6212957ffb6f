"""A prompt as a chat-completion request, for clients of other shapes."""

from __future__ import annotations

import re
from typing import Any

from lbd.model.messages import Call, Effort, Format, Media, Prompt, Refusal, Result, Text, Thinking, Tool, Turn
from lbd.shapes import dig, hints

# OpenAI's own reasoning models refuse ``max_tokens``; most other servers know no other word.
_REASONS = re.compile(r"(?:^|[/:-])(?:o[1-9]|gpt-[5-9])(?![a-z0-9])", re.ASCII)
# Of them those that can be told not to think at all.
_QUIET = re.compile(r"(?:^|[/:-])gpt-(?:5\.[1-9]|[6-9])", re.ASCII)
# These want their own thoughts back beside the calls that followed from them; others refuse a member of that name.
_REMEMBERS = re.compile(r"deepseek|kimi|glm|minimax|mimo", re.IGNORECASE)
_LEVELS = {"max": "xhigh"}
LONGEST_NAME = 64  # of a tool


def bound_name(*models: str) -> str:
    """Return what the bound of an answer is called for a model of any of these names."""
    return "max_completion_tokens" if any(map(_REASONS.search, models)) else "max_tokens"


def write(prompt: Prompt, model: str, *, stream: bool, ask_usage: bool, bound: str | None = None) -> bytes:
    """Return the chat-completion request that asks this prompt of a provider. ``bound``: the name of the answer's."""
    body: dict[str, Any] = {"model": model, "messages": _messages(prompt, remembers=bool(_REMEMBERS.search(model)))}
    plain = {
        bound or bound_name(model): prompt.max_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "top_k": prompt.top_k,
        "stop": list(prompt.stop) or None,
        "n": prompt.n if prompt.n > 1 else None,
        "seed": prompt.seed,
        "logprobs": prompt.logprobs or None,
        "top_logprobs": prompt.top_logprobs,
        "frequency_penalty": prompt.frequency_penalty,
        "presence_penalty": prompt.presence_penalty,
        "logit_bias": _bias(prompt.logit_bias),
        "parallel_tool_calls": prompt.parallel if prompt.tools else None,
        "verbosity": prompt.verbosity,
        "user": hints.user(prompt.user),
        "tools": [_tool(t) for t in prompt.tools] or None,
        "tool_choice": _tool_choice(prompt),
        "response_format": None if prompt.format is None else _response_format(prompt.format),
        "reasoning_effort": _level(prompt.effort, model),
    }
    body |= {name: value for name, value in plain.items() if value is not None}
    if stream:
        body["stream"] = True
        if ask_usage:
            body["stream_options"] = {"include_usage": True}
    return dig.encoded(body)


def _bias(bias: dict[str, float] | None) -> dict[str, float] | None:
    return None if bias is None else {k: int(v) if float(v).is_integer() else v for k, v in bias.items()}


def _level(effort: Effort | None, model: str) -> str | None:
    """Return the word for an effort: a budget is told by the word whose usual budget it reaches."""
    if effort is None:
        return None
    if effort.off and effort.level is None:
        return "none" if _QUIET.search(model) else None
    if effort.level is not None or effort.budget is None:
        return None if effort.level is None else _LEVELS.get(effort.level, effort.level)
    return "low" if effort.budget <= 2048 else "medium" if effort.budget <= 16384 else "high"


def _messages(prompt: Prompt, *, remembers: bool) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    if prompt.system:
        out.append({"role": "system", "content": "\n\n".join(t.text for t in prompt.system)})
    for turn in prompt.turns:
        out += _said(turn) if turn.role == "user" else [_answered(turn, remembers=remembers)]
    return out


def _said(turn: Turn) -> list[dict[str, Any]]:
    """Return a user's turn: each tool's result is a message of its own, and they come before what the user adds."""
    out: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for part in turn.parts:
        if isinstance(part, Result):
            out.append({"role": "tool", "tool_call_id": part.id, "content": _given(part)})
            # a tool message holds text alone; what it shows beside goes to the user's own words
            rest += [_shown(p) for p in part.parts if isinstance(p, Media)]
        elif isinstance(part, Text | Media):
            rest.append(_shown(part))
        else:
            raise dig.unsupported("/messages", f"a user says no {type(part).__name__.lower()}")
    if rest:
        texts = all(p["type"] == "text" for p in rest)
        content: Any = rest[0]["text"] if texts and len(rest) == 1 else rest
        out.append({"role": "user", "content": content})
    return out


def _given(result: Result) -> str:
    told = "\n".join(p.text for p in result.parts if isinstance(p, Text))
    return f"Error: {told}" if result.failed else told


def _shown(part: Text | Media) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if part.kind == "image":
        if part.id is not None:
            raise dig.unsupported("/messages", "an image that was uploaded to another provider")
        image: dict[str, Any] = {"url": part.url or f"data:{part.type};base64,{part.data}"}
        return {"type": "image_url", "image_url": image if part.detail is None else {**image, "detail": part.detail}}
    if part.kind == "audio":
        form = "mp3" if part.type == "audio/mpeg" else part.type.partition("/")[2]
        return {"type": "input_audio", "input_audio": {"data": part.data or "", "format": form}}
    if part.data is not None and part.type == "text/plain":
        raise dig.unsupported("/messages", "a document of plain text")
    if part.data is None:
        raise dig.unsupported("/messages", "a document that is not in the request itself")
    file = {"filename": part.name or "document.pdf", "file_data": f"data:{part.type};base64,{part.data}"}
    return {"type": "file", "file": file}


def _answered(turn: Turn, *, remembers: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": None}
    texts = [p.text for p in turn.parts if isinstance(p, Text)]
    if texts:
        message["content"] = "".join(texts)
    refusals = [p.text for p in turn.parts if isinstance(p, Refusal)]
    if refusals:
        message["refusal"] = "".join(refusals)
    calls = [p for p in turn.parts if isinstance(p, Call)]
    if calls:
        message["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in calls
        ]
        thoughts = [p.text for p in turn.parts if isinstance(p, Thinking) and p.text]
        if remembers and thoughts:
            message["reasoning_content"] = "".join(thoughts)
    elif not texts and not refusals:
        message["content"] = ""
    return message


def _tool(tool: Tool) -> dict[str, Any]:
    if len(tool.name) > LONGEST_NAME:
        raise dig.unsupported("/tools", f"a tool's name of more than {LONGEST_NAME} letters")
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(prompt: Prompt) -> Any:
    if prompt.tool is not None:
        return {"type": "function", "function": {"name": prompt.tool}}
    return prompt.choice if prompt.tools else None


def _response_format(form: Format) -> dict[str, Any]:
    if form.schema is None:
        return {"type": "json_object"}
    told: dict[str, Any] = {"name": form.name or "answer", "schema": form.schema}
    if form.description is not None:
        told["description"] = form.description
    told["strict"] = bool(form.strict)
    return {"type": "json_schema", "json_schema": told}
