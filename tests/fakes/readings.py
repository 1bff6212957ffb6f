"""What a client of each shape has of an answer, read as strictly as its shape is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lbd.model.messages import Reason
from tests.unit.shapes.streams import spec_events


class Reading(msgspec.Struct):
    """One answer as its client has it. ``ended``: with the end mark of its shape; usage as (prompt, completion)."""

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str, str]] = []
    reason: Reason | None = None
    usage: tuple[int, int] | None = None
    ended: bool = False


_CHAT = {
    "stop": Reason.STOP,
    "length": Reason.LENGTH,
    "tool_calls": Reason.CALLS,
    "content_filter": Reason.FILTER,
}
_CLAUDE = {
    "end_turn": Reason.STOP,
    "max_tokens": Reason.LENGTH,
    "tool_use": Reason.CALLS,
    "refusal": Reason.FILTER,
}


def _counted(usage: Any, prompt: str = "prompt_tokens", completion: str = "completion_tokens") -> Any:
    return None if usage is None else (usage[prompt], usage[completion])


def _events(out: bytes) -> list[tuple[str, str]]:
    assert not out or out.endswith(b"\n\n"), "an event is not whole"
    return spec_events(out)


def chat(out: bytes) -> Reading:
    """Read a stream of chat completions."""
    told, calls = Reading(), dict[int, list[str]]()
    for _, data in _events(out):
        assert not told.ended, "something follows the end mark"
        if data == "[DONE]":
            told.ended = True
            continue
        chunk = json.loads(data)
        assert "error" not in chunk
        told.usage = _counted(chunk.get("usage")) or told.usage
        for choice in chunk.get("choices") or ():
            delta = choice["delta"]
            told.text += delta.get("content") or ""
            told.thoughts += delta.get("reasoning_content") or ""
            for call in delta.get("tool_calls") or ():
                known = calls.setdefault(call["index"], ["", ""])
                known[0] += call["function"].get("name") or ""
                known[1] += call["function"].get("arguments") or ""
            if choice.get("finish_reason"):
                told.reason = _CHAT[choice["finish_reason"]]
    told.calls = [(name, arguments) for name, arguments in calls.values()]
    return told


def completions(out: bytes) -> Reading:
    """Read a stream of text completions."""
    told = Reading()
    for _, data in _events(out):
        assert not told.ended, "something follows the end mark"
        if data == "[DONE]":
            told.ended = True
            continue
        chunk = json.loads(data)
        assert "error" not in chunk
        told.usage = _counted(chunk.get("usage")) or told.usage
        for choice in chunk.get("choices") or ():
            told.text += choice["text"]
            if choice.get("finish_reason"):
                told.reason = _CHAT[choice["finish_reason"]]
    return told


def messages(out: bytes) -> Reading:
    """Read a stream of Anthropic's Messages API: each block begins, goes on and ends in its turn."""
    told, open_ = Reading(), None
    for number, (kind, data) in enumerate(e for e in _events(out) if e[0] not in ("ping", "future_event")):
        assert not told.ended, "something follows the end mark"
        event = json.loads(data)
        assert kind == event["type"] != "error"
        assert (kind == "message_start") == (number == 0)
        if kind == "content_block_start":
            assert open_ is None
            open_ = event["index"]
            block = event["content_block"]
            if block["type"] == "tool_use":
                told.calls.append((block["name"], ""))
        elif kind == "content_block_delta":
            assert open_ == event["index"]
            delta = event["delta"]
            told.text += delta.get("text") or ""
            told.thoughts += delta.get("thinking") or ""
            if "partial_json" in delta:
                name, arguments = told.calls[-1]
                told.calls[-1] = (name, arguments + delta["partial_json"])
        elif kind == "content_block_stop":
            assert open_ == event["index"]
            open_ = None
        elif kind == "message_delta":
            assert open_ is None
            told.reason = _CLAUDE[event["delta"]["stop_reason"]]
            told.usage = (0, event["usage"]["output_tokens"])
        elif kind == "message_stop":
            told.ended = True
    return told


