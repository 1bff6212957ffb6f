"""What a client of each shape reads, whole or event by event, as strictly as its shape is written."""

from __future__ import annotations

import json
from typing import Any, Protocol

from tests.faults.answer import FINISHES, TOOL, Said

WHOLE = {their: ours for ours, their in FINISHES.items()}


class Wrong(Exception):
    """These bytes are no answer; the message says why."""


class Reader(Protocol):
    """Reads one stream. ``counted``: its shape tells the usage always; ``began``: content came, or a call."""

    error: str | None
    ended: bool
    counted: bool
    began: bool

    def take(self, name: str, data: str) -> None:
        """Read one event. Raises Wrong."""

    def said(self) -> Said:
        """Return what it said so far."""


def typed(told: Any, shape: str) -> str:
    """Return the word of an error. Raises Wrong where it is none of this shape."""
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not error["message"]:
        raise Wrong(f"no typed error: {told}")
    if not isinstance(error.get("type"), str):
        raise Wrong(f"an error without a type: {told}")
    if shape == "anthropic":
        if told.get("type") != "error":
            raise Wrong(f"no error of Anthropic's shape: {told}")
        return str(error["type"])
    if not {"param", "code"} <= error.keys() or not isinstance(error["code"], str | None):
        raise Wrong(f"no error of OpenAI's shape: {told}")
    return str(error["code"] or error["type"])


def canonical(tool: str) -> str:
    """Return arguments in one writing: translated ones are the same value, in other blanks; a part of them stays."""
    try:
        return json.dumps(json.loads(tool))
    except ValueError:
        return tool


def _called(name: object) -> None:
    if name != TOOL:
        raise Wrong(f"a call of {name!r}")


# --- whole answers ---------------------------------------------------------------------------------------


def whole(told: dict[str, Any], shape: str) -> Said:
    """Return what a whole answer says. Raises Wrong, and what reading it raises."""
    if shape == "responses":
        return _response(told)
    if shape == "anthropic":
        text = "".join(b["text"] for b in told["content"] if b["type"] == "text")
        tool = "".join(json.dumps(b["input"]) for b in told["content"] if b["type"] == "tool_use")
        used = told["usage"]
        return Said(text, tool, WHOLE[told["stop_reason"]], (used["input_tokens"], used["output_tokens"]))
    (choice,) = told["choices"]
    used = told["usage"]
    finish, usage = choice["finish_reason"], (used["prompt_tokens"], used["completion_tokens"])
    if shape == "completions":
        if told["object"] != "text_completion":
            raise Wrong(f"an object {told['object']!r}")
        return Said(choice["text"], "", finish, usage)
    message = choice["message"]
    for call in message.get("tool_calls") or ():
        _called(call["function"]["name"])
    tool = "".join(c["function"]["arguments"] for c in message.get("tool_calls") or ())
    return Said(message.get("content") or "", canonical(tool), finish, usage)


def _response(told: dict[str, Any]) -> Said:
    if told["object"] != "response" or not told["id"].startswith("resp_") or told["error"] is not None:
        raise Wrong(f"no response: {told}")
    parts = [p for item in told["output"] if item["type"] == "message" for p in item["content"]]
    calls = [item for item in told["output"] if item["type"] == "function_call"]
    for call in calls:
        _called(call["name"])
    text, tool = "".join(p["text"] for p in parts), "".join(call["arguments"] for call in calls)
    usage = told["usage"]["input_tokens"], told["usage"]["output_tokens"]
    if sum(usage) != told["usage"]["total_tokens"]:
        raise Wrong(f"a usage that does not add up: {told['usage']}")
    match told["status"]:
        case "completed":
            finish = "tool_calls" if calls else "stop"
        case "incomplete" if told["incomplete_details"]["reason"] == "max_output_tokens":
            finish = "length"
        case _:
            raise Wrong(f"a response that is {told['status']}: {told['incomplete_details']}")
    return Said(text, canonical(tool), finish, usage)


# --- streams ---------------------------------------------------------------------------------------------


def reader(shape: str) -> Reader:
    """Return what reads a stream of this shape."""
    return {"openai": _Chat, "completions": _Completions, "responses": _Responses, "anthropic": _Anthropic}[shape]()


