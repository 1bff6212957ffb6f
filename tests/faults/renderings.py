"""The answer of :mod:`tests.faults.answer` in every other shape: of OpenAI's newest and oldest API, Google's, Amazon's.

A stream is rendered with the places of its content told, so that a fault can strike before, within or behind it.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.faults.answer import TOOL, Answer
from tests.unit.shapes import amazon
from tests.unit.shapes.gemini import answers as google

GOOGLE_ENDS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}
AMAZON_ENDS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
# the member that a whole answer cannot be without
ESSENTIAL = {
    "openai": "choices",
    "completions": "choices",
    "responses": "output",
    "anthropic": "content",
    "gemini": "candidates",
    "bedrock": "output",
}


class Rendered(NamedTuple):
    """A stream. ``begin``: the number of the first event of content; ``finish``: of the first behind it."""

    events: list[bytes]
    begin: int
    finish: int


def stream(answer: Answer, shape: str, *, usage: bool = True) -> Rendered:
    """Return the stream in this shape. ``usage``: whether OpenAI's older shapes tell it."""
    if shape == "openai":
        events = answer.openai_events(usage=usage)
        return Rendered(events, 1, 1 + len(answer.deltas))
    if shape == "anthropic":
        return Rendered(answer.anthropic_events(), 3, 3 + len(answer.deltas))
    before, contents, after = {
        "responses": _responses,
        "gemini": _gemini,
        "bedrock": _bedrock,
        "completions": lambda a: _completions(a, usage=usage),
    }[shape](answer)
    return Rendered([*before, *contents, *after], len(before), len(before) + len(contents))


def whole(answer: Answer, shape: str) -> dict[str, Any]:
    """Return the whole answer in this shape."""
    wholes = {
        "responses": _response,
        "completions": _completion,
        "gemini": _generated,
        "bedrock": _conversed,
    }
    return wholes[shape](answer) if shape in wholes else answer.unary(shape)


_Parts = tuple[list[bytes], list[bytes], list[bytes]]

# --- OpenAI's text completions ---------------------------------------------------------------------------


def _completion(answer: Answer) -> dict[str, Any]:
    choice = {"index": 0, "text": answer.said.text, "logprobs": None, "finish_reason": answer.finish}
    return {**_completion_head(answer), "choices": [choice], "usage": answer.counted}


def _completion_head(answer: Answer) -> dict[str, Any]:
    return {"id": f"cmpl-{answer.run}", "object": "text_completion", "created": 1_700_000_000, "model": "m"}


def _completions(answer: Answer, *, usage: bool) -> _Parts:
    def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
        told = {**_completion_head(answer), "choices": choices, **more}
        return b"data: " + json.dumps(told, ensure_ascii=bool(answer.nonce % 2)).encode() + b"\n\n"

    def choice(text: str, finish: str | None = None) -> list[dict[str, Any]]:
        return [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish}]

    after = [event(choice("", answer.finish))]
    if usage:
        after.append(event([], usage=answer.counted))
    return [], [event(choice(delta)) for delta in answer.deltas], [*after, b"data: [DONE]\n\n"]


# --- OpenAI's Responses API ------------------------------------------------------------------------------


def _item(answer: Answer, *, done: bool) -> dict[str, Any]:
    status = "in_progress" if not done else "incomplete" if answer.finish == "length" else "completed"
    if answer.calls:
        told = {"arguments": answer.said.tool if done else "", "call_id": f"call_{answer.nonce}", "name": TOOL}
        return {"id": f"fc_{answer.run}", "type": "function_call", "status": status, **told}
    content = [_part(answer.said.text)] if done else []
    return {"id": f"msg_{answer.run}", "type": "message", "status": status, "role": "assistant", "content": content}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _response(answer: Answer, *, done: bool = True) -> dict[str, Any]:
    cut = done and answer.finish == "length"
    told, given = answer.usage
    usage = {
        "input_tokens": told,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": given,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": told + given,
    }
    return {
        "id": f"resp_{answer.run}",
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "in_progress" if not done else "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "model": "m",
        "output": [_item(answer, done=True)] if done else [],
        "usage": usage if done else None,
    }