def responses(out: bytes) -> Reading:
    """Read a stream of the Responses API, whose last event holds it whole."""
    told = Reading()
    for kind, data in _events(out):
        assert not told.ended, "something follows the end mark"
        event = json.loads(data)
        assert kind == event["type"] not in ("error", "response.failed")
        if kind == "response.output_text.delta":
            told.text += event["delta"]
        elif kind == "response.reasoning_summary_text.delta":
            told.thoughts += event["delta"]
        elif kind == "response.output_item.added" and event["item"]["type"] == "function_call":
            told.calls.append((event["item"]["name"], ""))
        elif kind == "response.function_call_arguments.delta":
            name, arguments = told.calls[-1]
            told.calls[-1] = (name, arguments + event["delta"])
        elif kind in ("response.completed", "response.incomplete"):
            whole = response(json.dumps(event["response"]).encode())
            assert (whole.text, whole.thoughts, whole.calls) == (told.text, told.thoughts, told.calls)
            told = whole
    return told


def chat_body(body: bytes) -> Reading:
    """Read a whole chat completion."""
    answer = json.loads(body)
    [choice] = answer["choices"]
    message = choice["message"]
    calls = [(c["function"]["name"], c["function"]["arguments"]) for c in message.get("tool_calls") or ()]
    usage = _counted(answer.get("usage"))
    reason = _CHAT[choice["finish_reason"]]
    return Reading(
        message.get("content") or "", message.get("reasoning_content") or "", calls, reason, usage, ended=True
    )


def completion(body: bytes) -> Reading:
    """Read a whole text completion."""
    answer = json.loads(body)
    [choice] = answer["choices"]
    usage = _counted(answer.get("usage"))
    return Reading(choice["text"], "", [], _CHAT[choice["finish_reason"]], usage, ended=True)


def message(body: bytes) -> Reading:
    """Read a whole message."""
    answer = json.loads(body)
    assert answer["type"] == "message"
    blocks = answer["content"]
    return Reading(
        "".join(b["text"] for b in blocks if b["type"] == "text"),
        "".join(b["thinking"] for b in blocks if b["type"] == "thinking"),
        [(b["name"], json.dumps(b["input"])) for b in blocks if b["type"] == "tool_use"],
        _CLAUDE[answer["stop_reason"]],
        (0, answer["usage"]["output_tokens"]),
        ended=True,
    )


def response(body: bytes) -> Reading:
    """Read a whole response; that it calls tools is only seen in its output."""
    answer = json.loads(body)
    assert answer["object"] == "response"
    items = answer["output"]
    said = [p for item in items if item["type"] == "message" for p in item["content"]]
    thought = [p for item in items if item["type"] == "reasoning" for p in item["summary"]]
    calls = [(item["name"], item["arguments"]) for item in items if item["type"] == "function_call"]
    if answer["status"] == "incomplete":
        why = answer["incomplete_details"]["reason"]
        reason = Reason.LENGTH if why == "max_output_tokens" else Reason.FILTER
    else:
        assert answer["status"] == "completed"
        reason = Reason.CALLS if calls else Reason.STOP
    usage = _counted(answer["usage"], "input_tokens", "output_tokens")
    text, thoughts = "".join(p["text"] for p in said), "".join(p["text"] for p in thought)
    return Reading(text, thoughts, calls, reason, usage, ended=True)


STREAMS: Mapping[str, Callable[[bytes], Reading]] = {
    "openai.chat": chat,
    "openai.completions": completions,
    "openai.responses": responses,
    "anthropic.messages": messages,
}
BODIES: Mapping[str, Callable[[bytes], Reading]] = {
    "openai.chat": chat_body,
    "openai.completions": completion,
    "openai.responses": response,
    "anthropic.messages": message,
}
