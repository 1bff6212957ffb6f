r"""Characters whose halves come in two events of a stream, put together again.

Servers that cut text by UTF-16 units send ``"\ud83d"`` in one delta and ``"\ude00"`` in the next. Clients of the same
shape join them; who is answered in another one would get two marks of what cannot be read in their place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from lbd.shapes import loose

_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
_HIGH = range(0xD800, 0xDC00)
_Place = tuple[object, ...]


class Halves:
    """Reads the events of one stream; of a text that ends with half a character, that half waits for its other one."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[_Place, str] = {}

    def read(self, data: bytes) -> Any:
        """Return an event with whole characters only. Raises what ``loose.UNREADABLE`` names."""
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            event = loose.loads(data)
        else:
            if not self._waiting:
                return event
        for choice in loose.items(loose.members(event).get("choices")):
            self._choice(loose.members(choice))
        return loose.sound(event)

    def _choice(self, choice: dict[str, Any]) -> None:
        number, ends = choice.get("index", 0), bool(choice.get("finish_reason"))
        delta = choice.get("delta")
        if ends and not isinstance(delta, dict):
            delta = choice["delta"] = {}
        for at, holder, key in _places(loose.members(delta)):
            place = (number, *at)
            text = holder.get(key)
            if isinstance(text, str) or (ends and place in self._waiting):
                text = self._waiting.pop(place, "") + loose.string(text)
                if text and not ends and ord(text[-1]) in _HIGH:
                    text, self._waiting[place] = text[:-1], text[-1]
                holder[key] = text


def _places(delta: dict[str, Any]) -> Iterable[tuple[_Place, dict[str, Any], str]]:
    """Yield where a delta may hold text: what it is called from event to event, the object, its member."""
    for name in _TEXTS:
        yield (name,), delta, name
    for call in loose.items(delta.get("tool_calls")):
        told = loose.members(call)
        index = told.get("index")
        yield ("call", index if isinstance(index, int) else 0), loose.members(told.get("function")), "arguments"
