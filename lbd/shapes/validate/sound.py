"""Whether an answer is sound in itself: what can be told of any answer, without a reference and without an opinion.

It was not cut off where its client set no limit, it does not refuse, it keeps to the schema that its request asked for,
and its calls are of tools that there are, with arguments that their schemas take.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

import orjson

from lbd.model.messages import Tool
from lbd.shapes import loose
from lbd.shapes.loose import UNREADABLE, string
from lbd.shapes.validate import schemas
from lbd.shapes.validate.refusal import refuses
from lbd.shapes.validate.texts import Said, own_schema, said


class _Called(NamedTuple):
    name: str
    arguments: object  # JSON text, or what stood there in its place


def flaw(shape: str, raw: bytes, answer: bytes, tools: tuple[Tool, ...], *, bounded: bool) -> str | None:
    """Return what is wrong with a whole answer to the request ``raw``, None where nothing is.

    ``tools``: what the model may call; ``bounded``: the client limited the answer's length itself.
    """
    try:
        found = loose.value(answer)
    except UNREADABLE:
        return "it is no JSON"
    choices = said(shape, answer)
    if not isinstance(found, dict) or not choices:
        return "it holds no answer"
    if not bounded and _cut(shape, found):
        return "it was cut off"
    called = _CALLS[shape](found) if shape in _CALLS else ()
    schema = own_schema(shape, raw)
    faults = chain((_call(call, tools) for call in called), (_said(one, schema) for one in choices))
    return next((fault for fault in faults if fault is not None), None)


def _said(one: Said, schema: bytes | None) -> str | None:
    if one.refused or refuses(one.text):
        return "it refuses"
    if one.calls:
        return None
    if not one.text.strip():
        return "it is empty"
    broken = None if schema is None else _breaks(schema, one.text)
    return None if broken is None else f"it breaks its schema: {broken}"


def _cut(shape: str, answer: dict[str, Any]) -> bool:
    if shape == "anthropic.messages":
        return answer.get("stop_reason") == "max_tokens"
    if shape == "openai.responses":
        return answer.get("status") == "incomplete"
    choices = answer.get("choices")
    return isinstance(choices, list) and any(
        isinstance(c, dict) and c.get("finish_reason") == "length" for c in choices
    )


def _call(call: _Called, tools: tuple[Tool, ...]) -> str | None:
    tool = next((t for t in tools if t.name == call.name), None)
    if tool is None:
        return f"it calls {call.name[:64]!r}, which is no tool of the request"
    arguments = call.arguments if isinstance(call.arguments, str) else orjson.dumps(call.arguments).decode()
    try:
        value = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return f"the arguments of {tool.name!r} are no JSON"
    if not isinstance(value, dict):
        return f"the arguments of {tool.name!r} are no object"
    if tool.parameters is None:
        return None
    broken = _breaks(orjson.dumps(tool.parameters), orjson.dumps(value).decode())
    return None if broken is None else f"the arguments of {tool.name!r} break its schema: {broken}"


def _breaks(schema: bytes, text: str) -> str | None:
    try:
        checker = schemas.compiled(schema, schemas.MOST_NODES)
    except (ValueError, ImportError):  # the schema is its request's business; the validator is an extra
        return None
    return checker.fault(text)


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _chat(answer: dict[str, Any]) -> Iterator[_Called]:
    for choice in _objects(answer.get("choices")):
        message = choice.get("message")
        for call in _objects(message.get("tool_calls") if isinstance(message, dict) else None):
            function = call.get("function")
            if isinstance(function, dict):
                yield _Called(string(function.get("name")), function.get("arguments"))


def _messages(answer: dict[str, Any]) -> Iterator[_Called]:
    for block in _objects(answer.get("content")):
        if block.get("type") == "tool_use":
            yield _Called(string(block.get("name")), block.get("input"))


def _responses(answer: dict[str, Any]) -> Iterator[_Called]:
    for item in _objects(answer.get("output")):
        if item.get("type") == "function_call":
            yield _Called(string(item.get("name")), item.get("arguments"))


_CALLS: Mapping[str, Callable[[dict[str, Any]], Iterator[_Called]]] = {
    "anthropic.messages": _messages,
    "openai.chat": _chat,
    "openai.responses": _responses,
}