class _OpenAI:
    """What OpenAI's two older streams have in common."""

    counted = False

    def __init__(self) -> None:
        self.error: str | None = None
        self.ended = False
        self.began = False
        self._text: list[str] = []
        self._tool: list[str] = []
        self._finish: str | None = None
        self._usage: tuple[int, int] | None = None
        self._id: str | None = None

    def take(self, _name: str, data: str) -> None:
        if self.ended or self.error is not None:
            raise Wrong(f"behind the end: {data[:200]}")
        if data == "[DONE]":
            self.ended = True
            return
        told = json.loads(data)
        if "error" in told:
            self.error = typed(told, "openai")
            return
        self._id = self._id or told["id"]
        if told["id"] != self._id:
            raise Wrong(f"two ids in one stream: {self._id}, {told['id']}")
        if told.get("usage"):
            if self._usage is not None:
                raise Wrong("told the usage twice")
            self._usage = told["usage"]["prompt_tokens"], told["usage"]["completion_tokens"]
        for choice in told["choices"]:
            if self._content(told, choice) and self._finish is not None:
                raise Wrong(f"content behind the finish: {data[:200]}")
            if choice.get("finish_reason"):
                if self._finish is not None:
                    raise Wrong("finished twice")
                self._finish = choice["finish_reason"]

    def _content(self, told: dict[str, Any], choice: dict[str, Any]) -> bool:
        """Read a choice; tell whether it holds content."""
        raise NotImplementedError

    def said(self) -> Said:
        return Said("".join(self._text), canonical("".join(self._tool)), self._finish, self._usage)


class _Chat(_OpenAI):
    def _content(self, told: dict[str, Any], choice: dict[str, Any]) -> bool:
        delta = choice["delta"]
        calls = delta.get("tool_calls") or ()
        for call in calls:
            if "name" in call["function"]:
                if self._tool:
                    raise Wrong(f"a second call: {told}")
                _called(call["function"]["name"])
        words = [call["function"].get("arguments") or "" for call in calls]
        self._text.append(delta.get("content") or "")
        self._tool += words
        self.began = self.began or bool(delta.get("content") or calls)
        return bool(delta.get("content")) or any(words)


class _Completions(_OpenAI):
    def _content(self, told: dict[str, Any], choice: dict[str, Any]) -> bool:
        if told["object"] != "text_completion":
            raise Wrong(f"an object {told['object']!r}")
        self._text.append(choice["text"])
        self.began = self.began or bool(choice["text"])
        return bool(choice["text"])


