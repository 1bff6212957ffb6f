"""What a deployment adds to every prompt of its own: a system text before the client's, words around its last message.

Nothing of the client's is lost or moved: texts grow at their ends, and a system message is put first where there was
none. On a translated request it happens to the prompt; where bytes pass, to the members that must change, everything
else staying as it came. The last message of the user is the last that holds words: a tool's result is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import orjson
from msgspec.structs import replace

from lbd.model.messages import Part, Prompt, Result, Text, Turn
from lbd.model.provider import DeploymentSpec, PromptSpec
from lbd.model.request import Body
from lbd.shapes import dig, edit
from lbd.shapes.ignore import Encode
from lbd.shapes.loose import UNREADABLE

GAP = "\n\n"  # between the system text and the client's own


def of_prompt(prompt: Prompt, added: PromptSpec | None) -> Prompt:
    """Return the prompt with what is added to it."""
    if added is None:
        return prompt
    if added.system:
        own = Text(added.system + GAP) if prompt.system else Text(added.system)
        prompt = replace(prompt, system=(own, *prompt.system))
    if not added.prefix and not added.suffix:
        return prompt
    for i in range(len(prompt.turns) - 1, -1, -1):
        turn = prompt.turns[i]
        if turn.role == "user" and any(isinstance(p, Text) for p in turn.parts):
            turns = (*prompt.turns[:i], Turn("user", _wrapped(turn.parts, added)), *prompt.turns[i + 1 :])
            return replace(prompt, turns=turns)
    return prompt


def _wrapped(parts: tuple[Part, ...], added: PromptSpec) -> tuple[Part, ...]:
    """Return the parts with their last run of words wrapped: tools' results before it are no words of the user."""
    last = max(i for i, p in enumerate(parts) if isinstance(p, Text))
    after = max((i for i, p in enumerate(parts[:last]) if isinstance(p, Result)), default=-1)
    first = next(i for i in range(after + 1, last + 1) if isinstance(parts[i], Text))
    out = list(parts)
    for i, before, behind in ((first, added.prefix, ""), (last, "", added.suffix)):
        part = out[i]
        if isinstance(part, Text):
            out[i] = replace(part, text=before + part.text + behind)
    return tuple(out)


