"""What a user said in a conversation, turn by turn, whatever shape the client speaks: the text that is judged.

Read only where a request leaves the choice to lbd. Instructions, answers, and what tools gave are left out: they are
the application's words and the model's, the same for easy questions and for hard ones.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lbd.shapes import loose
from lbd.shapes.loose import UNREADABLE

MOST_TURNS = 12  # of the user; what was said before them is history


class _Part(msgspec.Struct):
    type: Any = None
    text: Any = None


class _Said(msgspec.Struct):
    role: Any = None
    type: Any = None
    content: msgspec.Raw = msgspec.Raw(b'""')


class _Chat(msgspec.Struct):
    messages: list[_Said] = []


class _Responses(msgspec.Struct):
    input: msgspec.Raw = msgspec.Raw(b'""')


class _Completions(msgspec.Struct):
    prompt: Any = None


_read_chat = loose.reader(_Chat)
_read_responses = loose.reader(_Responses)
_read_completions = loose.reader(_Completions)
_read_items = loose.reader(list[_Said])
_read_parts = loose.reader(list[_Part])
_TEXT = frozenset({"text", "input_text"})


def messages(raw: bytes) -> tuple[str, ...]:
    """Return the user's turns of a conversation in ``messages``, the oldest first."""
    try:
        return _turns(_read_chat(raw).messages)
    except UNREADABLE:
        return ()


def items(raw: bytes) -> tuple[str, ...]:
    """Return the user's turns of a conversation in ``input``, the oldest first."""
    try:
        told = bytes(_read_responses(raw).input)
        if told.startswith(b"["):
            return _turns(_read_items(told))
        text = loose.value(told)
        return (text,) if isinstance(text, str) and text else ()
    except UNREADABLE:
        return ()


def prompt(raw: bytes) -> tuple[str, ...]:
    """Return what a completion goes on from: of several the longest."""
    try:
        told = _read_completions(raw).prompt
    except UNREADABLE:
        return ()
    texts = [t for t in (told if isinstance(told, list) else [told]) if isinstance(t, str) and t]
    return (max(texts, key=len),) if texts else ()


def _turns(said: list[_Said]) -> tuple[str, ...]:
    out: list[str] = []
    for one in reversed(said):
        if one.role == "user":
            text = _text(bytes(one.content))
            if text:
                out.append(text)
                if len(out) == MOST_TURNS:
                    break
    return tuple(reversed(out))


def _text(content: bytes) -> str:
    if content.startswith(b"["):
        return "\n".join(p.text for p in _read_parts(content) if p.type in _TEXT and isinstance(p.text, str))
    text = loose.value(content)
    return text if isinstance(text, str) else ""