class _Responses:
    """Every event is numbered, every item is begun, told and ended, and the last event says all of it again."""

    counted = True

    def __init__(self) -> None:
        self.error: str | None = None
        self.ended = False
        self.began = False
        self._number = 0  # of the next event
        self._id: str | None = None
        self._items: list[dict[str, Any]] = []  # as they were added, then as they are done
        self._open: dict[int, list[str]] = {}  # the deltas of each item that is open
        self._parts: set[int] = set()  # items in which a part is open
        self._text: list[str] = []
        self._tool: list[str] = []
        self._last: Said | None = None

    def take(self, name: str, data: str) -> None:
        if self.ended or self.error is not None:
            raise Wrong(f"behind the end: {data[:200]}")
        told = json.loads(data)
        kind = told["type"]
        if kind != name:
            raise Wrong(f"event {name!r} of type {kind!r}")
        if kind == "error":
            self.error = typed(told, "openai")
            if told["sequence_number"] < self._number or any(
                told[member] != told["error"][member] for member in ("code", "message", "param")
            ):
                raise Wrong(f"an error of two minds, or out of its turn: {told}")
            return
        if told["sequence_number"] != self._number:
            raise Wrong(f"event {told['sequence_number']} in place of {self._number}: {data[:200]}")
        if (kind == "response.created") != (self._number == 0):
            raise Wrong(f"event {self._number} is {kind}")
        self._number += 1
        if "response" in told:
            self._whole(kind, told["response"])
        else:
            self._event(kind, told)

    def _whole(self, kind: str, response: dict[str, Any]) -> None:
        self._id = self._id or response["id"]
        if response["id"] != self._id:
            raise Wrong(f"two ids in one stream: {self._id}, {response['id']}")
        match kind:
            case "response.created" | "response.in_progress":
                if response["status"] != "in_progress" or response["output"]:
                    raise Wrong(f"{kind}: {response}")
            case "response.completed" | "response.incomplete":
                if self._open:
                    raise Wrong("the end, with an item open")
                if kind != f"response.{response['status']}" or response["output"] != self._items:
                    raise Wrong(f"at the end {response} of {self._items}")
                self._last = _response(response)
                self.ended = True
            case _:
                raise Wrong(f"an event of type {kind!r}: {response}")

    def _event(self, kind: str, told: dict[str, Any]) -> None:
        place = told["output_index"]
        if kind == "response.output_item.added":
            self._added(place, told["item"])
            return
        if place not in self._open:
            raise Wrong(f"{kind} of no open item")
        item, deltas = self._items[place], self._open[place]
        if told.get("item_id", item["id"]) != item["id"]:
            raise Wrong(f"{kind} of {told['item_id']} in the place of {item['id']}")
        self._of_item(kind, told, place, deltas)

    def _added(self, place: int, item: dict[str, Any]) -> None:
        if place != len(self._items):
            raise Wrong(f"item {place} behind {len(self._items)} others")
        if item["type"] == "function_call":
            _called(item["name"])
            self.began = True
        elif item["type"] != "message" or item["content"]:
            raise Wrong(f"an item begins with {item}")
        self._items.append(item)
        self._open[place] = []

    def _of_item(self, kind: str, told: dict[str, Any], place: int, deltas: list[str]) -> None:
        text, calls = "".join(deltas), self._items[place]["type"] == "function_call"
        again: object = None
        match kind:
            case "response.content_part.added" if not calls and place not in self._parts:
                self._parts.add(place)
            case "response.output_text.delta" if place in self._parts:
                deltas.append(told["delta"])
                self._text.append(told["delta"])
                self.began = True
            case "response.function_call_arguments.delta" if calls:
                deltas.append(told["delta"])
                self._tool.append(told["delta"])
            case "response.function_call_arguments.done" if calls:
                again = told["arguments"]
            case "response.output_text.done" if place in self._parts:
                again = told["text"]
            case "response.content_part.done" if place in self._parts:
                again = told["part"]["text"]
                self._parts.remove(place)
            case "response.output_item.done" if place not in self._parts:
                item = told["item"]
                again = item["arguments"] if calls else "".join(p["text"] for p in item["content"])
                if (item["id"], item["type"]) != (self._items[place]["id"], self._items[place]["type"]):
                    raise Wrong(f"{item} ends in the place of {self._items[place]}")
                self._items[place] = item
                del self._open[place]
            case _:
                raise Wrong(f"an event out of its turn: {told}")
        if again is not None and again != text:
            raise Wrong(f"{kind} says {again!r} of {text!r}")

    def said(self) -> Said:
        so_far = Said("".join(self._text), canonical("".join(self._tool)), None, None)
        if self._last is None:
            return so_far
        if (self._last.text, self._last.tool) != (so_far.text, so_far.tool):
            raise Wrong(f"the last event says {self._last}, all before it {so_far}")
        return self._last


class _Anthropic:
    counted = True

    def __init__(self) -> None:
        self.error: str | None = None
        self.ended = False
        self.began = False
        self._text: list[str] = []
        self._tool: list[str] = []
        self._finish: str | None = None
        self._in = self._out = 0
        self._open: set[int] = set()

    def take(self, name: str, data: str) -> None:
        if self.ended or self.error is not None:
            raise Wrong(f"behind the end: {data[:200]}")
        told = json.loads(data)
        if told["type"] != name:
            raise Wrong(f"event {name!r} of type {told['type']!r}")
        match name:
            case "error":
                self.error = typed(told, "anthropic")
            case "message_start":
                self._in = told["message"]["usage"]["input_tokens"]
            case "content_block_start":
                self._open.add(told["index"])
                if told["content_block"]["type"] == "tool_use":
                    _called(told["content_block"]["name"])
                    self.began = True
            case "content_block_delta":
                if told["index"] not in self._open:
                    raise Wrong(f"a delta of no open block: {data[:200]}")
                self._text.append(told["delta"].get("text", ""))
                self._tool.append(told["delta"].get("partial_json", ""))
                self.began = self.began or bool(self._text[-1] or self._tool[-1])
            case "content_block_stop":
                self._open.remove(told["index"])
            case "message_delta":
                self._finish = WHOLE[told["delta"]["stop_reason"]]
                self._in = told["usage"].get("input_tokens") or self._in
                self._out = told["usage"]["output_tokens"]
            case "message_stop":
                if self._open:
                    raise Wrong("the end, with a block open")
                self.ended = True
            case "ping":
                pass
            case _:
                raise Wrong(f"an event of type {name!r}")

    def said(self) -> Said:
        return Said("".join(self._text), canonical("".join(self._tool)), self._finish, (self._in, self._out))