def _responses(answer: Answer) -> _Parts:
    number = -1

    def event(kind: str, **more: Any) -> bytes:
        nonlocal number
        number += 1
        data = json.dumps({"type": kind, "sequence_number": number, **more}, ensure_ascii=bool(answer.nonce % 2))
        return f"event: {kind}\ndata: {data}\n\n".encode()

    begun, done = _item(answer, done=False), _item(answer, done=True)
    at: dict[str, Any] = {"item_id": begun["id"], "output_index": 0}
    before = [
        event("response.created", response=_response(answer, done=False)),
        event("response.in_progress", response=_response(answer, done=False)),
        event("response.output_item.added", output_index=0, item=begun),
    ]
    if answer.calls:
        contents = [event("response.function_call_arguments.delta", **at, delta=d) for d in answer.deltas]
        after = [event("response.function_call_arguments.done", **at, name=TOOL, arguments=answer.said.tool)]
    else:
        at["content_index"] = 0
        before.append(event("response.content_part.added", **at, part=_part("")))
        contents = [event("response.output_text.delta", **at, delta=d, logprobs=[]) for d in answer.deltas]
        after = [
            event("response.output_text.done", **at, text=answer.said.text, logprobs=[]),
            event("response.content_part.done", **at, part=_part(answer.said.text)),
        ]
    after.append(event("response.output_item.done", output_index=0, item=done))
    whole_ = _response(answer)
    after.append(event(f"response.{whole_['status']}", response=whole_))
    return before, contents, after


# --- Google ----------------------------------------------------------------------------------------------


def _generated(answer: Answer) -> dict[str, Any]:
    part = google.call(TOOL, json.loads(answer.said.tool)) if answer.calls else google.text(answer.said.text)
    told = google.candidate(part, finish=GOOGLE_ENDS[answer.finish])
    return google.answer(told, responseId=answer.run, usageMetadata=_google_counts(answer))


def _google_counts(answer: Answer) -> dict[str, int]:
    told, given = answer.usage
    return {"promptTokenCount": told, "candidatesTokenCount": given, "totalTokenCount": told + given}


def _gemini(answer: Answer) -> _Parts:
    """Its calls come in one piece, and nothing comes before the content."""
    told = answer.usage[0]
    counts = {"promptTokenCount": told, "totalTokenCount": told}
    parts = [google.text(delta) for delta in answer.deltas]
    if answer.calls:
        parts = [google.call(TOOL, json.loads(answer.said.tool))]

    def event(candidate: dict[str, Any], counts: dict[str, int]) -> bytes:
        return google.event(google.answer(candidate, responseId=answer.run, usageMetadata=counts))

    last = google.candidate(google.text(""), finish=GOOGLE_ENDS[answer.finish])
    return [], [event(google.candidate(part), counts) for part in parts], [event(last, _google_counts(answer))]


# --- Amazon ----------------------------------------------------------------------------------------------


def _amazon_counts(answer: Answer) -> dict[str, Any]:
    told, given = answer.usage
    usage = {"inputTokens": told, "outputTokens": given, "totalTokens": told + given}
    return {"usage": usage, "metrics": {"latencyMs": 7}}


def _conversed(answer: Answer) -> dict[str, Any]:
    block: dict[str, Any] = {"text": answer.said.text}
    if answer.calls:
        told = json.loads(answer.said.tool)
        block = {"toolUse": {"toolUseId": f"call_{answer.nonce}", "name": TOOL, "input": told}}
    output = {"message": {"role": "assistant", "content": [block]}}
    return {"output": output, "stopReason": AMAZON_ENDS[answer.finish], **_amazon_counts(answer)}


def _bedrock(answer: Answer) -> _Parts:
    before = [amazon.BEGIN]
    contents = [amazon.delta(0, text=delta) for delta in answer.deltas]
    if answer.calls:
        before.append(amazon.start(0, toolUse={"toolUseId": f"call_{answer.nonce}", "name": TOOL}))
        contents = [amazon.delta(0, toolUse={"input": delta}) for delta in answer.deltas]
    metadata = amazon.event("metadata", {**_amazon_counts(answer), "p": "abc"})
    return before, contents, [amazon.stop(0), amazon.ended(AMAZON_ENDS[answer.finish]), metadata]
