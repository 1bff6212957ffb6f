"""The arguments of a tool call that a client has, compared with those that are told again.

Those that were shown whole are the value that they mean, since that is what a client makes of them: the order of keys,
and how they are written, are no difference. Of those that were shown in part the same characters have to come again.
"""

from __future__ import annotations

import orjson

from lbd.shapes import loose

# Arguments that mean the same may be written with so much more white space and so many more escapes.
_LOOSER = 8
_FEW = 4096


class Different(Exception):
    """What is told now is not what was shown."""


class Arguments:
    """The arguments of one call. ``closed``: they were ended, and can be no longer."""

    __slots__ = ("_again", "_at", "_value", "closed", "matched", "shown")

    def __init__(self) -> None:
        self.shown = ""
        self.closed = False
        self.matched = False  # all of it has come again
        self._value: bytes | None = None  # where it was shown whole
        self._at = 0  # so many characters have come again, where it was not
        self._again: list[str] = []  # what has come, where it was

    def settle(self) -> None:
        """All that was shown of them is known."""
        self._value = canonical(self.shown)
        if self.closed and not self.shown.strip():  # a block that ended without any means none
            self._value = b"{}"
        self.matched = not self.shown.strip() if self._value is not None else not self.shown

    def more(self, text: str) -> str:
        """Take more of the arguments; return what goes beyond those that were shown. Raises Different."""
        if self._value is not None:
            self._whole(text)
            return ""
        n = min(len(text), len(self.shown) - self._at)
        if not self.shown.startswith(text[:n], self._at):
            raise Different("the arguments of a tool call")
        self._at += n
        self.matched = self._at == len(self.shown)
        rest = text[n:]
        if rest.strip() and self.closed:
            raise Different("the arguments of a tool call go on")
        return "" if self.closed else rest

    def _whole(self, text: str) -> None:
        if self.matched and self._again:
            if text.strip():
                raise Different("the arguments of a tool call go on behind their end")
            return
        self._again.append(text)
        told = canonical("".join(self._again)) if "}" in text else None
        self.matched = told is not None or not (self.shown.strip() or "".join(self._again).strip())
        if told is not None and told != self._value:
            raise Different("the arguments of a tool call")
        if told is None and sum(map(len, self._again)) > _LOOSER * len(self.shown) + _FEW:
            raise Different("the arguments of a tool call are longer")


def canonical(text: str) -> bytes | None:
    """Return the arguments of a call in the one way to write their value; None where they are not whole.

    Only an object is: everything else could go on. What is nested deeper than can be written is compared as it is.
    """
    if not text.rstrip().endswith("}"):
        return None
    try:
        value = loose.value(text.encode("utf-8", "surrogatepass"))
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS) if isinstance(value, dict) else None
    except (*loose.UNREADABLE, TypeError):
        return None
