"""A prompt as a request for generateContent. The model and the wish for a stream stand in its path.

Left out, as wishes about the service and not about the answer: who the user is, what is worth caching (Google caches by
itself), how closely to look at an image.
"""

from __future__ import annotations

from typing import Any

from lbd.model.messages import Format, Prompt, Text, Tool
from lbd.shapes import dig
from lbd.shapes.gemini import models
from lbd.shapes.gemini.effort import thinking
from lbd.shapes.gemini.turns import contents

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
MOST_STOPS = 5
_SEEDS = range(-(1 << 31), 1 << 31)  # an int32 in Google's API


def write(prompt: Prompt, model: str) -> bytes:
    """Return the request that asks this prompt. Raises LbdError for what the shape has no place for."""
    _refuse(prompt, model)
    said = contents(prompt, model)
    system = _texts(prompt.system)
    if not said:  # instructions alone are a question here
        said, system = ([{"role": "user", "parts": system}] if system else []), []
    plain: dict[str, Any] = {
        "systemInstruction": {"parts": system} if system else None,
        "tools": [{"functionDeclarations": [_tool(t) for t in prompt.tools]}] if prompt.tools else None,
        "toolConfig": _choice(prompt),
        "generationConfig": _generation(prompt, model) or None,
    }
    body: dict[str, Any] = {"contents": said}
    body |= {name: value for name, value in plain.items() if value is not None}
    return dig.encoded(body)


def _refuse(prompt: Prompt, model: str) -> None:
    if prompt.logit_bias:
        raise dig.unsupported("/logit_bias", "tokens have no names that providers share")
    if prompt.verbosity not in (None, "medium"):  # medium is what everybody gives unasked
        raise dig.unsupported("/verbosity", "how much to say cannot be set")
    if prompt.tools and prompt.parallel is False:
        raise dig.unsupported("/parallel_tool_calls", "calls cannot be kept to one at a time")
    if prompt.tools and prompt.format is not None and not models.new(model):
        raise dig.unsupported("/response_format", "JSON beside tools is for Gemini 3 and later")
    if len(prompt.stop) > MOST_STOPS:
        raise dig.unsupported("/stop", f"more than {MOST_STOPS} stop sequences")
    if prompt.seed is not None and prompt.seed not in _SEEDS:
        raise dig.unsupported("/seed", "a seed of more than 32 bits")


def _texts(system: tuple[Text, ...]) -> list[dict[str, Any]]:
    return [{"text": t.text} for t in system if t.text]


def _generation(prompt: Prompt, model: str) -> dict[str, Any]:
    form = prompt.format
    asked: dict[str, Any] = {
        "maxOutputTokens": prompt.max_tokens,
        "temperature": prompt.temperature,
        "topP": prompt.top_p,
        "topK": prompt.top_k,
        "stopSequences": list(prompt.stop) or None,
        "candidateCount": prompt.n if prompt.n > 1 else None,
        "seed": prompt.seed,
        "presencePenalty": prompt.presence_penalty or None,  # zero is none, and models that know none refuse any
        "frequencyPenalty": prompt.frequency_penalty or None,
        "responseLogprobs": True if prompt.logprobs else None,
        "logprobs": (prompt.top_logprobs or None) if prompt.logprobs else None,
        "responseMimeType": None if form is None else "application/json",
        "responseJsonSchema": None if form is None else _schema(form),
        "thinkingConfig": thinking(prompt.effort, model),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _schema(form: Format) -> dict[str, Any] | None:
    if not form.schema:
        return None
    return form.schema if form.description is None else {"description": form.description, **form.schema}


def _tool(tool: Tool) -> dict[str, Any]:
    out: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    if tool.parameters:
        out["parametersJsonSchema"] = {"type": "object", **tool.parameters}
    return out


def _choice(prompt: Prompt) -> dict[str, Any] | None:
    """Return which tools may be called. Where a tool's arguments must keep to its schema, the model is held to it."""
    if not prompt.tools:
        return None
    if prompt.tool is not None:
        mode: dict[str, Any] = {"mode": "ANY", "allowedFunctionNames": [prompt.tool]}
    elif prompt.choice in (None, "auto") and any(t.strict for t in prompt.tools):
        mode = {"mode": "VALIDATED"}
    elif prompt.choice is not None:
        mode = {"mode": _MODES[prompt.choice]}
    else:
        return None
    return {"functionCallingConfig": mode}
