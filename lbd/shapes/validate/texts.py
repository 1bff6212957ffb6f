"""What an answer says, read out of the client's own answer format; and the schema that its request asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from lbd.shapes import loose
from lbd.shapes.loose import UNREADABLE, string


class Said(NamedTuple):
    """One answer to the prompt. ``refused``: the provider itself says so. ``calls``: it is a call, no last word."""

    text: str
    refused: bool = False
    calls: bool = False


def said(shape: str, answer: bytes) -> tuple[Said, ...]:
    """Return what each choice of a whole answer says; nothing where it cannot be read."""
    reader = READERS.get(shape)
    if reader is None:
        return ()
    try:
        found = loose.value(answer)
    except UNREADABLE:
        return ()
    return tuple(reader(found)) if isinstance(found, dict) else ()


def own_schema(shape: str, raw: bytes) -> bytes | None:
    """Return the JSON schema that a request wants its answer to keep to, as it stands there; None without one."""
    for path in _SCHEMAS.get(shape, ()):
        found = raw
        try:
            for name in path:
                found = bytes(_members(found).get(name, b"null"))
                if found == b"null":
                    break
            else:
                return found
        except UNREADABLE:
            continue
    return None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SCHEMAS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "openai.chat": (("response_format", "json_schema", "schema"),),
    "openai.responses": (("text", "format", "schema"),),
    "anthropic.messages": (("output_config", "format", "schema"), ("output_format", "schema")),
}


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))


def _parts(value: object, *kinds: str) -> str:
    """Return the words of a content: a text, or a list of parts."""
    if isinstance(value, str):
        return value
    return "".join(string(part.get("text")) for part in _objects(value) if part.get("type") in kinds)


def _chat(answer: dict[str, Any]) -> Iterator[Said]:
    for choice in _objects(answer.get("choices")):
        message = choice.get("message")
        if not isinstance(message, dict):
            continue
        refusal = string(message.get("refusal"))
        refused = bool(refusal) or choice.get("finish_reason") in ("refusal", "content_filter")
        calls = bool(message.get("tool_calls") or message.get("function_call"))
        yield Said(_parts(message.get("content"), "text") or refusal, refused, calls)


def _completions(answer: dict[str, Any]) -> Iterator[Said]:
    for choice in _objects(answer.get("choices")):
        yield Said(string(choice.get("text")), choice.get("finish_reason") in ("refusal", "content_filter"))


def _messages(answer: dict[str, Any]) -> Iterator[Said]:
    content = answer.get("content")
    if not isinstance(content, list):
        return
    calls = any(block.get("type") == "tool_use" for block in _objects(content))
    yield Said(_parts(content, "text"), answer.get("stop_reason") == "refusal", calls)


def _responses(answer: dict[str, Any]) -> Iterator[Said]:
    output = answer.get("output")
    if not isinstance(output, list):
        return
    words: list[str] = []
    refusals: list[str] = []
    calls = False
    for item in _objects(output):
        kind = item.get("type")
        calls = calls or kind in ("function_call", "custom_tool_call")
        if kind == "message":
            words.append(_parts(item.get("content"), "output_text"))
            refusals += [
                string(part.get("refusal")) for part in _objects(item.get("content")) if part.get("type") == "refusal"
            ]
    yield Said("".join(words) or "".join(refusals), bool(refusals), calls)


READERS: Mapping[str, Callable[[dict[str, Any]], Iterator[Said]]] = {
    "anthropic.messages": _messages,
    "openai.chat": _chat,
    "openai.completions": _completions,
    "openai.responses": _responses,
}
