"""What a response says again of the request it answers: the members that echo it.

Where nothing was asked they are what the API gives then, or null where that is up to the model. The service tier is
told by who serves, so it is not echoed.
"""

from __future__ import annotations

from typing import Any

import orjson

from lbd.shapes import edit, loose
from lbd.shapes.loose import UNREADABLE

_DEFAULTS: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
# Members that a response has only where the request had them.
_WHERE_ASKED = frozenset({"max_tool_calls", "prompt_cache_key", "prompt_cache_retention", "safety_identifier"})
_ECHOED = frozenset(_DEFAULTS) | _WHERE_ASKED | {"top_logprobs"}
# Members of a function that the API's types hold always.
_FUNCTION = {"parameters": None, "strict": None}


def members(asked: bytes) -> dict[str, Any]:
    """Return the members of a response that echo this request (its body), in one order always."""
    try:
        request = loose.members(loose.value(asked)) if asked else {}
    except UNREADABLE:
        request = {}
    told = {name: value for name, value in request.items() if name in _ECHOED and value is not None}
    out = {**_DEFAULTS, **told}
    out["reasoning"] = {**_DEFAULTS["reasoning"], **loose.members(told.get("reasoning"))}
    out["text"] = {**_DEFAULTS["text"], **{k: v for k, v in loose.members(told.get("text")).items() if v is not None}}
    out["tools"] = [_tool(tool) for tool in loose.items(told.get("tools"))]
    return out


def _tool(tool: Any) -> Any:
    return {**_FUNCTION, **tool} if isinstance(tool, dict) and tool.get("type") == "function" else tool


def put(answer: bytes, asked: bytes) -> bytes:
    """Return a whole response (JSON) with the members that echo its request."""
    return edit.with_members(answer, {name: orjson.dumps(value) for name, value in members(asked).items()})
