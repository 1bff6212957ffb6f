"""How a stream of text completions is taken up where it broke."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from lbd.model.messages import Begin, Finished, Piece, Reason, Said
from lbd.shapes.chat.hear import REASONS
from lbd.shapes.chat.resume import begin, chunks, only
from lbd.shapes.completions.speak import CompletionsSpeaker
from lbd.shapes.retold import Shown, Told
from lbd.shapes.splice import CannotSplice, Point, Resume

_CHOICE = frozenset({"index", "text", "finish_reason", "content_filter_results", "stop_reason", "matched_stop"})


def _told(chunk: dict[str, Any], *, strict: bool) -> Iterable[Told]:
    for choice in chunk.get("choices") or ():
        if strict:
            only(choice, _CHOICE)
        index, text, reason = choice.get("index", 0), choice.get("text"), choice.get("finish_reason")
        if not isinstance(index, int):
            raise CannotSplice("a choice does not say which it is")
        if isinstance(text, str) and text:
            yield Said(text, index)
        if isinstance(reason, str) and reason:
            yield Finished(REASONS.get(reason, Reason.STOP), index)


def read(sent: bytes) -> Point:
    """Return where a client's stream stands. Raises CannotSplice."""
    head, told = Begin("", ""), list[Told]()
    for chunk in chunks(sent):
        if not head.id:
            head = begin(chunk)
        told += _told(chunk, strict=True)
    return Point(Shown(tuple(told)), partial(_speaker, head))


def _speaker(head: Begin, wants_usage: bool, asked: bytes) -> CompletionsSpeaker:
    speaker = CompletionsSpeaker(wants_usage, asked)
    speaker.say((head,))
    return speaker


def hear() -> Callable[[bytes], Sequence[Piece]]:
    """Return what reads the pieces that are told again."""
    return lambda told: [piece for chunk in chunks(told) for piece in _told(chunk, strict=False)]


RESUME = Resume(read, hear)
