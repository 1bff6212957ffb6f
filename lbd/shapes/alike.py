"""Events that differ from one read before in nothing but a piece of text: known by their bytes, not read again.

Most events of a stream are alike to the byte but for the text that they bring. Once one was read, what stands before
and behind its text is remembered, after a proof by the reader itself: with another text in that place, that text is
what it reads. An event with the same bytes around a text that needs no escapes is then certainly sound JSON which says
that text and nothing else. That is a matter of some comparisons, where reading is a matter of a microsecond.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

# A piece of a JSON string that stands for itself, in ASCII: no quote, no escape, no control character.
PLAIN = re.compile(rb"[ !#-\[\]-~]+")
plain = PLAIN.fullmatch

_PROBE = b"Probe 7fQz"
_UNLIKE = 8  # templates in a row that no event was like, until no more are looked for
_FEW = 2  # events that make a template worth its price


class Around(NamedTuple):
    """The bytes of an event before and behind its text."""

    head: bytes
    foot: bytes


def around(event: bytes, keys: Sequence[bytes], text_of: Callable[[bytes], str | None]) -> Around | None:
    """Return what stands around the text of an event, None where that is not certain.

    ``keys`` are what the text may stand behind (``"content":``); ``text_of`` reads an event's text, None where it
    says anything else beside.
    """
    if text_of(event) is None:
        return None
    for key in keys:
        at = event.find(key)
        if at < 0:
            continue
        begin = event.find(b'"', at + len(key)) + 1
        found = PLAIN.match(event, begin)
        if begin <= 0 or found is None:
            continue
        head, foot = event[:begin], event[found.end() :]
        if text_of(head + _PROBE + foot) == _PROBE.decode():
            return Around(head, foot)
    return None


class Luck:
    """Tells whether it is still worth looking for a template: some providers make every event another one."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = _UNLIKE
        self._at = -_FEW - 1

    def try_at(self, contents: int) -> bool:
        """Tell whether to look, at this count of events with content."""
        if not self._left:
            return False
        self._left = _UNLIKE if contents - self._at > _FEW else self._left - 1
        self._at = contents
        return True