def of_body(encode: Encode, shape: str) -> Encode:
    """Return an encoder of this client shape whose requests hold what their deployment adds."""
    change = _CHANGES.get(shape)
    if change is None:
        return encode

    def with_it(body: Body, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
        raw = encode(body, row, stream, ask_usage)
        if row.prompt is None:  # a probe's: it asks whether anybody is there
            return raw
        try:
            members = change(_members(raw), row.prompt)
        except UNREADABLE:  # it is the provider's to refuse
            return raw
        return edit.with_members(raw, members) if members else raw

    return with_it


Members = Mapping[str, msgspec.Raw]
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_NULL = b"null"


class _Part(msgspec.Struct):
    type: Any = None
    text: msgspec.Raw = msgspec.Raw(_NULL)


class _Message(msgspec.Struct):
    type: Any = None
    role: Any = None
    content: msgspec.Raw = msgspec.Raw(_NULL)


_part = msgspec.json.Decoder(_Part).decode
_message = msgspec.json.Decoder(_Message).decode


def _inside(text: str) -> bytes:
    """Return a text as it stands between the quotes of JSON."""
    return orjson.dumps(text)[1:-1]


def _around(before: str, string: bytes, behind: str) -> bytes:
    """Return an encoded string with texts at its ends; what is in between stays as it was written."""
    return b'"%b%b%b"' % (_inside(before), string[1:-1], _inside(behind))


def _list(items: Sequence[bytes]) -> bytes:
    return b"[%b]" % b",".join(items)


def _is_text(raw: bytes) -> bool:
    return raw.startswith(b'"')


def _content(content: bytes, before: str, behind: str) -> bytes | None:
    """Return a content with words at the ends of its words, None where it holds none."""
    if _is_text(content):
        return _around(before, content, behind)
    if not content.startswith(b"["):
        return None
    parts = [bytes(p) for p in _items(content)]
    words = [i for i, p in enumerate(parts) if p.startswith(b"{") and _is_text(bytes(_part(p).text))]
    if not words:
        return None
    for i, at_start, at_end in ((words[0], before, ""), (words[-1], "", behind)):
        parts[i] = edit.with_members(parts[i], {"text": _around(at_start, bytes(_part(parts[i]).text), at_end)})
    return _list(parts)


def _last(messages: list[bytes], added: PromptSpec) -> list[bytes]:
    """Return the messages with the last one of the user that holds words wrapped."""
    if not added.prefix and not added.suffix:
        return messages
    for i in range(len(messages) - 1, -1, -1):
        if not messages[i].startswith(b"{"):
            continue
        message = _message(messages[i])
        if message.role != "user" or message.type not in (None, "message"):
            continue
        content = _content(bytes(message.content), added.prefix, added.suffix)
        if content is not None:
            return [*messages[:i], edit.with_members(messages[i], {"content": content}), *messages[i + 1 :]]
    return messages


def _first(content: bytes, system: str) -> bytes:
    """Return the client's system text with another one before it."""
    if _is_text(content):
        return _around(system + GAP, content, "") if len(content) > len('""') else orjson.dumps(system)
    own = orjson.dumps({"type": "text", "text": system})
    if not content.startswith(b"["):
        return orjson.dumps(system)
    return _list([own, *(bytes(p) for p in _items(content))])


def _chat(members: Members, added: PromptSpec) -> dict[str, bytes]:
    messages = _last([bytes(m) for m in _items(members["messages"])] if "messages" in members else [], added)
    if added.system:
        head = _message(messages[0]) if messages and messages[0].startswith(b"{") else _Message()
        if head.role in ("system", "developer"):
            content = _first(bytes(head.content), added.system)
            messages = [edit.with_members(messages[0], {"content": content}), *messages[1:]]
        else:
            messages = [orjson.dumps({"role": "system", "content": added.system}), *messages]
    return {"messages": _list(messages)}


def _messages(members: Members, added: PromptSpec) -> dict[str, bytes]:
    out = {"messages": _list(_last([bytes(m) for m in _items(members["messages"])], added))}
    if added.system:
        out["system"] = _first(bytes(members.get("system", _NULL)), added.system)
    return out


def _responses(members: Members, added: PromptSpec) -> dict[str, bytes]:
    out: dict[str, bytes] = {}
    given = bytes(members.get("input", _NULL))
    if _is_text(given):
        out["input"] = _around(added.prefix, given, added.suffix)
    elif given != _NULL:
        out["input"] = _list(_last([bytes(m) for m in _items(given)], added))
    if added.system:
        out["instructions"] = _first(bytes(members.get("instructions", _NULL)), added.system)
    return out


def _completions(members: Members, added: PromptSpec) -> dict[str, bytes]:
    """Return a text to go on from with everything before and behind it: it has no other place."""
    before = (added.system + GAP if added.system else "") + added.prefix
    given = bytes(members.get("prompt", _NULL))
    if _is_text(given):
        return {"prompt": _around(before, given, added.suffix)}
    if given == _NULL:
        return {}
    prompts = [bytes(p) for p in _items(given)]
    if not all(map(_is_text, prompts)):
        raise dig.unsupported("/prompt", "this deployment adds words of its own, which token ids do not take")
    return {"prompt": _list([_around(before, p, added.suffix) for p in prompts])}


_CHANGES: Mapping[str, Callable[[Members, PromptSpec], dict[str, bytes]]] = {
    "anthropic.count_tokens": _messages,
    "openai.input_tokens": _responses,
    "anthropic.messages": _messages,
    "openai.chat": _chat,
    "openai.completions": _completions,
    "openai.responses": _responses,
}
