"""An answer that is told again, compared piece by piece with what its client already has of it.

Nothing goes on before all that was shown has come again, exactly; the first difference ends it. How a text is cut into
pieces does not matter. A tool call that was shown whole is compared as the JSON value that it is, since its client
reads no more than that; of one that was shown in part the same characters have to come again, since a client cannot
take back what it has. The ids of calls are each run's own: those that were shown stay.

What only its maker can read is never compared and never shown twice: thinking that was signed, or that the answer went
on from, must be the same to the character and have ended, and the signature of the second run is dropped. Where the
first run broke off within its thinking, the signature that comes at its end is the second run's, over its own thoughts,
which are those that the client has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from lbd.model.messages import Argued, Begin, Calling, Finished, Piece, Reason, Refused, Said, Thought, Used
from lbd.shapes.arguments import Arguments, Different

Told: TypeAlias = Said | Thought | Refused | Calling | Argued | Finished


class Shown(msgspec.Struct, frozen=True):
    """What a client has of an answer, in order; ``Begin`` is left out.

    A text or a thought of no characters has begun and holds nothing yet. ``closed``: what came last can be no longer
    (a block that was ended).
    """

    pieces: tuple[Told, ...]
    closed: bool = False


class _Part:
    """A stretch of one kind. ``closed``: it can be no longer. ``begun``: it was shown to begin, and holds nothing."""

    __slots__ = ("begun", "call", "closed", "kind", "text")

    def __init__(self, kind: type[Told], text: str, call: Calling | None = None) -> None:
        self.kind = kind
        self.text = text
        self.call = call
        self.closed = False
        self.begun = not text and call is None

    @property
    def open(self) -> bool:
        """Tell whether it has begun, and nothing but more of its own kind can follow."""
        return self.begun and not self.closed


class _Choice:
    """One choice: where in its parts the second run is."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.calls: dict[int, Arguments] = {}
        self.reason: Reason | None = None  # was shown
        self._at = 0
        self._offset = 0
        self._entered = -1  # the last call among the parts that has begun again
        self._ended = False  # with the reason that was shown

    # --- what was shown ------------------------------------------------------------------------------

    def show(self, piece: Told) -> None:
        """Take a piece that was shown."""
        last = self.parts[-1] if self.parts else None
        if isinstance(piece, Finished):
            self.reason = piece.reason
        elif isinstance(piece, Argued):
            call = self.calls.setdefault(piece.index, Arguments())
            call.shown += piece.arguments
        elif isinstance(piece, Calling):
            self.calls[piece.index] = Arguments()
            self.parts.append(_Part(Calling, "", piece))
        elif last is None or last.kind is not type(piece) or last.closed:
            self.parts.append(_Part(type(piece), piece.text))
        else:
            last.text += piece.text
            last.begun = last.begun and not piece.text
        if isinstance(piece, Thought) and piece.token is not None:
            self.parts[-1].closed = True

    def settle(self, *, closed: bool) -> None:
        """All that was shown is known."""
        if closed and self.parts:
            last = self.parts[-1]
            last.closed = True
            if last.call is not None:
                self.calls[last.call.index].closed = True
        for call in self.calls.values():
            call.settle()

    # --- what is told now ----------------------------------------------------------------------------

    @property
    def matched(self) -> bool:
        """Tell whether all that was shown has come again."""
        if self._at < len(self.parts) - 1 or (self._at < len(self.parts) and not self._passed()):
            return False
        if self.reason is not None and not self._ended:
            return False
        return all(call.matched for call in self.calls.values())

    def _passed(self) -> bool:
        part = self.parts[self._at]
        return self._entered == self._at if part.call is not None else self._offset == len(part.text)

    def _enter(self, kind: type[Told]) -> _Part | None:
        """Return the part in which a piece of this kind stands, None where it stands behind all that was shown."""
        while self._at < len(self.parts):
            part = self.parts[self._at]
            if part.kind is kind and part.call is None and not (self._passed() and part.closed):
                return part
            if part.kind is kind and part.call is not None and not self._passed():
                return part
            last = self._at == len(self.parts) - 1
            if not self._passed() or (last and part.open):
                raise Different(f"{_WORDS[kind]} in the place of {_WORDS[part.kind]}")
            if last and part.closed and part.kind is kind and part.call is None:
                raise Different(f"more of {_WORDS[kind]} that has ended")
            self._at, self._offset = self._at + 1, 0
        return None

    def text(self, kind: type[Told], text: str) -> str:
        """Return what of a text goes beyond what was shown. Raises Different."""
        while text:
            part = self._enter(kind)
            if part is None:
                return text
            shown = part.text[self._offset : self._offset + len(text)]
            if not text.startswith(shown):
                raise Different(_WORDS[kind])
            self._offset += len(shown)
            text = text[len(shown) :]
            if text:
                if part.closed:
                    raise Different(f"more of {_WORDS[kind]} that has ended")
                if self._at < len(self.parts) - 1:
                    raise Different(f"more of {_WORDS[kind]}")
                self._at += 1
        return ""

    def signed(self) -> bool:
        """Tell whether a signature that comes now is the client's first for these thoughts. Raises Different."""
        if self._at == len(self.parts):
            return True
        part, last = self.parts[self._at], self._at == len(self.parts) - 1
        if not self._passed() or (part.kind is not Thought and (not last or part.open)):
            raise Different("a signature in another place")
        if last and not part.closed:
            self._at += 1
            return True
        return part.kind is not Thought

    def calling(self, piece: Calling) -> bool:
        """Tell whether a call is new to the client. Raises Different."""
        part = self._enter(Calling)
        if part is None or part.call is None:
            return True
        if part.call.name != piece.name or part.call.index != piece.index:
            raise Different("another tool is called")
        self._entered = self._at
        return False

    def argued(self, piece: Argued) -> str:
        """Return what of a call's arguments goes beyond those that were shown. Raises Different."""
        call = self.calls.get(piece.index)
        return piece.arguments if call is None else call.more(piece.arguments)

    def finished(self, reason: Reason) -> bool:
        """Tell whether the end is new to the client. Raises Different."""
        if self.reason is None:
            empty = self._at < len(self.parts) and self.parts[-1].open
            if not self.matched or empty:
                raise Different("it ended before what was shown")
            self._at = len(self.parts)
            return True
        self._ended = True
        if reason is not self.reason or not self.matched:
            raise Different("it ended otherwise")
        return False


