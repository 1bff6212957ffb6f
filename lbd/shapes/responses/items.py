"""The objects that a Responses API answer is made of: the response, its output items, and their parts."""

from __future__ import annotations

import re
from typing import Any

from lbd.model.messages import Begin, Finished, Reason, Token
from lbd.model.outcome import Usage
from lbd.shapes import tokens
from lbd.shapes.responses.usage import fields

FAMILY = "openai"
# How the ids of items go on, after their kind, that lbd wrote: no provider knows such an item.
WRITTEN = "_lbd_"
_NOT_OF_IDS = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_ID = 50  # of the response in it: OpenAI takes ids of up to 64 characters

CUT = {Reason.LENGTH: "max_output_tokens", Reason.FILTER: "content_filter"}


def response_id(begin: Begin) -> str:
    """Return the id of a response, in which the provider's own can be found again."""
    if begin.id.startswith("resp_"):
        return begin.id
    return f"resp_{_NOT_OF_IDS.sub('_', begin.id) or 'lbd'}"


def item_id(kind: str, response: str, index: int) -> str:
    """Return the id of an item: ``kind`` is msg, fc or rs."""
    return f"{kind}{WRITTEN}{_NOT_OF_IDS.sub('_', response.removeprefix('resp_'))[-_LONGEST_ID:]}_{index}"


def why_cut(finished: Finished, refused: bool) -> str | None:
    """Return the reason of an answer that is incomplete. A refusal without a word (Anthropic's) is a filter's work."""
    if finished.reason is Reason.REFUSAL and not refused:
        return CUT[Reason.FILTER]
    return CUT.get(finished.reason)


def response(
    begin: Begin,
    output: list[dict[str, Any]],
    echo: dict[str, Any],
    *,
    status: str,
    cut: str | None = None,
    usage: Usage | None = None,
) -> dict[str, Any]:
    """Return the response object. ``echo``: the members that say the request again."""
    return {
        "id": response_id(begin),
        "object": "response",
        "created_at": begin.created or 0,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None if cut is None else {"reason": cut},
        "model": begin.model,
        "output": output,
        "usage": None if usage is None else fields(usage),
        **echo,
    }


def message(id_: str, content: list[dict[str, Any]], status: str) -> dict[str, Any]:
    """Return a message item."""
    return {"id": id_, "type": "message", "status": status, "role": "assistant", "content": content}


def call(id_: str, call_id: str, name: str, arguments: str, status: str, token: Token | None) -> dict[str, Any]:
    """Return a function call item. A thought signature has no place of its own in it; clients keep what they get."""
    item = {"id": id_, "type": "function_call", "status": status, "arguments": arguments, "call_id": call_id}
    item["name"] = name
    return item if token is None else {**item, "thought_signature": tokens.shown(token, FAMILY)}


def reasoning(id_: str, summary: list[dict[str, Any]], token: Token | None) -> dict[str, Any]:
    """Return a reasoning item. Its token stands where OpenAI's encrypted reasoning does, tagged with its maker."""
    item: dict[str, Any] = {"id": id_, "type": "reasoning", "summary": summary}
    return item if token is None else {**item, "encrypted_content": tokens.shown(token, FAMILY)}


def text(said: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a part of text."""
    return {"type": "output_text", "annotations": [], "logprobs": logprobs, "text": said}


def refusal(said: str) -> dict[str, Any]:
    """Return a part of refusal."""
    return {"type": "refusal", "refusal": said}


def summary(said: str) -> dict[str, Any]:
    """Return a part of a summary of what was thought."""
    return {"type": "summary_text", "text": said}


def logprobs(found: object) -> list[dict[str, Any]]:
    """Return log-probabilities in the form of this API from those of chat completions, one piece's or several."""
    if isinstance(found, list):
        return [entry for piece in found for entry in logprobs(piece)]
    listed = found.get("content") if isinstance(found, dict) else None
    entries = map(_entry, listed if isinstance(listed, list) else ())
    return [entry for entry in entries if entry is not None]


def _entry(found: object, *, top: bool = False) -> dict[str, Any] | None:
    if not isinstance(found, dict) or not isinstance(found.get("token"), str):
        return None
    value = found.get("logprob")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    given = found.get("bytes")
    whole = isinstance(given, list) and all(type(b) is int for b in given)
    entry = {"token": found["token"], "bytes": given if whole else [], "logprob": value}
    if top:
        return entry
    others = found.get("top_logprobs")
    likely = [_entry(other, top=True) for other in (others if isinstance(others, list) else ())]
    return {**entry, "top_logprobs": [other for other in likely if other is not None]}
