"""Token counts that a provider did not tell, or told as noughts: what they are taken for, and marked as estimates.

Clients add counts up and pay by them, budgets are held by them: nothing for a prompt that was read and an answer that
is there is wrong. A token of text is some four bytes; a delta of a stream is a token or little more.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import orjson
from msgspec.structs import replace

from lbd.model.outcome import Usage
from lbd.model.units import BYTES_PER_TOKEN, Tokens
from lbd.shapes import loose
from lbd.shapes.loose import UNREADABLE

# Members of an answer, in any client's shape, that hold what a model wrote; below those that hold its choices.
_ANSWERS = ("choices", "content", "output")
_WRITTEN = frozenset({"arguments", "content", "reasoning_content", "refusal", "text", "thinking"})
_OBJECTS = frozenset({"input"})  # the arguments of a call as an object
_SAME_AGAIN = frozenset({"logprobs", "reasoning_details", "annotations"})


def prompt_tokens(text_bytes: int, per_byte: float = 1 / BYTES_PER_TOKEN) -> Tokens:
    """Return about how many tokens the text of a request has; none has nothing to read."""
    return max(1, round(text_bytes * per_byte))


def answer_tokens(answer: bytes) -> Tokens:
    """Return about how many tokens were written for a whole answer: by its texts, its calls and its thoughts.

    It is in a client's shape. What cannot be read is counted by all its bytes.
    """
    try:
        found = loose.value(answer)
        size = sum(map(_size, _written(found))) if isinstance(found, dict) else len(answer)
    except UNREADABLE:
        size = len(answer)
    return -(-size // BYTES_PER_TOKEN)


def unsaid(told: Usage | None, contents: Tokens) -> bool:
    """Tell whether a count of an answer is missing that holds so much: no prompt has no tokens."""
    return told is None or told.estimated or not told.prompt or bool(contents and not told.completion)


def filled(told: Usage | None, prompt: Tokens, contents: Tokens) -> Usage:
    """Return the counts with estimates in place of those that are missing, and marked so.

    More than was told is never taken back: what came last may be the count of the beginning.
    """
    known = told or Usage()
    return replace(known, prompt=known.prompt or prompt, completion=max(known.completion, contents), estimated=True)


def _written(answer: dict[str, object]) -> Iterator[object]:
    for name in _ANSWERS:
        if name in answer:
            yield from _below(answer[name])


def _below(found: object) -> Iterator[object]:
    if isinstance(found, list):
        for item in found:
            yield from _below(item)
    elif isinstance(found, dict):
        for name, value in found.items():
            if name in _OBJECTS or (name in _WRITTEN and isinstance(value, str)):
                yield value
            elif name not in _SAME_AGAIN:
                yield from _below(value)


def _size(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "replace"))
    try:
        return len(orjson.dumps(value))
    except (TypeError, msgspec.MsgspecError):  # nested deeper than it writes
        return BYTES_PER_TOKEN
