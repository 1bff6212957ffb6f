"""Pieces put together into the answer they are of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lbd.model.messages import (
    Answer,
    Argued,
    Begin,
    Call,
    Calling,
    Choice,
    Finished,
    Part,
    Piece,
    Reason,
    Refusal,
    Refused,
    Said,
    Text,
    Thinking,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage

NO_ARGUMENTS = "{}"  # of a call that was given none: no text at all would be no JSON
_NO_BEGIN = Begin("", "")


class _Gathering:
    """One choice under way: like pieces that follow one another are one part."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.calls: dict[int, tuple[int, Calling, list[str]]] = {}  # index -> place among the parts, head, arguments
        self.logprobs: dict[str, Any] = {}
        self.reason: Reason | None = None
        self.stop: str | None = None
        self._open: list[str] = []
        self._kind: type[Text | Thinking | Refusal] | None = None

    def more(self, kind: type[Text | Thinking | Refusal], text: str) -> None:
        if self._kind is not kind:
            self.close()
            self._kind = kind
        self._open.append(text)

    def close(self, token: Token | None = None) -> None:
        kind, text = self._kind, "".join(self._open)
        self._kind, self._open = None, []
        if kind is Thinking:
            self.parts.append(Thinking(text, token))
        elif kind is not None and text:
            self.parts.append(kind(text))

    def thought(self, piece: Thought) -> None:
        if piece.redacted:
            self.close()
            self.parts.append(Thinking("", piece.token, redacted=True))
            return
        if piece.text or piece.token is not None:
            self.more(Thinking, piece.text)
        if piece.token is not None:
            self.close(piece.token)

    def counted(self, logprobs: dict[str, Any]) -> None:
        for key, told in logprobs.items():
            known = self.logprobs.get(key)
            if isinstance(known, list) and isinstance(told, list):
                self.logprobs[key] = [*known, *told]
            elif told is not None or key not in self.logprobs:
                self.logprobs[key] = told

    def calling(self, piece: Calling) -> None:
        self.close()
        self.settle(piece.index)
        self.calls[piece.index] = (len(self.parts), piece, [])
        self.parts.append(Call(piece.id, piece.name, NO_ARGUMENTS, piece.token))

    def settle(self, index: int) -> None:
        """Give a call the arguments that have come for it."""
        if index in self.calls:
            place, head, arguments = self.calls[index]
            self.parts[place] = Call(head.id, head.name, "".join(arguments) or NO_ARGUMENTS, head.token)

    def argued(self, piece: Argued) -> None:
        known = self.calls.get(piece.index)
        if known is not None:
            known[2].append(piece.arguments)

    def whole(self) -> Choice:
        self.close()
        for index in self.calls:
            self.settle(index)
        reason = self.reason or (Reason.CALLS if self.calls else Reason.STOP)
        return Choice(tuple(self.parts), reason, self.stop, self.logprobs or None)


def gather(pieces: Iterable[Piece]) -> Answer:
    """Return the answer. A choice without an end counts as stopped, what names no choice belongs to the first."""
    begin, usage = _NO_BEGIN, None
    choices: dict[int, _Gathering] = {}
    for piece in pieces:
        if isinstance(piece, Begin):
            begin, usage = piece, piece.usage or usage
        elif isinstance(piece, Used):
            usage = piece.usage
        else:
            _add(choices.setdefault(piece.choice, _Gathering()), piece)
    whole = tuple(choices[i].whole() for i in sorted(choices)) or (Choice((), Reason.STOP),)
    return Answer(begin.id, begin.model, whole, usage, begin.created, begin.fingerprint)


def _add(choice: _Gathering, piece: Said | Thought | Refused | Calling | Argued | Finished) -> None:
    if isinstance(piece, Said):
        if piece.text:
            choice.more(Text, piece.text)
        if isinstance(piece.logprobs, dict):
            choice.counted(piece.logprobs)
    elif isinstance(piece, Thought):
        choice.thought(piece)
    elif isinstance(piece, Refused):
        if piece.text:
            choice.more(Refusal, piece.text)
    elif isinstance(piece, Calling):
        choice.calling(piece)
    elif isinstance(piece, Argued):
        choice.argued(piece)
    else:
        choice.reason, choice.stop = piece.reason, piece.stop


def pieces_of(answer: Answer) -> list[Piece]:
    """Return the pieces of a whole answer, one of each part."""
    out: list[Piece] = [Begin(answer.id, answer.model, answer.created, answer.fingerprint)]
    for number, choice in enumerate(answer.choices):
        index = 0
        logprobs = choice.logprobs
        for part in choice.parts:
            if isinstance(part, Text):
                out.append(Said(part.text, number, logprobs))
                logprobs = None
            elif isinstance(part, Thinking):
                out.append(Thought(part.text, number, part.token, part.redacted))
            elif isinstance(part, Refusal):
                out.append(Refused(part.text, number))
            elif isinstance(part, Call):
                out += (Calling(index, part.id, part.name, number, part.token), Argued(index, part.arguments, number))
                index += 1
        if logprobs is not None:  # of a refusal, or of a call
            out.append(Said("", number, logprobs))
        out.append(Finished(choice.reason, number, choice.stop))
    if answer.usage is not None:
        out.append(Used(answer.usage))
    return out


def total(known: Usage | None, more: Usage) -> Usage:
    """Return a usage that came in parts: a later word on a count replaces an earlier one, silence does not."""
    if known is None:
        return more
    return Usage(
        more.prompt or known.prompt,
        more.completion or known.completion,
        more.cached or known.cached,
        more.reasoning or known.reasoning,
        more.estimated and known.estimated,
        more.written or known.written,
    )
