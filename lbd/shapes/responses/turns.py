"""The input items of a Responses API request as the turns of a conversation."""

from __future__ import annotations

from typing import Any

import orjson

from lbd.model.failure import LbdError
from lbd.model.messages import Call, Media, Part, Refusal, Result, Text, Thinking, Token, Turn
from lbd.shapes import dig, loose, tokens
from lbd.shapes.chat.turns import joined, linked
from lbd.shapes.gather import NO_ARGUMENTS
from lbd.shapes.responses import state

FAMILY = "openai"


class Conversation:
    """The items read so far."""

    def __init__(self, instructions: object) -> None:
        told = dig.maybe_text(instructions, "/instructions")
        self.system: list[Text] = [Text(told)] if told else []
        self._turns: list[Turn] = []
        self._names: dict[str, str] = {}  # of calls, by their ids

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns, those of one side that follow one another as one."""
        return joined(self._turns)

    def take(self, value: object) -> None:
        """Take what stands in ``input``: one message of the user, or a list of items."""
        if isinstance(value, str):
            self._turns.append(Turn("user", (Text(value),) if value else ()))
            return
        if value is None:
            raise dig.bad("/input", "expected a string or a list, got null")
        for item, at in dig.objects(value, "/input"):
            self._item(item, at)

    def _item(self, item: dict[str, Any], at: str) -> None:
        kind = item.get("type")
        if kind is None:
            kind = "message" if "role" in item else "item_reference"
        if kind == "item_reference":
            raise LbdError(state.reference(at))
        if kind == "message":
            self._message(item, at)
        elif kind == "function_call":
            self._call(item, at)
        elif kind == "function_call_output":
            self._result(item, at)
        elif kind == "reasoning":
            self._reasoning(item, at)
        else:
            raise dig.unsupported(f"{at}/type", f"an item of type {kind!r} cannot be translated")

    def _message(self, item: dict[str, Any], at: str) -> None:
        role = dig.text(item.get("role"), f"{at}/role")
        parts = content(item.get("content"), f"{at}/content")
        if role in ("user", "assistant"):
            self._turns.append(Turn("user" if role == "user" else "assistant", tuple(parts)))
            return
        if role not in ("system", "developer"):
            raise dig.bad(f"{at}/role", f"{role!r} is no role: system, developer, user or assistant")
        texts = [p for p in parts if isinstance(p, Text)]
        if len(texts) < len(parts):
            raise dig.unsupported(f"{at}/content", "instructions are text")
        if not self._turns:
            self.system += texts
        elif texts:  # in the middle of a conversation: only there does it mean what it says
            self._turns.append(Turn("user", tuple(texts)))

    def _call(self, item: dict[str, Any], at: str) -> None:
        id_ = dig.text(item.get("call_id"), f"{at}/call_id")
        name = self._names[id_] = dig.text(item.get("name"), f"{at}/name")
        arguments = _arguments(item.get("arguments"), f"{at}/arguments")
        token = _token(item.get("thought_signature"))
        self._turns.append(Turn("assistant", (Call(id_, name, arguments, token),)))

    def _result(self, item: dict[str, Any], at: str) -> None:
        id_ = dig.text(item.get("call_id"), f"{at}/call_id")
        given = tuple(p for p in content(item.get("output"), f"{at}/output") if isinstance(p, Text | Media))
        self._turns.append(Turn("user", (Result(id_, given, name=self._names.get(id_, "")),)))

    def _reasoning(self, item: dict[str, Any], at: str) -> None:
        """Take thoughts. What has a token but no summary, not even an empty one, is all token."""
        summary = [dig.text(s.get("text"), f"{p}/text") for s, p in dig.objects(item.get("summary"), f"{at}/summary")]
        raw = [dig.text(c.get("text"), f"{p}/text") for c, p in dig.objects(item.get("content"), f"{at}/content")]
        token = _token(item.get("encrypted_content"))
        told = "".join(raw) or "\n\n".join(summary)
        if told or token is not None:
            thoughts = Thinking(told, token, redacted=token is not None and not (raw or summary))
            self._turns.append(Turn("assistant", (thoughts,)))


def _token(value: object) -> Token | None:
    token = tokens.read(value, FAMILY) if isinstance(value, str) else None
    return token if token is not None and token.value else None


def _arguments(value: object, at: str) -> str:
    """Return the arguments of a call: other shapes hold them as an object, so text that is none has no place there."""
    told = dig.maybe_text(value, at)
    if told is None or not told.strip():
        return NO_ARGUMENTS
    try:
        dig.members(orjson.loads(told), at)
        return told
    except orjson.JSONDecodeError:
        pass
    try:
        found = loose.sound(loose.loads(told.encode()))
    except loose.UNREADABLE as e:
        raise dig.bad(at, f"the arguments are not JSON: {e}") from None
    return dig.encoded(dig.members(found, at), at).decode()


def content(value: object, at: str) -> list[Part]:
    """Return the parts of a message or of what a tool gave."""
    if isinstance(value, str):
        return [Text(value)] if value else []
    return [_part(part, place) for part, place in dig.objects(value, at)]


def _part(part: dict[str, Any], at: str) -> Part:
    kind = part.get("type")
    cache = part.get("prompt_cache_breakpoint") is not None
    if kind in ("input_text", "output_text", "text"):
        return Text(dig.text(part.get("text"), f"{at}/text"), cache)
    if kind == "refusal":
        return Refusal(dig.text(part.get("refusal"), f"{at}/refusal"))
    if kind == "input_image":
        detail = dig.maybe_text(part.get("detail"), f"{at}/detail")
        url = dig.maybe_text(part.get("image_url"), f"{at}/image_url")
        if url is not None:
            return linked("image", url, detail=detail, cache=cache)
        return Media("image", id=dig.text(part.get("file_id"), f"{at}/file_id"), detail=detail, cache=cache)
    if kind == "input_file":
        return _file(part, at, cache)
    raise dig.unsupported(f"{at}/type", f"a part of type {kind!r} cannot be translated")


def _file(part: dict[str, Any], at: str, cache: bool) -> Media:
    name = dig.maybe_text(part.get("filename"), f"{at}/filename")
    held = dig.maybe_text(part.get("file_data"), f"{at}/file_data")
    if held is not None:
        return linked("file", held if held.startswith("data:") else f"data:;base64,{held}", name=name, cache=cache)
    url = dig.maybe_text(part.get("file_url"), f"{at}/file_url")
    if url is not None:
        return linked("file", url, name=name, cache=cache)
    return Media("file", id=dig.text(part.get("file_id"), f"{at}/file_id"), name=name, cache=cache)
