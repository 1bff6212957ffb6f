"""Whether a text may hold a piece of a secret: a quick look, for what is looked at with each attempt."""

from __future__ import annotations

from collections.abc import Iterable

from lbd.shapes.veil import GRAM
from lbd.upstream.respond import LONGEST_ID

# Characters that are looked at, from each place of a text that is so far from the one before: every piece of ``GRAM``
# characters that stands in it holds all of one of them.
WINDOW = 3
STEP = GRAM - WINDOW + 1
_WINDOWS = tuple(slice(at, at + WINDOW) for at in range(0, LONGEST_ID - WINDOW + 1, STEP))
_PLACES = tuple(_WINDOWS[: max(0, length + STEP - WINDOW) // STEP] for length in range(LONGEST_ID + 1))


class Pieces:
    """Pieces of secrets, and a quick look whether a text may hold one, in whatever case. They do not show when printed.

    A hosted key has some fifty of them, and looking for each takes 2 us; each attempt has two ids to be looked at.
    """

    __slots__ = ("_clean", "_pieces", "_short", "_windows")

    def __init__(self, pieces: Iterable[str] = ()) -> None:
        self._pieces = tuple(piece.lower() for piece in pieces)
        self._clean = ""  # the last that came again and again
        self._short = tuple(piece for piece in self._pieces if len(piece) < GRAM)
        self._windows = frozenset(
            piece[at : at + WINDOW]
            for piece in self._pieces
            if len(piece) >= GRAM
            for at in range(len(piece) - WINDOW + 1)
        )

    def within(self, text: str) -> bool:
        """Tell whether one of them stands in a text."""
        text, pieces = text.lower(), self._pieces
        if len(text) <= LONGEST_ID and self._windows.isdisjoint(map(text.__getitem__, _PLACES[len(text)])):
            pieces = self._short
        for piece in pieces:  # noqa: SIM110  any() takes three times as long for a few
            if piece in text:
                return True
        return False

    def seen(self, text: str) -> bool:
        """Tell the same of a text that comes again and again: a build of a model."""
        if text == self._clean:
            return False
        found = self.within(text)
        if not found:
            self._clean = text
        return found

    def __repr__(self) -> str:
        """Tell nothing of them."""
        return "Pieces(...)"
