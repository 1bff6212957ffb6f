"""Pieces as answers of the Responses API: output items one after the other, each begun, told and ended by its events.

The unary answer is what the last event of the stream says, so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.messages import (
    Answer,
    Argued,
    Begin,
    Calling,
    Finished,
    Piece,
    Reason,
    Refused,
    Said,
    Thought,
    Token,
    Used,
)
from lbd.model.outcome import Usage
from lbd.shapes import sse
from lbd.shapes.gather import pieces_of
from lbd.shapes.responses import echo, items
from lbd.shapes.responses.under_way import Call, Open, Part

_NOTHING = Begin("", "")


class ResponsesSpeaker:
    """See :class:`lbd.shapes.dialect.Speaker`."""

    def __init__(self, _wants_usage: bool, asked: bytes = b"") -> None:
        self._echo = echo.members(asked)
        self._number = 0  # of the next event
        self._begin: Begin | None = None
        self._output: list[dict[str, Any]] = []  # each item where it belongs, as it is when it is done
        self._open: Open | None = None
        self._calls: dict[int, Call] = {}  # by the number that their pieces name
        self._known: set[int] = set()  # numbers of all calls
        self._waiting: list[dict[str, Any]] = []  # log-probabilities of no text yet
        self._refused = False
        self._finished: Finished | None = None
        self._usage: Usage | None = None

    def take_up(
        self,
        begin: Begin,
        number: int,
        output: Sequence[dict[str, Any]],
        open_: Open | None,
        calls: Mapping[int, Call],
        *,
        known: int,
        refused: bool,
    ) -> None:
        """Go on with a response that others have begun, with event ``number``; ``known`` calls were begun."""
        self._begin, self._number = begin, number
        self._output, self._open, self._calls = list(output), open_, dict(calls)
        self._known, self._refused = set(range(known)), refused

    def say(self, pieces: Iterable[Piece]) -> bytes:
        """Return the events of these pieces."""
        out: list[bytes] = []
        for piece in pieces:
            if isinstance(piece, Used):
                self._usage = piece.usage
            elif isinstance(piece, Begin):
                self._usage = self._usage or piece.usage
                out += self._start(piece)
            elif piece.choice == 0:
                out += self._start(_NOTHING)
                out += self._piece(piece)
        return b"".join(out)

    def end(self) -> bytes:
        """Return the ends of what is open, and the response as a whole."""
        out = [*self._start(_NOTHING), *self._close_all()]
        response = self.response()
        return b"".join(out) + self._event(f"response.{response['status']}", response=response)

    def response(self) -> dict[str, Any]:
        """Return the response after its end."""
        cut = self._cut()
        status = "completed" if cut is None else "incomplete"
        usage = self._usage or Usage()
        return items.response(self._begin or _NOTHING, self._output, self._echo, status=status, cut=cut, usage=usage)

    def _cut(self) -> str | None:
        return items.why_cut(self._finished or Finished(Reason.STOP), self._refused)

    def _event(self, kind: str, **more: Any) -> bytes:
        data = {"type": kind, "sequence_number": self._number, **more}
        self._number += 1
        return sse.encode(orjson.dumps(data), kind.encode())

    def _start(self, begin: Begin) -> Iterable[bytes]:
        if self._begin is not None:
            return
        self._begin = begin
        started = items.response(begin, [], self._echo, status="in_progress")
        yield self._event("response.created", response=started)
        yield self._event("response.in_progress", response=started)

    def _piece(self, piece: Said | Thought | Refused | Calling | Argued | Finished) -> Iterable[bytes]:
        if isinstance(piece, Said | Refused):
            return self._said(piece)
        if isinstance(piece, Thought):
            return self._thought(piece)
        if isinstance(piece, Calling):
            return self._calling(piece)
        if isinstance(piece, Argued):
            return self._argued(piece)
        self._finished = piece
        return ()

    def _place(self) -> int:
        """Return the place of a new item."""
        self._output.append({})
        return len(self._output) - 1

    def _id(self, kind: str, place: int) -> str:
        return items.item_id(kind, items.response_id(self._begin or _NOTHING), place)

    def _added(self, place: int, item: dict[str, Any]) -> bytes:
        return self._event("response.output_item.added", output_index=place, item=item)

    def _done(self, place: int, item: dict[str, Any]) -> bytes:
        self._output[place] = item
        return self._event("response.output_item.done", output_index=place, item=item)

    def _said(self, piece: Said | Refused) -> Iterable[bytes]:
        if isinstance(piece, Said) and piece.logprobs is not None:
            self._waiting += items.logprobs(piece.logprobs)
        if not piece.text:
            return
        kind: type[Said | Refused] = Said if isinstance(piece, Said) else Refused
        message = self._open
        if message is None or message.kind is not Said:
            yield from self._close()
            place = self._place()
            message = self._open = Open(Said, self._id("msg", place), place)
            yield self._added(place, items.message(message.id, [], "in_progress"))
        part = message.part
        if part is None or part.kind is not kind:
            yield from self._end_part(message)
            part = message.part = Part(kind)
            yield self._event("response.content_part.added", **self._at(message), part=part.shown())
        part.text.append(piece.text)
        if kind is Refused:
            self._refused = True
            yield self._event("response.refusal.delta", **self._at(message), delta=piece.text)
            return
        told, self._waiting = self._waiting, []
        part.logprobs += told
        yield self._event("response.output_text.delta", **self._at(message), delta=piece.text, logprobs=told)

    @staticmethod
    def _at(message: Open) -> dict[str, Any]:
        return {"item_id": message.id, "output_index": message.place, "content_index": len(message.done)}

    def _end_part(self, message: Open) -> Iterable[bytes]:
        part = message.part
        if part is None:
            return
        if part.kind is Said:
            part.logprobs += self._waiting
            self._waiting = []
        at, shown = self._at(message), part.shown()
        if part.kind is Said:
            yield self._event("response.output_text.done", **at, text=shown["text"], logprobs=part.logprobs)
        else:
            yield self._event("response.refusal.done", **at, refusal=shown["refusal"])
        yield self._event("response.content_part.done", **at, part=shown)
        message.done.append(shown)
        message.part = None

    def _thought(self, piece: Thought) -> Iterable[bytes]:
        if piece.redacted:
            yield from self._close()
            place = self._place()
            item = items.reasoning(self._id("rs", place), [], piece.token)
            yield self._added(place, item)
            yield self._done(place, item)
            return
        if not piece.text and piece.token is None:
            return
        thoughts = self._open
        if thoughts is None or thoughts.kind is not Thought:
            yield from self._close()
            place = self._place()
            thoughts = self._open = Open(Thought, self._id("rs", place), place)
            yield self._added(place, items.reasoning(thoughts.id, [], None))
            at = self._of(thoughts)
            yield self._event("response.reasoning_summary_part.added", **at, part=items.summary(""))
        if piece.text:
            thoughts.thoughts.append(piece.text)
            yield self._event("response.reasoning_summary_text.delta", **self._of(thoughts), delta=piece.text)
        if piece.token is not None:
            yield from self._close(token=piece.token)

    @staticmethod
    def _of(thoughts: Open) -> dict[str, Any]:
        return {"item_id": thoughts.id, "output_index": thoughts.place, "summary_index": 0}

    def _calling(self, piece: Calling) -> Iterable[bytes]:
        yield from self._close()
        if piece.index in self._calls:
            yield from self._end_call(self._calls[piece.index], None)
        self._known.add(piece.index)
        place = self._place()
        call = self._calls[piece.index] = Call(piece, self._id("fc", place), place)
        yield self._added(place, call.shown("in_progress"))

    def _argued(self, piece: Argued) -> Iterable[bytes]:
        call = self._calls.get(piece.index)
        if call is not None and piece.arguments:
            call.arguments.append(piece.arguments)
            at = {"item_id": call.id, "output_index": call.place}
            yield self._event("response.function_call_arguments.delta", **at, delta=piece.arguments)
        elif call is None and piece.index in self._known and piece.arguments.strip():
            raise LbdError(Failure(FailureKind.BAD_BODY, "more of a call's arguments after their end"))

    def _end_call(self, call: Call, cut: str | None) -> Iterable[bytes]:
        if cut is None and not "".join(call.arguments).strip():  # an application reads them as JSON
            yield from self._argued(Argued(call.head.index, "{}"))
        del self._calls[call.head.index]
        shown = call.shown("completed" if cut is None or call.complete() else "incomplete")
        at = {"item_id": call.id, "output_index": call.place}
        told = {"name": call.head.name, "arguments": shown["arguments"]}
        yield self._event("response.function_call_arguments.done", **at, **told)
        yield self._done(call.place, shown)

    def _close(self, status: str = "completed", token: Token | None = None) -> Iterable[bytes]:
        """End the message or thoughts that are open, and the calls that cannot go on."""
        open_, self._open = self._open, None
        if open_ is not None and open_.kind is Said:
            yield from self._end_part(open_)
            yield self._done(open_.place, items.message(open_.id, open_.done, status))
        elif open_ is not None:
            part = items.summary("".join(open_.thoughts))
            at = self._of(open_)
            yield self._event("response.reasoning_summary_text.done", **at, text=part["text"])
            yield self._event("response.reasoning_summary_part.done", **at, part=part)
            yield self._done(open_.place, items.reasoning(open_.id, [part], token))
        for call in list(self._calls.values()):
            if call.complete():
                yield from self._end_call(call, None)

    def _close_all(self) -> Iterable[bytes]:
        cut = self._cut()
        yield from self._close("completed" if cut is None else "incomplete")
        for call in list(self._calls.values()):
            yield from self._end_call(call, cut)


def whole(answer: Answer) -> bytes:
    """Return a unary answer."""
    speaker = ResponsesSpeaker(True)
    speaker.say(pieces_of(answer))
    speaker.end()
    return orjson.dumps(speaker.response())
