"""The messages of a chat-completion request as the turns of a conversation."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

import orjson

from lbd.model.messages import Call, Media, Part, Refusal, Result, Text, Thinking, Turn
from lbd.shapes import dig, loose, tokens
from lbd.shapes.gather import NO_ARGUMENTS


def joined(turns: list[Turn]) -> tuple[Turn, ...]:
    """Return the turns with those of one side that follow one another as one: other shapes want them to alternate."""
    sides = [list(side) for _, side in groupby(turns, attrgetter("role"))]  # each is copied once, however long it is
    return tuple(
        side[0] if len(side) == 1 else Turn(side[0].role, tuple(part for turn in side for part in turn.parts))
        for side in sides
    )


def add(message: dict[str, Any], at: str, system: list[Text], turns: list[Turn], names: dict[str, str]) -> None:
    """Add one message of a request to what was said so far; ``names`` are those of the calls by their ids."""
    role = dig.text(message.get("role"), f"{at}/role")
    content = message.get("content")
    where = f"{at}/content"
    if role in ("system", "developer"):
        parts = _content(content, where)
        if any(not isinstance(p, Text) for p in parts):
            raise dig.unsupported(where, "instructions are text")
        texts = [p for p in parts if isinstance(p, Text)]
        if not turns:
            system += texts
        elif texts:  # in the middle of a conversation: only there does it mean what it says
            turns.append(Turn("user", tuple(texts)))
    elif role == "user":
        turns.append(Turn("user", tuple(_content(content, where))))
    elif role == "assistant":
        turns.append(Turn("assistant", tuple(_assistant(message, at, names))))
    elif role in ("tool", "function"):
        call = message.get("tool_call_id") if role == "tool" else message.get("name")
        id_ = dig.text(call, f"{at}/{'tool_call_id' if role == 'tool' else 'name'}")
        given = tuple(p for p in _content(content, where) if isinstance(p, Text | Media))
        turns.append(Turn("user", (Result(id_, given, name=names.get(id_, "")),)))
    else:
        raise dig.bad(f"{at}/role", f"{role!r} is no role: system, developer, user, assistant or tool")


def _content(content: object, at: str) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)] if content else []
    return [_part(part, place) for part, place in dig.objects(content, at)]


def _part(part: dict[str, Any], at: str) -> Part:
    kind = part.get("type")
    cache = part.get("cache_control") is not None
    if kind in ("text", "input_text", "output_text"):
        return Text(dig.text(part.get("text"), f"{at}/text"), cache)
    if kind == "refusal":
        return Refusal(dig.text(part.get("refusal"), f"{at}/refusal"))
    if kind == "image_url":
        image = part.get("image_url")
        if isinstance(image, str):
            image = {"url": image}
        image = dig.members(image, f"{at}/image_url")
        detail = dig.maybe_text(image.get("detail"), f"{at}/image_url/detail")
        return linked("image", dig.text(image.get("url"), f"{at}/image_url/url"), detail=detail, cache=cache)
    if kind == "input_audio":
        audio = dig.members(part.get("input_audio"), f"{at}/input_audio")
        form = dig.text(audio.get("format"), f"{at}/input_audio/format")
        data = dig.text(audio.get("data"), f"{at}/input_audio/data")
        return Media("audio", "audio/mpeg" if form == "mp3" else f"audio/{form}", data=data)
    if kind == "file":
        file = dig.members(part.get("file"), f"{at}/file")
        name = dig.maybe_text(file.get("filename"), f"{at}/file/filename")
        held = dig.maybe_text(file.get("file_data"), f"{at}/file/file_data")
        if held is None:
            return Media("file", id=dig.text(file.get("file_id"), f"{at}/file/file_id"), name=name, cache=cache)
        return linked("file", held, name=name, cache=cache)
    raise dig.unsupported(f"{at}/type", f"a part of type {kind!r} cannot be translated")


def linked(
    kind: Literal["image", "audio", "file"],
    url: str,
    *,
    detail: str | None = None,
    name: str | None = None,
    cache: bool = False,
) -> Media:
    """Return media from a URL; a ``data:`` URL holds them itself."""
    if not url.startswith("data:"):
        return Media(kind, url=url, detail=detail, name=name, cache=cache)
    head, _, data = url[5:].partition(",")
    type_ = head.partition(";")[0] or ("application/pdf" if kind == "file" else "")
    return Media(kind, type_, data=data, detail=detail, name=name, cache=cache)


def _assistant(message: dict[str, Any], at: str, names: dict[str, str]) -> list[Part]:
    if message.get("audio") is not None:
        raise dig.unsupported(f"{at}/audio", "sound that the model said lies at its provider")
    out = _thoughts(message, at)
    out += _content(message.get("content"), f"{at}/content")
    if message.get("refusal"):
        out.append(Refusal(dig.text(message["refusal"], f"{at}/refusal")))
    for call, place in dig.objects(message.get("tool_calls"), f"{at}/tool_calls"):
        if call.get("type", "function") != "function":
            raise dig.unsupported(f"{place}/type", "only calls of functions can be translated")
        function = dig.members(call.get("function"), f"{place}/function")
        id_ = dig.text(call.get("id"), f"{place}/id")
        name = names[id_] = dig.text(function.get("name"), f"{place}/function/name")
        arguments = _arguments(function.get("arguments"), f"{place}/function/arguments")
        out.append(Call(id_, name, arguments, _signature(call)))
    old = dig.maybe_members(message.get("function_call"), f"{at}/function_call")
    if old is not None:
        name = dig.text(old.get("name"), f"{at}/function_call/name")
        names[name] = name
        out.append(Call(name, name, _arguments(old.get("arguments"), f"{at}/function_call/arguments")))
    return out


def _arguments(value: object, at: str) -> str:
    """Return the arguments of a call: other shapes hold them as an object, so text that is none has no place there."""
    told = dig.maybe_text(value, at)
    if told is None or not told.strip():
        return NO_ARGUMENTS
    try:
        found = orjson.loads(told)
    except orjson.JSONDecodeError:
        try:
            found = loose.sound(loose.loads(told.encode()))
        except loose.UNREADABLE as e:
            raise dig.bad(at, f"the arguments are not JSON: {e}") from None
        told = dig.encoded(found, at).decode()
    dig.members(found, at)
    return told


def _signature(call: dict[str, Any]) -> Any:
    """Return the thought signature of a call, where Gemini's OpenAI-compatible clients keep it."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    value = google.get("thought_signature") if isinstance(google, dict) else None
    return tokens.read(value, "gemini") if isinstance(value, str) else None


def _thoughts(message: dict[str, Any], at: str) -> list[Part]:
    """Return what was thought: ``reasoning_details`` with their tokens, each with all words up to it, or bare text."""
    out: list[Part] = []
    words = ""
    for detail, _ in dig.objects(message.get("reasoning_details"), f"{at}/reasoning_details"):
        value = detail.get("signature") or detail.get("data")
        thought = detail.get("text") or detail.get("summary")
        words += thought if isinstance(thought, str) else ""
        if isinstance(value, str) and value:
            redacted = value == detail.get("data")
            out.append(Thinking("" if redacted else words, tokens.read(value, ""), redacted))
            words = ""
    bare = message.get("reasoning_content") or message.get("reasoning")
    if not out and isinstance(bare, str):
        return [Thinking(bare)]
    return [*out, Thinking(words)] if words else out