_WORDS: dict[type[Told], str] = {
    Said: "text",
    Thought: "thoughts",
    Refused: "a refusal",
    Calling: "a tool call",
}


class Comparer:
    """Takes the pieces of the second run; gives what goes on behind those that were shown."""

    def __init__(self, shown: Shown) -> None:
        self._choices: dict[int, _Choice] = {}
        for piece in shown.pieces:
            self._choices.setdefault(piece.choice, _Choice()).show(piece)
        for choice in self._choices.values():
            choice.settle(closed=shown.closed)
        self._held: list[Piece] = []  # of a choice that is further than another
        self.going = False  # something was given

    @property
    def matched(self) -> bool:
        """Tell whether all that was shown has come again."""
        return all(choice.matched for choice in self._choices.values())

    def feed(self, pieces: Iterable[Piece]) -> Sequence[Piece]:
        """Return what goes on, in order; nothing while the client has it already. Raises Different."""
        for piece in pieces:
            rest = None if isinstance(piece, Begin | Used) else self._rest(piece)
            if rest is not None:
                self._held.append(rest)
        if not self._held or not (self.going or self.matched):
            return ()
        out, self._held = self._held, []
        self.going = True
        return out

    def end(self) -> None:
        """The second run is whole. Raises Different where it ended before what was shown."""
        if not self.matched:
            raise Different("it ended before what was shown")

    def _rest(self, piece: Told) -> Told | None:
        choice = self._choices.get(piece.choice)
        if choice is None:
            return piece
        rest = _beyond(choice, piece)
        if rest is not None and choice.reason is not None:
            raise Different("it goes on behind its end")
        return rest


def _beyond(choice: _Choice, piece: Told) -> Told | None:
    """Return what of a piece goes beyond what was shown of its choice. Raises Different."""
    if isinstance(piece, Said | Refused):
        text = choice.text(type(piece), piece.text)
        return replace(piece, text=text) if text else None
    if isinstance(piece, Thought):
        return _thought(choice, piece)
    if isinstance(piece, Calling):
        return piece if choice.calling(piece) else None
    if isinstance(piece, Argued):
        more = choice.argued(piece)
        return replace(piece, arguments=more) if more else None
    return piece if choice.finished(piece.reason) else None


def _thought(choice: _Choice, piece: Thought) -> Thought | None:
    if piece.redacted:  # nobody can tell whether it is what came in its place
        if not choice.matched or not choice.signed():
            raise Different("hidden thoughts")
        return piece
    text = choice.text(Thought, piece.text)
    token = piece.token
    if token is not None and not text and not choice.signed():
        token = None
    return replace(piece, text=text, token=token) if text or token is not None else None
