"""Pieces as text completions: the text alone, since nothing else has a place there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from lbd.model.messages import Answer, Begin, Finished, Piece, Refusal, Refused, Said, Text, Used
from lbd.model.outcome import Usage
from lbd.shapes.chat.speak import WORDS, head, usage_fields


class CompletionsSpeaker:
    """See :class:`lbd.shapes.dialect.Speaker`."""

    def __init__(self, wants_usage: bool, _asked: bytes = b"") -> None:
        self._wants_usage = wants_usage
        self._head = _head(Begin("", ""))
        self._usage: Usage | None = None

    def say(self, pieces: Iterable[Piece]) -> bytes:
        """Return the chunks of these pieces."""
        out = []
        for piece in pieces:
            if isinstance(piece, Begin):
                self._head = _head(piece)
            elif isinstance(piece, Used):
                self._usage = piece.usage
            elif isinstance(piece, Said | Refused):
                out.append(self._chunk([_choice(piece.choice, piece.text, None)]))
            elif isinstance(piece, Finished):
                out.append(self._chunk([_choice(piece.choice, "", WORDS[piece.reason])]))
        return b"".join(out)

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: %b\n\n" % orjson.dumps({**self._head, "choices": choices, **more})

    def end(self) -> bytes:
        """Return the usage, where it is wanted, and the end mark."""
        usage = self._chunk([], usage=usage_fields(self._usage or Usage())) if self._wants_usage else b""
        return usage + b"data: [DONE]\n\n"


def _head(begin: Begin) -> dict[str, Any]:
    told = head(begin, "text_completion")
    return {**told, "id": begin.id or "cmpl-lbd"}


def _choice(number: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"index": number, "text": text, "logprobs": None, "finish_reason": reason}


def whole(answer: Answer) -> bytes:
    """Return a unary answer."""
    body = _head(Begin(answer.id, answer.model, answer.created, answer.fingerprint))
    body["choices"] = [
        _choice(i, "".join(p.text for p in choice.parts if isinstance(p, Text | Refusal)), WORDS[choice.reason])
        for i, choice in enumerate(answer.choices)
    ]
    body["usage"] = usage_fields(answer.usage or Usage())
    return orjson.dumps(body)
