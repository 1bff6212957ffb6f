"""A request of Anthropic's Messages API as a prompt, for providers of other shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import Call, Effort, Format, Media, Part, Prompt, Result, Text, Thinking, Token, Tool, Turn
from lbd.shapes import dig, loose, tokens
from lbd.shapes.chat.read import decode
from lbd.shapes.chat.turns import joined
from lbd.shapes.messages import errors

FAMILY = "anthropic"
# Wishes about the service, not about the answer: who cannot grant them serves the request all the same.
_HINTS = frozenset(
    {"model", "stream", "service_tier", "speed", "inference_geo", "cache_control", "context_management", "diagnostics"}
)
_KNOWN = _HINTS | {
    "max_tokens",
    "messages",
    "metadata",
    "output_config",
    "output_format",
    "stop_sequences",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
}
_CALL = b'"tool_use"'
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def _unthreaded(body: dict[str, Any]) -> None:
    """Refuse a conversation that the server is to hold, which no other provider does; the SDK then sends it whole."""
    thread = dig.maybe_members(body.pop("thread", None), "/thread")
    if thread is None:
        return
    lost = thread.get("type") == "continue"
    text = "/thread: this provider holds no conversations; send all messages, and no thread"
    code = errors.LOST_THREAD if lost else errors.NO_THREAD
    raise LbdError(Failure(FailureKind.UNSUPPORTED, text, param="/thread", code=code))


def read(raw: bytes) -> Prompt:
    """Return what a request asks. Raises LbdError, with the place of what is wrong in it."""
    body = decode(raw, loose.exact if _CALL in raw else orjson.loads)
    _unthreaded(body)
    dig.only(body, _KNOWN, "", body)
    names: dict[str, str] = {}
    turns: list[Turn] = []
    for message, at in dig.objects(body.get("messages"), "/messages"):
        if message.get("role") != "system":
            parts = _content(message.get("content"), f"{at}/content", names)
            turns.append(Turn(_role(message, at), tuple(parts)))
        elif turns:  # in the middle of a conversation: only there does it mean what it says
            turns.append(Turn("user", tuple(_texts(message.get("content"), f"{at}/content"))))
    choice = dig.maybe_members(body.get("tool_choice"), "/tool_choice") or {}
    kind = choice.get("type")
    if choice and kind != "tool" and (not isinstance(kind, str) or kind not in _CHOICES):
        raise dig.bad("/tool_choice/type", f"{kind!r} is none of auto, any, none, tool")
    one = dig.flag(choice.get("disable_parallel_tool_use"), "/tool_choice/disable_parallel_tool_use")
    user = (dig.maybe_members(body.get("metadata"), "/metadata") or {}).get("user_id")
    return Prompt(
        model=dig.text(body.get("model"), "/model"),
        turns=joined(turns),
        system=_system(body),
        tools=tuple(_tool(tool, at) for tool, at in dig.objects(body.get("tools"), "/tools")),
        choice="required" if kind == "tool" else _CHOICES.get(str(kind)),  # type: ignore[arg-type]
        tool=dig.text(choice.get("name"), "/tool_choice/name") if kind == "tool" else None,
        parallel=None if one is None else not one,
        max_tokens=dig.whole(body.get("max_tokens"), "/max_tokens"),
        temperature=dig.number(body.get("temperature"), "/temperature"),
        top_p=dig.number(body.get("top_p"), "/top_p"),
        top_k=dig.whole(body.get("top_k"), "/top_k"),
        stop=dig.words(body.get("stop_sequences"), "/stop_sequences"),
        format=_format(body),
        effort=_effort(body),
        user=dig.maybe_text(user, "/metadata/user_id"),
    )


def _role(message: dict[str, Any], at: str) -> Any:
    role = message.get("role")
    if role not in ("user", "assistant"):
        raise dig.bad(f"{at}/role", f"{role!r} is no role: user or assistant")
    return role


def _system(body: dict[str, Any]) -> tuple[Text, ...]:
    """Return the instructions: those above the conversation, and those that stand at its beginning."""
    out = _texts(body.get("system"), "/system")
    for message, at in dig.objects(body.get("messages"), "/messages"):
        if message.get("role") != "system":
            break
        out += _texts(message.get("content"), f"{at}/content")
    return tuple(out)


def _texts(value: object, at: str) -> list[Text]:
    if value is None:
        return []
    if isinstance(value, str):
        return [Text(value)] if value else []
    return [
        Text(dig.text(b.get("text"), f"{place}/text"), b.get("cache_control") is not None)
        for b, place in dig.objects(value, at)
    ]


def _content(content: object, at: str, names: dict[str, str]) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)] if content else []
    out: list[Part] = []
    for block, place in dig.objects(content, at):
        out += _about(block, place)
        out.append(_block(block, place, names))
    return out


def _about(block: dict[str, Any], at: str) -> list[Text]:
    """Return what is told of a document beside it: to a model it is text that stands before it."""
    if block.get("type") != "document":
        return []
    context = dig.maybe_text(block.get("context"), f"{at}/context")
    return [Text(context)] if context else []


def _block(block: dict[str, Any], at: str, names: dict[str, str]) -> Part:
    kind = block.get("type")
    cache = block.get("cache_control") is not None
    if kind == "text":
        return Text(dig.text(block.get("text"), f"{at}/text"), cache)
    if kind == "tool_use":
        id_, name = dig.text(block.get("id"), f"{at}/id"), dig.text(block.get("name"), f"{at}/name")
        names[id_] = name
        given = dig.encoded(dig.maybe_members(block.get("input"), f"{at}/input") or {}, f"{at}/input")
        return Call(id_, name, given.decode(), _token(block.get("thought_signature")), cache)
    if kind == "tool_result":
        id_ = dig.text(block.get("tool_use_id"), f"{at}/tool_use_id")
        failed = bool(dig.flag(block.get("is_error"), f"{at}/is_error"))
        return Result(id_, tuple(_given(block.get("content"), f"{at}/content")), failed, names.get(id_, ""), cache)
    if kind == "thinking":
        return Thinking(dig.text(block.get("thinking"), f"{at}/thinking"), _token(block.get("signature")))
    if kind == "redacted_thinking":
        return Thinking("", _token(block.get("data")), redacted=True)
    if kind in ("image", "document"):
        return _media("image" if kind == "image" else "file", block, at)
    raise dig.unsupported(f"{at}/type", f"a block of type {kind!r} cannot be translated")


def _given(content: object, at: str) -> Iterator[Text | Media]:
    """Yield what a tool gave."""
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for block, place in dig.objects(content, at):
        if block.get("type") not in ("text", "image", "document"):
            raise dig.unsupported(f"{place}/type", f"a tool that gives a {block.get('type')!r} cannot be translated")
        yield from _about(block, place)
        part = _block(block, place, {})
        if isinstance(part, Text | Media):
            yield part


def _token(value: object) -> Token | None:
    token = tokens.read(value, FAMILY) if isinstance(value, str) else None
    return token if token is not None and token.value else None


def _media(kind: Any, block: dict[str, Any], at: str) -> Part:
    source = dig.members(block.get("source"), f"{at}/source")
    form = source.get("type")
    name = dig.maybe_text(block.get("title"), f"{at}/title")
    cache = block.get("cache_control") is not None
    if form == "base64":
        type_ = dig.text(source.get("media_type"), f"{at}/source/media_type")
        return Media(kind, type_, data=dig.text(source.get("data"), f"{at}/source/data"), name=name, cache=cache)
    if form == "url":
        type_ = "application/pdf" if kind == "file" else ""
        return Media(kind, type_, url=dig.text(source.get("url"), f"{at}/source/url"), name=name, cache=cache)
    if form == "text":  # a document of plain text is as good as its words
        return Text(dig.text(source.get("data"), f"{at}/source/data"), cache)
    raise dig.unsupported(f"{at}/source/type", f"a source of type {form!r} cannot be translated")


def _tool(tool: dict[str, Any], at: str) -> Tool:
    if tool.get("type", "custom") not in ("custom", None):
        raise dig.unsupported(f"{at}/type", f"a tool of type {tool['type']!r} runs at its provider alone")
    return Tool(
        dig.text(tool.get("name"), f"{at}/name"),
        dig.maybe_text(tool.get("description"), f"{at}/description"),
        dig.maybe_members(tool.get("input_schema"), f"{at}/input_schema"),
        dig.flag(tool.get("strict"), f"{at}/strict"),
        tool.get("cache_control") is not None,
    )


def _format(body: dict[str, Any]) -> Format | None:
    config = dig.maybe_members(body.get("output_config"), "/output_config") or {}
    form = dig.maybe_members(config.get("format") or body.get("output_format"), "/output_config/format")
    if form is None:
        return None
    if form.get("type") != "json_schema":
        raise dig.unsupported("/output_config/format/type", f"{form.get('type')!r} cannot be translated")
    return Format(dig.members(form.get("schema"), "/output_config/format/schema"), strict=True)


def _effort(body: dict[str, Any]) -> Effort | None:
    config = dig.maybe_members(body.get("output_config"), "/output_config") or {}
    level = dig.maybe_text(config.get("effort"), "/output_config/effort")
    thinking = dig.maybe_members(body.get("thinking"), "/thinking") or {}
    kind = thinking.get("type")
    display = thinking.get("display")
    shown = None if display is None else display == "summarized"
    if kind == "disabled":
        return Effort(level, off=True)
    if kind == "enabled":
        return Effort(level, dig.whole(thinking.get("budget_tokens"), "/thinking/budget_tokens"), shown=shown)
    return None if kind is None and level is None else Effort(level, shown=shown)
